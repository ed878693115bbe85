"""The cookbook's questions once more, in plain Python over Zeek's own lines: nothing of ``etl`` and no SQL.

Each function takes the rows of a span (as ``of_log`` gives them: ``ts`` in microseconds, unset as None) and gives the
lines of the question of the same name, in its order. Limits are those of the call.
"""

from __future__ import annotations

import ipaddress
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any

from tests import history

Row = dict[str, Any]
Line = tuple[Any, ...]
NAMES = (
    "service",
    "duration",
    "conn_state",
    "local_orig",
    "local_resp",
    "tunnel_parents",
    "orig_bytes",
    "resp_bytes",
)
NAMES += ("missed_bytes", "orig_ip_bytes", "resp_ip_bytes")
"""What a row may lack; None then."""
FAILED = {"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"}
PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
NOWHERE = (
    *map(
        ipaddress.ip_network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255")
    ),
    *map(ipaddress.ip_network, ("::", "::1", "fe80::/10", "ff00::/8")),
)
PAIR = ("id.orig_h", "id.resp_h", "id.resp_p", "proto")


def of_log(row: history.Row) -> Row:
    """A row as ``tests.history`` reads it, in the form that the functions here take."""
    addresses = {name: str(row[name]) for name in ("id.orig_h", "id.resp_h")}
    ts = (row["ts"] - history.EPOCH) // timedelta(microseconds=1)
    return {**dict.fromkeys(NAMES), **row, **addresses, "ts": ts}


def moment(micros: int) -> str:
    return (history.EPOCH + timedelta(microseconds=micros)).isoformat()


def place(address: str) -> tuple[int, int]:
    """An address's place in PostgreSQL's order: IPv4 first, then by number."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def total(rows: Iterable[Row], *names: str) -> int | None:
    """What is known of some counters, added up; None where nothing is."""
    known = [row[name] for row in rows for name in names if row[name] is not None]
    return sum(known) if known else None


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def pair(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in PAIR)


def pair_place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return place(key[0]), place(key[1]), key[2], key[3]


def is_outside(address: str, is_local: bool | None) -> bool:
    parsed = ipaddress.ip_address(address)
    outside = not is_local if is_local is not None else not any(parsed in net for net in PRIVATE)
    return outside and not any(parsed in net for net in NOWHERE)


def hour(row: Row) -> int:
    return int(row["ts"]) // 3_600_000_000 * 3_600_000_000


def none_last(value: str | None) -> tuple[bool, str]:
    return value is None, value or ""


# --- the questions ------------------------------------------------------------------------------------------


def packet_loss(rows: list[Row]) -> list[Line]:
    lines = []
    for (begin, sensor), group in sorted(grouped(rows, lambda row: (hour(row), row["sensor"])).items()):
        missed, payload = total(group, "missed_bytes") or 0, total(group, "orig_bytes", "resp_bytes") or 0
        if missed:
            loss = 1.0 if missed >= payload else round(missed / payload, 6)
            wire = total(group, "orig_ip_bytes", "resp_ip_bytes") or 0
            lines.append((moment(begin), sensor, len(group), missed, payload, wire, loss))
    return lines


def bytes_by_hour_and_service(rows: list[Row]) -> list[Line]:
    groups = grouped(rows, lambda row: (hour(row), row["service"]))
    names = ("orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes", "missed_bytes")
    return [
        (moment(key[0]), key[1], len(group), *(total(group, name) for name in names))
        for key, group in sorted(groups.items(), key=lambda item: (item[0][0], none_last(item[0][1])))
    ]


def top_talkers(rows: list[Row], most: int) -> list[Line]:
    lines = [
        (
            address, len(group), len({row["id.resp_h"] for row in group}), total(group, "orig_ip_bytes"),
            total(group, "resp_ip_bytes"), total(group, "orig_bytes"), total(group, "resp_bytes"),
            total(group, "missed_bytes"),
        )
        for address, group in grouped(rows, lambda row: row["id.orig_h"]).items()
    ]  # fmt: skip
    lines.sort(
        key=lambda line: (
            -(line[3] or 0) - (line[4] or 0),
            -(line[5] or 0) - (line[6] or 0),
            place(line[0]),
        )
    )
    return lines[:most]


def subnet_matrix(rows: list[Row], most: int, v4: int = 24) -> list[Line]:
    def network(address: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(f"{address}/{64 if ':' in address else v4}", strict=False)

    lines = [
        (
            str(source), str(target), len(group), total(group, "orig_ip_bytes", "resp_ip_bytes") or 0,
            total(group, "orig_bytes", "resp_bytes") or 0, total(group, "missed_bytes") or 0,
        )
        for (source, target), group in grouped(
            rows, lambda row: (network(row["id.orig_h"]), network(row["id.resp_h"]))
        ).items()
    ]  # fmt: skip
    lines.sort(key=lambda line: (-line[3], -line[4], *(place(net.partition("/")[0]) for net in line[:2])))
    return lines[:most]


def week_on_week(rows: list[Row], then: list[Row]) -> list[Line]:
    both = (grouped(rows, lambda row: row["service"]), grouped(then, lambda row: row["service"]))
    lines = []
    for service in {**both[0], **both[1]}:
        now, before = (groups.get(service, []) for groups in both)
        wire, payload, missed = (
            [total(group, *names) or 0 for group in (now, before)]
            for names in (("orig_ip_bytes", "resp_ip_bytes"), ("orig_bytes", "resp_bytes"), ("missed_bytes",))
        )
        change = round(wire[0] / wire[1], 3) if wire[1] else None
        lines.append((service, len(now), len(before), *wire, change, *payload, *missed))
    return sorted(
        lines, key=lambda line: (-abs(line[3] - line[4]), -abs(line[1] - line[2]), none_last(line[0]))
    )


def state_mix(rows: list[Row], meanings: dict[str, str]) -> list[Line]:
    lines: list[Line] = []
    for day, group in sorted(grouped(rows, lambda row: moment(row["ts"])[:10]).items()):
        counts = Counter(row["conn_state"] for row in group)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], none_last(item[0])))
        lines += [
            (day, state, meanings.get(state), count, round(count / len(group), 4)) for state, count in ordered
        ]
    return lines


def top_addresses(rows: list[Row], most: int) -> list[Line]:
    lines = []
    for day, of_day in sorted(grouped(rows, lambda row: moment(row["ts"])[:10]).items()):
        for role, end in (("src", "id.orig_h"), ("dst", "id.resp_h")):
            groups = grouped(of_day, lambda row, end=end: row[end])  # type: ignore[misc]
            wire = {a: total(group, "orig_ip_bytes", "resp_ip_bytes") or 0 for a, group in groups.items()}
            payload = {a: total(group, "orig_bytes", "resp_bytes") or 0 for a, group in groups.items()}
            by_bytes = sorted(groups, key=lambda a: (-wire[a], -payload[a], place(a)))
            by_number = sorted(groups, key=lambda a: (-len(groups[a]), place(a)))
            for rank, address in enumerate(by_bytes, 1):
                group, other = groups[address], by_number.index(address) + 1
                if min(rank, other) <= most:
                    sums = (
                        total(group, name)
                        for name in (
                            "orig_ip_bytes",
                            "resp_ip_bytes",
                            "orig_bytes",
                            "resp_bytes",
                            "missed_bytes",
                        )
                    )
                    lines.append((day, role, address, len(group), *sums, rank, other))
    return lines


def failed_connections(rows: list[Row], most: int) -> list[Line]:
    lines = []
    for key, group in grouped(rows, pair).items():
        if failed := sum(row["conn_state"] in FAILED for row in group):
            lines.append((*key, failed, len(group), round(failed / len(group), 3)))
    return sorted(lines, key=lambda line: (-line[4], pair_place(line[:4])))[:most]


def scan_candidates(rows: list[Row], targets: int) -> list[Line]:
    attempts = [row for row in rows if row["proto"] in ("tcp", "udp") and row["conn_state"] in FAILED]
    lines = []
    for address, group in grouped(attempts, lambda row: row["id.orig_h"]).items():
        aims = {(row["id.resp_h"], row["id.resp_p"]) for row in group}
        if len(aims) >= targets:
            times = [row["ts"] for row in group]
            lines.append(
                (
                    address, len(group), len(aims), len({aim[0] for aim in aims}), len({aim[1] for aim in aims}),
                    moment(min(times)), moment(max(times)),
                )
            )  # fmt: skip
    return sorted(lines, key=lambda line: (-line[2], place(line[0])))


def ports_per_pair(rows: list[Row], ports: int, most: int) -> list[Line]:
    lines = []
    with_ports = [row for row in rows if row["proto"] != "icmp"]
    for key, group in grouped(
        with_ports, lambda row: (row["id.orig_h"], row["id.resp_h"], row["proto"])
    ).items():
        counts = Counter(row["id.resp_p"] for row in group)
        if len(counts) >= ports:
            first = sorted(counts, key=lambda port: (-counts[port], port))[:20]
            failed = sum(row["conn_state"] in FAILED for row in group)
            lines.append((*key, len(counts), first, len(group), failed))
    return sorted(lines, key=lambda line: (-line[3], place(line[0]), place(line[1]), line[2]))[:most]


def long_pairs(rows: list[Row], most: int) -> list[Line]:
    lines = []
    for key, group in grouped((row for row in rows if row["duration"] is not None), pair).items():
        durations, times = [row["duration"] for row in group], [row["ts"] for row in group]
        lines.append(
            (
                *key, len(group), round(sum(durations), 3), round(max(durations), 3),
                total(group, "orig_ip_bytes", "resp_ip_bytes") or 0, moment(min(times)), moment(max(times)),
            )
        )  # fmt: skip
    return sorted(lines, key=lambda line: (-line[5], pair_place(line[:4])))[:most]


def longest_connections(rows: list[Row], most: int) -> list[Line]:
    known = sorted(
        (row for row in rows if row["duration"] is not None),
        key=lambda row: (-row["duration"], row["ts"], row["uid"]),
    )
    names = (
        "duration",
        *PAIR,
        "service",
        "conn_state",
        "orig_ip_bytes",
        "resp_ip_bytes",
        "orig_bytes",
        "resp_bytes",
        "uid",
    )
    return [(moment(row["ts"]), *(row[name] for name in names)) for row in known[:most]]


def rare_destinations(rows: list[Row], most: int) -> list[Line]:
    outside = [row for row in rows if is_outside(row["id.resp_h"], row["local_resp"])]
    everyone = len({row["id.orig_h"] for row in outside})
    lines = []
    for address, group in grouped(outside, lambda row: row["id.resp_h"]).items():
        if len({row["id.orig_h"] for row in group}) == 1:
            times = [row["ts"] for row in group]
            wire = total(group, "orig_ip_bytes", "resp_ip_bytes") or 0
            lines.append(
                (address, 1, round(1 / everyone, 4), len(group), wire, moment(min(times)), moment(max(times)))
            )
    return sorted(lines, key=lambda line: (-line[4], place(line[0])))[:most]


def new_destinations(rows: list[Row], earlier: list[Row], most: int) -> list[Line]:
    known = {row["id.resp_h"] for row in earlier}
    lines = []
    for address, group in grouped(rows, lambda row: row["id.resp_h"]).items():
        if address not in known:
            first = min(row["ts"] for row in group)
            sums = (total(group, name) for name in ("orig_ip_bytes", "resp_ip_bytes", "orig_bytes"))
            lines.append(
                (address, moment(first), len(group), len({row["id.orig_h"] for row in group}), *sums)
            )
    return sorted(lines, key=lambda line: (line[1].ljust(32), place(line[0])))[:most]


def host_seen(rows: list[Row], host: str) -> list[Line]:
    """``host`` may be a network."""
    network = ipaddress.ip_network(host)
    lines = []
    for role, end, other in (("src", "id.orig_h", "id.resp_h"), ("dst", "id.resp_h", "id.orig_h")):
        for address, group in grouped(rows, lambda row, end=end: row[end]).items():  # type: ignore[misc]
            if ipaddress.ip_address(address) in network:
                times, peers = [row["ts"] for row in group], {row[other] for row in group}
                wire = total(group, "orig_ip_bytes", "resp_ip_bytes") or 0
                seen = (moment(min(times)), moment(max(times)))
                lines.append((address, role, *seen, len(group), len(peers), wire))
    return sorted(lines, key=lambda line: (place(line[0]), line[1] != "src"))


def host_timeline(rows: list[Row], host: str, most: int) -> list[Line]:
    lines = []
    for row in rows:
        ways = [("out", row["id.resp_h"], "orig_bytes", "resp_bytes")] if row["id.orig_h"] == host else []
        if row["id.resp_h"] == host != row["id.orig_h"]:
            ways.append(("in", row["id.orig_h"], "resp_bytes", "orig_bytes"))
        for direction, peer, sent, received in ways:
            names = ("id.resp_p", "proto", "service", "conn_state", "duration", sent, received, "uid")
            lines.append((row["ts"], direction, peer, *(row[name] for name in names)))
    lines.sort(key=lambda line: (line[0], line[-1]))
    return [(moment(line[0]), *line[1:]) for line in lines[:most]]


def large_uploads(rows: list[Row], at_least: int, most: int) -> list[Line]:
    lines = []
    for row in rows:
        ends = [
            ("pushed", "orig", "resp", "id.orig_h", "id.resp_h", "local_resp"),
            ("pulled", "resp", "orig", "id.resp_h", "id.orig_h", "local_orig"),
        ]
        for direction, sender, receiver, source, target, is_local in ends:
            sent, back = row[f"{sender}_ip_bytes"], row[f"{receiver}_ip_bytes"]
            size = row[f"{sender}_bytes"] if sent is None else sent
            if size is not None and size >= at_least and is_outside(row[target], row[is_local]):
                ratio = round(sent / back, 1) if sent is not None and back else None
                line = (
                    moment(row["ts"]), direction, row[source], row[target], row["id.resp_p"], row["service"], sent,
                    back, row[f"{sender}_bytes"], row["missed_bytes"], ratio, row["duration"], row["uid"],
                )  # fmt: skip
                lines.append((-size, row["ts"], row["uid"], direction, line))
    return [line[-1] for line in sorted(lines)[:most]]


def service_on_unusual_port(rows: list[Row], share: float, at_least: int) -> list[Line]:
    used = [
        (service, row)
        for row in rows
        if row["proto"] in ("tcp", "udp")
        for service in (row["service"] or "").split(",")
        if service and not service.startswith("-")
    ]
    in_all = Counter(service for service, _ in used)
    on_port = Counter((service, row["id.resp_p"]) for service, row in used)
    groups = defaultdict(list)
    for service, row in used:
        groups[service, row["id.resp_p"], row["id.resp_h"]].append(row)
    lines = []
    for (service, port, address), group in groups.items():
        here, everywhere = on_port[service, port], in_all[service]
        if everywhere >= at_least and here <= share * everywhere:
            first, sources = min(row["ts"] for row in group), {row["id.orig_h"] for row in group}
            counts = (here, everywhere, round(here / everywhere, 4))
            lines.append((service, port, address, len(group), len(sources), moment(first), *counts))
    return sorted(lines, key=lambda line: (line[0], line[1], -line[3], place(line[2])))


def same_flow_at_two_sensors(rows: list[Row], within: float) -> list[Line]:
    tuples = grouped(
        rows, lambda row: tuple(row[n] for n in ("proto", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"))
    )
    lines = []
    for key, group in tuples.items():
        for one in group:
            for other in group:
                if one["sensor"] < other["sensor"] and abs(one["ts"] - other["ts"]) <= within * 1e6:
                    mine, others = (
                        (row["sensor"], row["uid"], row["orig_bytes"], row["resp_bytes"])
                        for row in (one, other)
                    )
                    lines.append(
                        (
                            one["ts"],
                            one["uid"],
                            other["uid"],
                            ("five_tuple", moment(one["ts"]), *key, *mine, *others),
                        )
                    )
    return [line[-1] for line in sorted(lines)]


def tunnel_children(rows: list[Row]) -> list[Line]:
    lines = []
    for row in rows:
        for parent in row["tunnel_parents"] or []:
            if parent:
                names = (
                    "id.orig_h",
                    "id.resp_h",
                    "id.resp_p",
                    "proto",
                    "service",
                    "orig_bytes",
                    "resp_bytes",
                )
                lines.append((parent, row["ts"], row["uid"], *(row[name] for name in names)))
    return [(line[0], moment(line[1]), *line[2:]) for line in sorted(lines)]


def beacon_candidates(rows: list[Row], connections: int, score: float) -> list[Line]:
    lines = []
    for key, group in grouped(rows, pair).items():
        if len(group) < max(connections, 3):
            continue
        times = sorted(row["ts"] for row in group)
        gaps = [(after - before) / 1e6 for before, after in pairwise(times)]
        sizes = [
            s
            for row in group
            if (s := row["orig_ip_bytes"] if row["orig_ip_bytes"] is not None else row["orig_bytes"])
            is not None
        ]
        if (middle := statistics.median(gaps)) <= 0:
            continue
        by_time, by_size = _regularity(gaps), _regularity(sizes) if sizes else None
        whole = 0.75 * by_time + 0.25 * (by_time if by_size is None else by_size)
        if whole >= score:
            lines.append(
                (
                    whole, len(group), key,
                    (
                        *key, len(group), round(whole, 3), round(by_time, 3),
                        None if by_size is None else round(by_size, 3), round(middle, 3),
                        statistics.median(sizes) if sizes else None, moment(times[0]), moment(times[-1]),
                    ),
                )
            )  # fmt: skip
    lines.sort(key=lambda line: (-round(line[0], 12), -line[1], pair_place(line[2])))
    return [line[-1] for line in lines]


def _regularity(values: list[float]) -> float:
    first, middle, third = (_quantile(sorted(values), share) for share in (0.25, 0.5, 0.75))
    away = statistics.median(abs(value - middle) for value in values)
    symmetry = 1.0 if third == first else 1 - abs(first + third - 2 * middle) / (third - first)
    evenness = float(away == 0) if middle == 0 else max(0.0, 1 - away / middle)
    return (symmetry + evenness) / 2


def _quantile(ordered: list[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
