"""The logs that chaos loads: both formats, damaged lines, an empty hour; with files that overlap and a copy, or not."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

from tests.logs import flow, flows, json_lines, tsv, write


def content(path: Path) -> bytes:
    """A log's bytes, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def packed(path: Path, data: bytes) -> bytes:
    """The bytes as a file of this name has them."""
    return gzip.compress(data, mtime=0) if path.suffix == ".gz" else data


def split(data: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Lines of a log's head, its rows, and its end."""
    lines = data.splitlines(keepends=True)
    rows = [line for line in lines if not line.startswith(b"#")]
    head = [line for line in lines if line.startswith(b"#") and not line.startswith(b"#close")]
    return head, rows, [line for line in lines if line.startswith(b"#close")]


def make(folder: Path, rng: random.Random, rows: int) -> list[Path]:
    """Eight files with about ``rows`` rows in all, in the order in which a folder is read.

    Every second tree has no row twice, so that speculative publishing succeeds.
    """
    day, part = folder / "2026-03-01", rows // 5
    twice = rng.random() < 0.5
    broken = [
        flow(9 * part, id_resp_h="8.8.8.999"),
        flow(9 * part + 1, conn_state="REG"),
        flow(9 * part + 2, orig_pkts="many"),
    ]
    content = {
        "conn.08:00:00-09:00:00.log.gz": tsv(flows(part)),
        "conn.09:00:00-10:00:00.log": json_lines(flows(part, part // 2 if twice else part)),
        "conn.10:00:00-11:00:00.log.gz": tsv([*flows(part, 2 * part), *broken]),
        "conn.11:00:00-12:00:00.log": tsv(
            [*flows(part, 2 * part + part // 3 if twice else 3 * part), *flows(20, 86_400)]
        ),
        "conn.12:00:00-13:00:00.log.gz": json_lines(flows(part, 4 * part)),
        "conn.13:00:00-14:00:00.log": tsv([]),
        "conn.14:00:00-15:00:00.log.gz": tsv(flows(10 + rng.randrange(50), 6 * part)),
    }
    paths = [write(day / name, data) for name, data in content.items()]
    return [*paths, write(day / "conn.15:00:00-16:00:00.log", tsv(flows(part, 0 if twice else 5 * part)))]
