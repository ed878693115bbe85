"""What holds for any bytes: each line ends as a row or a reject with its own bytes, and whole lines load."""

from __future__ import annotations

import io
from collections import Counter

from etl.errors import FileError
from etl.loading.copy_csv import to_csv
from etl.mapping.values import frame_schema
from etl.models import ReadOptions
from etl.reader.files import ConnReader
from etl.reader.raw_lines import raw_lines

BLOCK = ReadOptions().block_rows


def check(
    data: bytes, *, whole: frozenset[str] = frozenset(), packed: bool = False, block_rows: int = BLOCK
) -> Counter[str]:
    """Read and map ``data`` and return counts; AssertionError where something does not hold.

    whole: uids that must load, unless the file as a whole is refused. packed: the bytes may be compressed, so that
    rejects are not looked for in them.
    """
    options = ReadOptions(block_rows=block_rows)
    reader = ConnReader(io.BytesIO(data), options=options)
    loaded: list[int] = []
    uids: set[str] = set()
    rejected: dict[int, bytes] = {}
    try:
        for block in reader:
            assert block.frame.schema == frame_schema()
            to_csv(block.frame, 1).decode()
            loaded += block.frame["etl_line"].to_list()
            uids.update(block.frame["event_uid"].drop_nulls().to_list())
            for reject in block.rejects:
                rejected[reject.line] = reject.raw
                assert packed or reject.raw in data, reject
                assert reject.reason, reject
                assert reject.rule, reject
    except FileError as error:
        assert not whole, f"refused: {error}"
        return Counter({"files": 1, f"refused: {error.kind}": 1})
    scan = reader.scan()
    assert scan.rows_read == len(loaded) + len(rejected), (scan.rows_read, len(loaded), len(rejected))
    assert len({*loaded, *rejected}) == scan.rows_read, "a line twice"
    assert whole <= uids, f"whole lines lost: {sorted(whole - uids)[:3]}"
    if rejected:
        again = raw_lines(io.BytesIO(data), rejected, options)
        assert {number: line.raw for number, line in again.items()} == rejected
    return Counter({"files": 1, "lines read": scan.rows_read, "rows": len(loaded), "rejects": len(rejected)})
