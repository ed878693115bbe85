"""Small files that are mapped together: each has the rows, the rejects and the outcome that it has alone."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from etl.database.statements import CopyFormat
from etl.loading import copy_buffer, copy_csv, small_files
from etl.loading.ledger import BatchFile
from etl.models import FileState, Reader
from etl.pipeline.steps import reader_of
from etl.settings import Settings
from tests.logs import flows, tsv

CASES = Path(__file__).parents[2] / "data" / "conn"
Change = Callable[[bytes], bytes]
HEADED = tsv([])
ODD: dict[str, Change] = {
    "a bad cell": lambda log: log.replace(b"\t443\t", b"\tx\t", 1),
    "an address that is none": lambda log: log.replace(b"10.0.0.", b"10.0.0.0.", 1),
    "a cell too few": lambda log: log.replace(b"\t443\t", b"\t", 1),
    "a cell too many": lambda log: log.replace(b"\t443\t", b"\t443\t1\t", 1),
    "an empty cell": lambda log: log.replace(b"\tssl\t", b"\t\t", 1),
    "a value with a newline": lambda log: log.replace(b"\tssl\t", rb"	s\x0al	", 1),
    "a value in quotes": lambda log: log.replace(b"\tssl\t", b'\t"s,l"\t', 1),
    "an escaped backslash": lambda log: log.replace(b"\tssl\t", rb"	s\\l	", 1),
    "bytes that are not UTF-8": lambda log: log.replace(b"\tssl\t", b"\t\xff\t", 1),
    "a NUL": lambda log: log.replace(b"\tssl\t", b"\ts\0l\t", 1),
    "a # within": lambda log: log.replace(b"\tssl\t", b"\t#ssl\t", 1),
    "a line with #": lambda log: log.replace(b"\n1772", b"\n#1772", 1),
    "a header again": lambda log: log + HEADED + b"\n",
    "a blank line": lambda log: log.replace(b"\n1772", b"\n\n1772", 1),
    "CR LF": lambda log: log.replace(b"\n", b"\r\n"),
    "a byte-order mark": lambda log: b"\xef\xbb\xbf" + log,
    "no #close": lambda log: log[: log.rindex(b"#close")],
    "no newline at the end": lambda log: log[: log.rindex(b"\n#close")],
    "no rows": lambda _: HEADED,
    "nothing": lambda _: b"",
    "no header": lambda log: log[log.index(b"\n1772") + 1 :],
    "another #open": lambda log: log.replace(b"2026-03-01-08-00-00", b"2026-03-02-08-00-00"),
    "two #open": lambda log: log.replace(b"#open", b"#open\t1\n#open"),
    "another log": lambda log: log.replace(b"#path\tconn", b"#path\tdns"),
    "a required column less": lambda log: log.replace(b"\tuid\t", b"\tother\t", 1),
    "a column more": lambda log: log.replace(b"ip_proto", b"flags").replace(b"\tcount\n", b"\tstring\n"),
    "gzip": partial(gzip.compress, mtime=0),
    "gzip, torn": lambda log: gzip.compress(log, mtime=0)[:-20],
    "gzip, broken": lambda log: gzip.compress(log, mtime=0)[:-8] + b"12345678",
    "JSON": lambda _: b'{"ts":1}\n',
}


def listed(paths: Sequence[Path]) -> list[BatchFile]:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    nothing = dict.fromkeys(
        (
            "kind",
            "reason",
            "digest",
            "incomplete",
            "rows_read",
            "rows_staged",
            "rows_rejected",
            "rows_failed",
            "run_id",
        )
    )
    return [
        BatchFile(
            etl_file_id=number,
            path=str(path),
            size=path.stat().st_size,
            mtime=moment,
            state=FileState.FOUND,
            accepted=False,
            first_seen=moment,
            **nothing,  # type: ignore[arg-type]
        )
        for number, path in enumerate(paths, 1)
    ]


def made(files: Sequence[BatchFile]) -> dict[str, Any]:
    """By name of the file: its rows, rejects, hours and outcome."""
    found: dict[str, list[Any]] = defaultdict(lambda: [b"", 0, set(), b"", 0, None])
    for piece in copy_buffer.pieces(files, partial(reader_of, settings=Settings())):
        of_file = found[Path(piece.file.path).name]
        assert of_file[-1] is None, "nothing comes after the outcome"
        of_file[0] += piece.rows
        of_file[1] += piece.row_count
        of_file[2] |= set(piece.hours)
        of_file[3] += piece.rejects
        of_file[4] += piece.reject_count
        of_file[5] = str(piece.outcome) if isinstance(piece.outcome, Exception) else piece.outcome
    return found


def alone(files: Sequence[BatchFile], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with monkeypatch.context() as patched:
        patched.setattr(copy_buffer, "SMALL_FILE", -1)
        return made(files)


@pytest.fixture(autouse=True)
def _one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether rows are sent as text or as CSV depends on those beside them."""
    monkeypatch.setattr(copy_csv, "to_copy", lambda *given: (copy_csv.to_csv(*given), CopyFormat.CSV))


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were mapped together."""
    names: list[str] = []

    def noted(group: small_files.Group) -> Iterator[small_files.Mapped]:
        for some in small_files.mapped(group):
            names.extend(Path(file.path).name for file in some.files if some.joined)
            yield some

    monkeypatch.setattr(copy_buffer, "mapped", noted)
    return names


def test_odd_files_among_good_ones(
    tmp_path: Path, together: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for number, (name, change) in enumerate(ODD.items()):
        good, odd = tmp_path / f"{number:02} good", tmp_path / f"{number:02} {name}"
        good.write_bytes(tsv(flows(3, 10 * number)))
        odd.write_bytes(change(tsv(flows(4, 10 * number + 5))))
        paths += [good, odd]
    files = listed(paths)
    assert made(files) == alone(files, monkeypatch)
    good = {path.name for path in paths if path.name.endswith("good")}
    assert len(good - set(together)) <= 2 * len(ODD) // 3
    same = {"a value with a newline", "a value in quotes", "no #close", "another #open", "gzip", "a # within"}
    odd_together = {name[3:] for name in together if not name.endswith("good")}
    assert odd_together <= same | {"an escaped backslash"}


def test_files_without_oddities_are_mapped_together(
    tmp_path: Path, together: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.log" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(tsv(flows(number + 1, 100 * number, duration=None if number % 2 else "0.5")))
    files = listed(paths)
    assert made(files) == alone(files, monkeypatch)
    assert len(set(together)) == len(paths)


def test_every_golden_log_among_good_ones(
    tmp_path: Path, together: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "good.log"
    good.write_bytes(tsv(flows(5)))
    paths = []
    for source in sorted(CASES.glob("*/input.*")):
        for time in ("first", "again"):
            path = tmp_path / f"{source.parent.name} {time}{source.suffix}"
            path.write_bytes(source.read_bytes())
            paths.append(path)
    files = listed([good, *paths])
    assert made(files) == alone(files, monkeypatch)
    assert together


def test_a_file_that_breaks_the_others_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.reader import small

    for number in range(9):
        (tmp_path / f"{number}.log").write_bytes(tsv(flows(3, 10 * number)))
    files = listed(sorted(tmp_path.iterdir()))
    wanted = alone(files, monkeypatch)
    standard = small.standard

    def broken(frame: Any) -> Any:
        if "C00000000000000041" in frame["uid"]:
            raise ZeroDivisionError
        return standard(frame)

    monkeypatch.setattr(small, "standard", broken)
    assert made(files) == wanted


def test_a_reader_that_fails_is_that_files_failure(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.log").write_bytes(tsv(flows(3, 10 * number)))

    @contextmanager
    def opener(path: str) -> Iterator[Reader]:
        if path.endswith("1.log"):
            raise ZeroDivisionError
        with reader_of(path, Settings()) as reader:
            yield reader

    outcomes = {
        piece.file.path: piece.outcome
        for piece in copy_buffer.pieces(listed(sorted(tmp_path.iterdir())), opener)
        if piece.outcome
    }
    assert [isinstance(outcome, Exception) for _, outcome in sorted(outcomes.items())] == [False, True, False]
