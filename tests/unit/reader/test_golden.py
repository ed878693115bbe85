"""Each folder of tests/data/conn is a log with one defect or oddity, named by it, and what has to come of it.

``expected.json``: ``rows`` by standard name (unset ones left out, ``extra`` parsed), ``rejects`` as [line, field,
reason], or ``error`` with a word of its message; where they matter ``extra`` (column → type), ``incomplete``, ``note``,
``wrapping`` and ``compression``, the settings ``aliases`` and ``options``, and the file's ``name``. A new folder is a
new test.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl.errors import FileError
from etl.models import Block, ReadOptions, Scan
from etl.reader.files import ConnReader

CASES = Path(__file__).parents[2] / "data" / "conn"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_golden(case: str) -> None:
    folder = CASES / case
    wanted = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    (source,) = folder.glob("input.*")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in wanted.get("options", {}).items()}
    options = ReadOptions(aliases=wanted.get("aliases", {}), **given)
    name = wanted.get("name", "")
    if "error" in wanted:
        with pytest.raises(FileError) as caught:
            read(source, options, name)
        assert caught.value.kind == wanted["error"]
        assert wanted.get("message", "") in str(caught.value)
        return
    blocks, scan = read(source, options, name)
    assert [plain(row) for block in blocks for row in block.frame.iter_rows(named=True)] == wanted["rows"]
    rejects = [reject for block in blocks for reject in block.rejects]
    assert [[reject.line, reject.field, reject.reason] for reject in rejects] == wanted["rejects"]
    assert scan.rows_read == len(wanted["rows"]) + len(rejects)
    assert scan.incomplete == wanted.get("incomplete")
    assert scan.note == wanted.get("note")
    assert list(scan.formats[-1].wrapping if scan.formats else ()) == wanted.get("wrapping", [])
    assert scan.extra == wanted.get("extra", scan.extra)
    assert scan.compression == wanted.get("compression", scan.compression)


def read(source: Path, options: ReadOptions, name: str) -> tuple[list[Block], Scan]:
    with source.open("rb") as stream:
        reader = ConnReader(stream, options=options, name=name)
        return list(reader), reader.scan()


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """As ``expected.json`` writes a row."""
    out = {name: value for name, value in row.items() if value is not None}
    if isinstance(at := out.get("@timestamp"), datetime):
        out["@timestamp"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if "extra" in out:
        out["extra"] = json.loads(out["extra"])
    return out
