"""Which files the scheduled scan may take, and which of them a span of time is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from etl.models import FoundFile


def settled(
    file: FoundFile,
    now: datetime,
    settle_after: timedelta,
    *,
    first_seen: datetime | None = None,
    whole: Callable[[FoundFile], bool] = lambda _: False,
) -> bool:
    """Whether nobody writes to a file any more: by evidence first, else by age and the same size on two looks.

    Evidence is a named window that has ended (not where the log is there plain and packed: one is being written from
    the other) or an end of its own. With a ``settle_after`` of 0 every file is taken as it is.

    Args:
        file: as listed now.
        now: the moment of the listing.
        settle_after: how long it has not changed, and how long ago the first look was.
        first_seen: when it was first seen with this size and mtime; None: now.
        whole: reads a file's end: ``#close``, or the last member of a packed one is complete.
    """
    if file.turned_down is not None or not settle_after:
        return True
    if file.window_end is not None and file.window_end <= now and not file.twins:
        return True
    ripe = now - settle_after
    if first_seen is not None and first_seen <= ripe and file.mtime <= ripe:
        return True
    return whole(file)


def settles_at(
    file: FoundFile, now: datetime, settle_after: timedelta, *, first_seen: datetime | None = None
) -> datetime:
    """When a file that is not settled now will be, if nobody writes to it; the arguments are those of ``settled``."""
    by_age = max(first_seen or now, file.mtime) + settle_after
    if file.window_end is not None and file.window_end > now and not file.twins:
        return min(file.window_end, by_age)
    return by_age


def overlaps(file: FoundFile, since: datetime | None, until: datetime | None) -> bool:
    """Whether the file's window meets since/until; a file without a window always does."""
    if file.window_start is None:
        return True
    end = file.window_end or file.window_start
    return (since is None or end > since) and (until is None or file.window_start < until)
