"""The worst files that were thought of; ``python -m tests.fuzz.hostile NAME FOLDER`` reads one and prints what it took.

Run in a process of its own, since peak memory is a process's. Without a name: all of them, as a table.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from backports import zstd

from tests.logs import flow, json_lines, tsv

ROOT = Path(__file__).resolve().parents[2]
ROW = json_lines([flow(1)]).rstrip(b"\n")
PIECE = 1 << 26
"""Bytes of one member of a bomb; members of the same kind in a row are one file."""
BOMB = 10 << 30


def _with(more: bytes) -> bytes:
    """A row with one more member, between two whole rows."""
    return ROW + b"\n" + ROW[:-1] + b"," + more + b"}\n" + ROW.replace(b"C0", b"C1") + b"\n"


def _bomb(pack: Callable[[bytes], bytes], filling: bytes, before: bytes = ROW + b"\n") -> Iterator[bytes]:
    yield pack(before)
    member = pack((filling * (PIECE // len(filling) + 1))[:PIECE])
    for _ in range(BOMB // PIECE):
        yield member


def _tsv_columns(count: int) -> bytes:
    lines = tsv([flow(1)]).split(b"\n")
    names = b"".join(b"\tc%d" % number for number in range(count))
    lines[6] += names
    lines[7] += b"\tstring" * count
    lines[8] += b"\tx" * count
    return b"\n".join(lines)


CASES: dict[str, Callable[[], bytes | Iterator[bytes]]] = {
    "JSON nested 10,000 deep": lambda: _with(b'"x":' + b"[" * 10_000 + b"]" * 10_000),
    "JSON objects nested 10,000 deep": lambda: _with(b'"x":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "JSON nested 1,000,000 deep, never closed": lambda: _with(b'"x":' + b"[" * 1_000_000),
    "a million keys": lambda: _with(b",".join(b'"k%d":%d' % (n, n) for n in range(1_000_000))),
    "20,000 lines with a key of their own": lambda: b"".join(
        ROW[:-1] + b',"k%d":1}\n' % number for number in range(20_000)
    ),
    "3,000 lines with 900 keys of their own": lambda: b"".join(
        ROW[:-1] + b"".join(b',"k%d_%d":1' % (number, key) for key in range(900)) + b"}\n" for number in range(3_000)
    ),
    "the same key a million times": lambda: _with(b",".join([b'"k":1'] * 1_000_000)),
    "a field twice": lambda: _with(b'"uid":"C9"'),
    "numbers of 10,000 digits": lambda: _with(b'"x":' + b"9" * 10_000 + b',"y":-0.' + b"1" * 10_000 + b"e" + b"9" * 10_000),
    "a counter of 10,000 digits": lambda: ROW + b"\n" + ROW.replace(b'"orig_pkts":5', b'"orig_pkts":' + b"9" * 10_000) + b"\n",
    "a string of 100 MB": lambda: _with(b'"x":"' + b"x" * 100_000_000 + b'"'),
    "thirty strings of 10 MB": lambda: b"".join(ROW[:-1] + b',"x":"' + b"x" * 10_000_000 + b'"}\n' for _ in range(30)),
    "a line of 300 MB": lambda: ROW + b"\n" + b"x" * 300_000_000,
    "20,000 TSV columns": lambda: _tsv_columns(20_000),
    "a TSV line with a million cells": lambda: tsv([flow(1)]) + b"\t".join([b"x"] * 1_000_000) + b"\n",
    "500,000 header lines": lambda: tsv([flow(1)]) + b"#fields\tts\tuid\n" * 500_000,
    "1,000 logs of a row each in one file": lambda: b"".join(tsv([flow(number)]) for number in range(1_000)),
    "500,000 empty objects": lambda: ROW + b"\n" + b"{}\n" * 500_000,
    "a million lines of rubbish": lambda: ROW + b"\n" + b'{"ts":x}\n' * 1_000_000,
    "100,000 rows each with a bad address": lambda: (
        ROW + b"\n" + (ROW.replace(b'"id.orig_h":"10.0.0.2"', b'"id.orig_h":"8.8.8.999"') + b"\n") * 100_000
    ),
    "NUL bytes, 100 MB": lambda: ROW + b"\n" + b"\0" * 100_000_000 + b"\n",
    "gzip bomb of zeros": lambda: _bomb(gzip.compress, b"\0"),
    "gzip bomb of line ends": lambda: _bomb(gzip.compress, b"\n"),
    "gzip bomb of rubbish lines": lambda: _bomb(gzip.compress, b"x\n"),
    "gzip bomb of header lines": lambda: _bomb(gzip.compress, b"#close\n"),
    "gzip bomb of CR LF": lambda: _bomb(gzip.compress, b"\r\n"),
    "gzip bomb of a row in a thousand lines": lambda: _bomb(gzip.compress, b"\n" * 1_000 + ROW + b"\n"),
    "gzip bomb of empty objects": lambda: _bomb(gzip.compress, b"{}\n"),
    "gzip bomb of NUL lines": lambda: _bomb(gzip.compress, b"\0\n"),
    "gzip bomb of headers behind a TSV row": lambda: _bomb(gzip.compress, b"#close\n", tsv([flow(1)])),
    "zstd bomb of zeros": lambda: _bomb(zstd.compress, b"\0"),
    "zstd bomb of line ends": lambda: _bomb(zstd.compress, b"\n"),
    "zstd bomb of rows": lambda: _bomb(zstd.compress, ROW + b"\n"),
    "bzip2 bomb of line ends": lambda: _bomb(bz2.compress, b"\n"),
    "xz bomb of line ends": lambda: _bomb(lzma.compress, b"\n"),
    "gzip within gzip": lambda: gzip.compress(gzip.compress(ROW * 1_000)),
}  # fmt: skip


def write(name: str, folder: Path) -> Path:
    """The file of a case."""
    path = folder / "conn.log"
    made = CASES[name]()
    with path.open("wb") as file:
        for part in [made] if isinstance(made, bytes) else made:
            file.write(part)
    return path


def measure(name: str) -> dict[str, object]:
    """Read one in a process of its own: outcome, seconds and MiB at the peak beyond what an idle one has."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(name, Path(folder))
        call = [sys.executable, "-m", "tests.fuzz.hostile", str(path)]
        done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, timeout=90, check=False)
    if done.returncode:
        return {
            "outcome": f"died with {done.returncode}: {done.stderr[-500:]}",
            "seconds": 0.0,
            "cpu": 0.0,
            "mib": 0,
        }
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _read(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    from etl.errors import FileError
    from etl.loading.copy_csv import to_csv
    from etl.reader.files import ConnReader
    from etl.settings import Settings

    begin, cpu = time.monotonic(), time.process_time()
    rows = rejects = 0
    try:
        with path.open("rb") as stream:
            reader = ConnReader(stream, options=Settings().read_options())
            for block in reader:
                to_csv(block.frame, 1)
                rows, rejects = rows + block.frame.height, rejects + len(block.rejects)
        outcome = f"{rows:,} rows, {rejects:,} rejects"
    except FileError as error:
        outcome = f"{error.state}: {error.kind}"
    print(
        json.dumps(
            {
                "outcome": outcome,
                "seconds": round(time.monotonic() - begin, 2),
                "cpu": round(time.process_time() - cpu, 2),
                "mib": _peak(),
            }
        )
    )


def _peak() -> int:
    """MiB of this program at its peak; getrusage would count what the process was before it was this program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_file():
        _read(Path(sys.argv[1]))
    else:
        for case in [name for name in CASES if not sys.argv[1:] or sys.argv[1] in name]:
            figures = measure(case)
            print(
                f"{case:45s} {figures['seconds']:>7} s {figures['cpu']:>7} s cpu {figures['mib']:>6} MiB  {figures['outcome']}",
                flush=True,
            )
