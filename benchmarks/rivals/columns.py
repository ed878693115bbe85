"""What the scripts beside this one share: which of the log's columns goes where, and where the rows end.

Each script is run as ``python SCRIPT LOG URL`` by the Python of an environment that has the rival and nothing of
ours; only ``etl.fields``, which is plain data, comes from the checkout. It prints the seconds from the call to the
last commit, imports not counted, and its peak memory. The table is ``zeek.conn`` itself: days are there, the unique
key is on.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from etl.fields import FIELDS

COLUMNS = {field.zeek: field.standard for field in FIELDS}
PG_TYPES = {field.zeek: field.pg_type for field in FIELDS}
FILE_ID = 1
"""The table wants a file and a line for each row; a rival knows neither and gives constants."""


def timed(load: Callable[[str, str], None]) -> None:
    """Call it with log and URL, and print what it took as JSON."""
    begin = time.monotonic()
    load(*sys.argv[1:3])
    seconds = time.monotonic() - begin
    # not its own ru_maxrss, which begins at the size of the process that started this one
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"seconds": seconds, "peak_mib": peak / 1024}))


def header(log: str) -> list[str]:
    """The names in a TSV log's #fields."""
    with gzip.open(log, "rt") as file:
        return next(line for line in file if line.startswith("#fields")).rstrip("\n").split("\t")[1:]
