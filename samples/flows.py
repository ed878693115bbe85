"""Rows of a conn log, drawn column by column: a polars frame under Zeek's field names, in log order.

Only uniform draws, comparisons and IEEE sums and products are used: no logarithm or exponential, whose last digit
differs between processors, so one seed gives the same bytes everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from samples.profiles import PROFILES, Profile

Ints = npt.NDArray[np.int64]

_LETTERS = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
_HEX = pl.Series([f"{value:x}" for value in range(65_536)])
SEGMENT_BYTES = 1_400
"""Payload of a full packet, about."""


def draw_flows(rng: np.random.Generator, rows: int, start: int, end: int) -> pl.DataFrame:
    """``rows`` connections that were logged in [start, end), epoch microseconds; ``ts`` may lie days before.

    Columns: ts, end (Int64, microseconds), uid, the four ids, proto, ip_proto, service, duration (Int64,
    microseconds, null when unset), byte and packet counters, conn_state, local_orig, local_resp, missed_bytes,
    history, tunnel_parents (List[String]), vlan, inner_vlan, orig_l2_addr, resp_l2_addr.
    """
    weights = np.array([profile.weight for profile in PROFILES], dtype=np.float64)
    kind = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(rows)).clip(max=len(PROFILES) - 1)
    table = _table(PROFILES)
    pick = {name: values[kind] for name, values in table.items()}
    timed = pick["timed"] == 1
    duration = np.where(timed, _between(rng, pick["duration_low"], pick["duration_high"]), 0)
    ended = np.sort(rng.integers(start, end, rows))
    v6 = np.where(pick["v6"] < 0, rng.random(rows) < 0.125, pick["v6"] == 1)
    counters = _counters(rng, pick, v6)
    text = {
        name: pl.Series([getattr(profile, name) for profile in PROFILES], dtype=pl.String)
        for name in ("proto", "service", "state", "history")
    }
    local_orig, local_resp = pick["way"] != 1, pick["way"] != 0
    frame = pl.DataFrame(
        {
            "ts": ended - duration,
            "end": ended,
            "uid": _uids(rng, rows),
            "id.orig_h": _addresses(rng, local_orig, v6),
            "id.orig_p": np.where(
                pick["from_port"] < 0, rng.integers(32_768, 61_000, rows), pick["from_port"]
            ),
            "id.resp_h": _addresses(rng, local_resp, v6),
            "id.resp_p": _ports(rng, kind),
            "proto": text["proto"].gather(kind),
            "service": text["service"].gather(kind),
            "duration": duration,
            "conn_state": text["state"].gather(kind),
            "local_orig": local_orig,
            "local_resp": local_resp,
            "history": text["history"].gather(kind),
            "ip_proto": pick["ip_proto"],
            **counters,
            **_link_layer(rng, rows),
        }
    )
    unset = [
        pl.when(pl.Series(timed)).then(pl.col(name)).alias(name)
        for name in ("duration", "orig_bytes", "resp_bytes")
    ]
    return _with_parents(rng, frame.with_columns(unset), pick["inner"] == 1)


def community_ids(frame: pl.DataFrame) -> list[str]:
    """Community ID version 1, seed 0: ``1:`` and the SHA-1 of the flow in base64, its two ends in order."""
    return [
        _community_id(ipaddress.ip_address(a).packed, ipaddress.ip_address(b).packed, p, q, proto)
        for a, b, p, q, proto in frame.select(
            "id.orig_h", "id.resp_h", "id.orig_p", "id.resp_p", "ip_proto"
        ).iter_rows()
    ]


def _community_id(source: bytes, target: bytes, sport: int, dport: int, proto: int) -> str:
    one_way = proto == 1 and sport == 3  # ICMP unreachable: no answer, so no order
    if not one_way and (target, dport) < (source, sport):
        source, target, sport, dport = target, source, dport, sport
    ports = sport.to_bytes(2) + dport.to_bytes(2)
    digest = hashlib.sha1(
        b"\0\0" + source + target + bytes([proto, 0]) + ports, usedforsecurity=False
    ).digest()
    return "1:" + base64.b64encode(digest).decode()


def _table(profiles: Sequence[Profile]) -> dict[str, Ints]:
    """The profiles' numbers as columns, so that a row's numbers come by one index."""
    rows = []
    for p in profiles:
        low, high = p.duration or (0, 0)
        way = {"out": 0, "in": 1, "lan": 2}[p.way]
        rows.append(
            {
                "timed": int(p.duration is not None), "duration_low": low, "duration_high": high,
                "ip_proto": p.ip_proto, "from_port": -1 if p.from_port is None else p.from_port,
                "v6": -1 if p.v6 is None else int(p.v6), "way": way, "inner": int(p.inner),
                "sent_low": p.sent[0], "sent_high": p.sent[1], "got_low": p.got[0], "got_high": p.got[1],
                "out_low": p.packets[0][0], "out_high": p.packets[0][1],
                "in_low": p.packets[1][0], "in_high": p.packets[1][1], "gap": int("g" in (p.history or "")),
            }
        )  # fmt: skip
    return {name: np.array([row[name] for row in rows], dtype=np.int64) for name in rows[0]}


def _between(rng: np.random.Generator, low: Ints, high: Ints) -> Ints:
    """Low values often, high ones seldom (the fourth power of a uniform draw)."""
    draw = rng.random(len(low))
    square = draw * draw
    above: Ints = (
        (square * square * (high - low + 1).astype(np.float64)).astype(np.int64).clip(max=high - low)
    )
    return low + above


def _counters(rng: np.random.Generator, pick: dict[str, Ints], v6: npt.NDArray[np.bool_]) -> dict[str, Ints]:
    """Bytes and packets of both sides: IP bytes are the payload and a header for each packet."""
    header = np.select(
        [pick["ip_proto"] == 6, pick["ip_proto"] == 17], [np.int64(32), np.int64(8)], np.int64(8)
    ) + np.where(v6, 40, 20)
    columns: dict[str, Ints] = {}
    for side, payload, spare in (("orig", "sent", "out"), ("resp", "got", "in")):
        size = _between(rng, pick[f"{payload}_low"], pick[f"{payload}_high"])
        packets = _between(rng, pick[f"{spare}_low"], pick[f"{spare}_high"]) + size // SEGMENT_BYTES
        columns |= {
            f"{side}_bytes": size,
            f"{side}_pkts": packets,
            f"{side}_ip_bytes": size + packets * header,
        }
    gap = rng.integers(1, 9, len(v6)) * SEGMENT_BYTES
    return columns | {"missed_bytes": np.where(pick["gap"] == 1, gap, 0)}


def _uids(rng: np.random.Generator, rows: int) -> pl.Series:
    """Zeek's uids: C and 17 letters of base 62."""
    letters = _LETTERS[rng.integers(0, 62, (rows, 18), dtype=np.uint8)]
    letters[:, 0] = ord("C")
    return pl.Series(np.ascontiguousarray(letters).view("S18").ravel().astype("U18"))


def _ports(rng: np.random.Generator, kind: npt.NDArray[np.intp]) -> Ints:
    widest = max(len(profile.ports) for profile in PROFILES)
    ports = np.array([(profile.ports * widest)[:widest] for profile in PROFILES], dtype=np.int64)
    chosen: Ints = ports[kind, rng.integers(0, widest, len(kind))]
    return chosen


def _addresses(
    rng: np.random.Generator, local: npt.NDArray[np.bool_], v6: npt.NDArray[np.bool_]
) -> pl.Series:
    """Private addresses here; the world is the ranges kept for documentation and benchmarks (nobody's hosts)."""
    high, low, host = (rng.integers(*bounds, len(local)) for bounds in ((0, 2), (0, 256), (1, 255)))
    group, tail = rng.integers(1, 65_536, len(local)), rng.integers(1, 65_536, len(local))
    parts = pl.DataFrame({"local": local, "v6": v6, "high": high, "low": low, "host": host}).with_columns(
        _HEX.gather(group).alias("group"), _HEX.gather(tail).alias("tail")
    )
    site = (
        pl.when("local")
        .then(pl.format("2001:db8:a::{}:{}", pl.col("low") % 16 + 1, "tail"))
        .otherwise(pl.format("2001:db8:{}::{}", "group", "tail"))
    )
    plain = (
        pl.when("local")
        .then(pl.format("10.0.{}.{}", pl.col("low") % 32, "host"))
        .otherwise(pl.format("198.{}.{}.{}", pl.col("high") + 18, "low", "host"))
    )
    return parts.select(pl.when("v6").then(site).otherwise(plain).alias("address")).to_series()


def _link_layer(rng: np.random.Generator, rows: int) -> dict[str, pl.Series]:
    """Two VLANs, one in four of them doubly tagged, and the MACs of a few dozen cards."""
    vlan, tagged = rng.integers(0, 2, rows) * 100 + 101, rng.random(rows) < 0.25
    cards = [rng.integers(0, 32, rows) for _ in range(2)]
    macs = pl.Series([f"00:16:3e:5e:6c:{value:02x}" for value in range(32)])
    return {
        "vlan": pl.Series(vlan),
        "inner_vlan": pl.select(pl.when(pl.Series(tagged)).then(pl.lit(200))).to_series(),
        "orig_l2_addr": macs.gather(cards[0]),
        "resp_l2_addr": macs.gather(cards[1]),
    }


def _with_parents(
    rng: np.random.Generator, frame: pl.DataFrame, inner: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    """The uid of a tunnel in the same stretch (two for one in five) as parents of what came through it."""
    tunnels = frame.filter(pl.col("service") == "vxlan")["uid"]
    if not len(tunnels):
        return frame.with_columns(pl.lit(None, pl.List(pl.String)).alias("tunnel_parents"))
    first, second = (tunnels.gather(rng.integers(0, len(tunnels), len(frame))) for _ in range(2))
    twice = pl.Series(rng.random(len(frame)) < 0.2) & (first != second)
    parents = pl.when(twice).then(pl.concat_list(first, second)).otherwise(pl.concat_list(first))
    return frame.with_columns(pl.when(pl.Series(inner)).then(parents).alias("tunnel_parents"))
