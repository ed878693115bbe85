"""Where rotated logs are, which of them are settled, and how one is opened: local folders and object stores alike."""

from etl.source.complete import overlaps, settled, settles_at
from etl.source.listing import listed
from etl.source.names import PACKED, base, window
from etl.source.paths import (
    ledger_path,
    legible,
    local_path,
    named,
    opened,
    other_form,
    status_of,
    tail,
    unchanged,
)
from etl.source.remote import is_remote, use
from etl.source.sensors import Sensor, Sensors
from etl.source.stdin import is_stdin
from etl.source.stdin import take as take_stdin

__all__ = [
    "PACKED",
    "Sensor",
    "Sensors",
    "base",
    "is_remote",
    "is_stdin",
    "ledger_path",
    "legible",
    "listed",
    "local_path",
    "named",
    "opened",
    "other_form",
    "overlaps",
    "settled",
    "settles_at",
    "status_of",
    "tail",
    "take_stdin",
    "unchanged",
    "use",
    "window",
]
