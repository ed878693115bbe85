"""Write conn logs: ``python -m samples.generate --out DIR``, or without ``--out`` the committed set again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from samples.committed import FOLDER, write_committed
from samples.writing import START, Format, write_hours


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m samples.generate", description=__doc__)
    parser.add_argument(
        "--out", type=Path, help="folder to write into; without it the committed set is written again"
    )
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--rows", type=int, default=400, help="rows of each hour")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", choices=("tsv", "json", "mixed"), default="mixed")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument(
        "--start", type=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC), default=START
    )
    given = parser.parse_args(arguments)
    if given.out is None:
        paths = write_committed(FOLDER)
    else:
        formats: Sequence[Format] = ("tsv", "json") if given.format == "mixed" else (given.format,)
        paths = write_hours(
            given.out,
            hours=given.hours,
            rows=given.rows,
            seed=given.seed,
            formats=formats,
            gz=given.gzip,
            start=given.start,
        )
    for path in paths:
        print(path)


if __name__ == "__main__":
    main()
