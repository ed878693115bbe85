"""``make bench``: all parts one after the other, some hours on two cores at their full sizes.

``ARGS="load --rows 5000000 --rounds 5"`` runs one part with its options, ``ARGS=quick`` two minutes of it.
``ARGS=--save`` runs all, keeps their figures in docs/benchmarks/ and makes docs/benchmarks.md from them.
"""

from __future__ import annotations

import sys

from benchmarks import (
    archive,
    dag,
    fixed,
    gate,
    growth,
    history,
    ledger,
    load,
    memory,
    page,
    report,
    results,
    tree,
)
from benchmarks.rivals import contest

PARTS = {
    "load": load.main,
    "quick": load.quick,
    "bad_lines": load.bad_lines,
    "rivals": contest.main,
    "quality": gate.main,
    "growth": growth.main,
    "full": growth.full,
    "fixed": fixed.main,
    "dag": dag.main,
    "history": history.main,
    "report": report.main,
    "tree": tree.main,
    "ledger": ledger.main,
    "memory": memory.main,
    "archive": archive.main,
}
INNER_LOOP = ("quick",)
"""Parts that say what others say, in less time."""


def main(arguments: list[str]) -> None:
    """Run the part that is named with the options after it, or all parts as they are."""
    if arguments and arguments[0] in PARTS:
        PARTS[arguments[0]](arguments[1:])
        return
    if arguments not in ([], ["--save"]):
        raise SystemExit(f"parts are {', '.join(PARTS)}; --save keeps the figures of all")
    for name, part in PARTS.items():
        if name in INNER_LOOP:
            continue
        print(f"--- {name}", flush=True)
        part(["--json", str(results.FOLDER / f"{name}.json")] if arguments else [])
    if arguments:
        page.main()


if __name__ == "__main__":
    main(sys.argv[1:])
