"""Sets of aliases that a setting chooses by name, for logs whose columns were renamed on their way.

``ecs``: the Elastic Common Schema, as Filebeat's Zeek module and Zeek's own ECS package write connections. Its
``event.duration`` is in nanoseconds, so it stays in extra. ``ossem``: the table's own names, in the dictionary's
spelling and in OSSEM's present one, as exports of ``zeek.conn`` have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etl.fields import FIELDS

_ECS = {
    "@timestamp": "ts",
    "event.id": "uid",
    "zeek.session_id": "uid",
    "source.ip": "id.orig_h",
    "source.address": "id.orig_h",
    "source.port": "id.orig_p",
    "source.mac": "orig_l2_addr",
    "source.packets": "orig_pkts",
    "destination.ip": "id.resp_h",
    "destination.address": "id.resp_h",
    "destination.port": "id.resp_p",
    "destination.mac": "resp_l2_addr",
    "destination.packets": "resp_pkts",
    "network.transport": "proto",
    "network.application": "service",
    "network.vlan.id": "vlan",
    "network.inner.vlan.id": "inner_vlan",
    "source.bytes": "orig_ip_bytes",
    "destination.bytes": "resp_ip_bytes",
    "zeek.connection.state": "conn_state",
    "zeek.connection.local_orig": "local_orig",
    "zeek.connection.local_resp": "local_resp",
    "zeek.connection.missed_bytes": "missed_bytes",
    "zeek.connection.history": "history",
    "zeek.connection.vlan": "vlan",
    "zeek.connection.inner_vlan": "inner_vlan",
}


def _present(standard: str) -> str:
    """OSSEM's present spelling: ``src_ip_addr`` is ``SrcIpAddr`` there."""
    return "".join(word.capitalize() for word in standard.split("_"))


_OSSEM = {name: field.zeek for field in FIELDS for name in (field.standard, _present(field.standard))}

ALIAS_SETS: Mapping[str, Mapping[str, str]] = {"ecs": _ECS, "ossem": _OSSEM}


def merged(sets: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Return the aliases of some sets, and over them those of the settings."""
    chosen: dict[str, str] = {}
    for name in sets:
        chosen |= ALIAS_SETS[name]
    return chosen | dict(aliases)
