"""What is plainly no log: skipped in a folder, and refused with what helps when it is given itself."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from etl import pipeline, source
from etl.settings import Settings
from tests.logs import flows, tsv

PLAIN = tsv(flows(2))
NO_LOGS: dict[str, tuple[bytes, str]] = {
    "trace.pcap": (b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(40), "pcap"),
    "trace.pcapng": (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"),
    "trace.pcap.gz": (gzip.compress(b"\xa1\xb2\xc3\xd4" + bytes(400)), "pcap"),
    "conn.log": (b"\xd4\xc3\xb2\xa1" + bytes(40), "pcap"),
    "ledger.sqlite": (b"SQLite format 3\0" + bytes(100), "SQLite"),
    "graph.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    "photo": (b"\xff\xd8\xff\xe0" + bytes(100), "picture"),
    "page.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "zeek": (b"\x7fELF\x02\x01\x01" + bytes(100), "program"),
    "rotate": (b"#!/bin/sh\nmv conn.log /archive\n", "script"),
    "SHA256SUMS": (f"{hashlib.sha256(PLAIN).hexdigest()}  conn.log\n".encode(), "checksums"),
    "state.bin": (bytes(range(256)) * 40, "binary data"),
    "report.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "document"),
}
DOCUMENTS = ["README.md", "rotate.sh", "local.zeek", "notes.rst", "conn.log.sha256", "node.cfg", "index.html"]
DOCUMENTS += ["README", "README.txt", "LICENSE", "Makefile"]
REFUSED: dict[str, bytes] = {
    # may hold a log, in another form: nothing is passed over in silence
    "app.ndjson": b'{"level":"info","name":"a"}\n{"level":"warn","name":"b"}\n' * 5,
    "conn.log.bin": bytes(range(256)) * 40,  # encrypted, or packed by something unknown
    "notes.txt": b"remember to rotate\nand to pack\n",
    "conn.utf16.log": "\ufeffuid\tts\n".encode("utf-16-le"),
}


def states(path: Path) -> dict[str, tuple[str, str | None]]:
    found = pipeline.try_out([str(path)], Settings())
    return {Path(result.path).name: (result.state, result.reason) for result in found}


@pytest.mark.parametrize("name", sorted(NO_LOGS))
def test_what_can_hold_no_log_is_skipped_in_a_folder_and_refused_itself(tmp_path: Path, name: str) -> None:
    content, what = NO_LOGS[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "conn.1.log").write_bytes(PLAIN)
    found = states(tmp_path)
    assert found.pop("conn.1.log")[0] == "readable"
    assert found[name][0] == "skipped"
    assert what in str(found[name][1])
    state, reason = states(tmp_path / name)[name]
    assert state == "refused"
    assert what in str(reason)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_and_programs_are_skipped_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"# a heading, as every text may have\n")
    assert states(tmp_path)[name][0] == "skipped"
    assert states(tmp_path / name)[name][0] == "refused"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_may_hold_a_log_is_refused_in_a_folder_too(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(REFUSED[name])
    (tmp_path / "conn.log").write_bytes(tsv(flows(5)))
    found = states(tmp_path)
    assert (found[name][0], found["conn.log"][0]) == ("refused", "readable")


def test_a_log_is_read_whatever_its_packing_and_its_name(tmp_path: Path) -> None:
    for name, content in {"a.bin": PLAIN, "b.csv": PLAIN, "c.txt": gzip.compress(PLAIN), "d": PLAIN}.items():
        (tmp_path / name).write_bytes(content)
        assert states(tmp_path / name)[name][0] == "readable"
    assert {state for state, _ in states(tmp_path).values()} == {"readable"}


def test_a_hint_says_what_helps(tmp_path: Path) -> None:
    (tmp_path / "trace.pcap").write_bytes(NO_LOGS["trace.pcap"][0])
    (found,) = source.listed([str(tmp_path / "trace.pcap")])
    assert str(found.skip_reason) == "a capture (pcap); zeek -r FILE makes its logs"
