"""Where rotated logs are, which of them are complete, and how one is opened: folders, archives and object stores."""

from etl.source.complete import complete_at, content, half_written, has_end, is_complete, overlaps
from etl.source.credentials import masked, require_allowed
from etl.source.listing import listed
from etl.source.names import PACKED, base
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
from etl.source.rotation import window
from etl.source.sensors import Sensor, Sensors
from etl.source.stdin import is_stdin
from etl.source.stdin import take as take_stdin

__all__ = [
    "PACKED",
    "Sensor",
    "Sensors",
    "base",
    "complete_at",
    "content",
    "half_written",
    "has_end",
    "is_complete",
    "is_remote",
    "is_stdin",
    "ledger_path",
    "legible",
    "listed",
    "local_path",
    "masked",
    "named",
    "opened",
    "other_form",
    "overlaps",
    "require_allowed",
    "status_of",
    "tail",
    "take_stdin",
    "unchanged",
    "use",
    "window",
]
