"""The one truth about a conn row: 25 fields, in the order of OSSEM's data dictionary, and their enumerations.

Table columns and comments, the rules' column lists, COPY's order, the reader's types and the field table in the
docs are derived from here or tested against it. Nothing is imported beyond the standard library, so that the
DAGs, the command's ``--help`` and the migrations can ask without loading polars. Longer than other modules: most of
it is the table itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ZeekType = Literal["time", "addr", "port", "count", "interval", "bool", "string", "enum", "set[string]"]
StandardType = Literal["date_time", "ip", "integer", "float", "boolean", "string"]
PgType = Literal["timestamptz", "inet", "bigint", "integer", "double precision", "boolean", "text"]

MAPPING_VERSION = 1
"""Rises whenever the same bytes would map to other rows: the ledger opens files read by an older one again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One row of the dictionary."""

    zeek: str
    """Name in the log, in its dotted form."""
    zeek_type: ZeekType
    standard: str
    """Column of the table."""
    standard_type: StandardType
    """In the dictionary."""
    pg_type: PgType
    required: bool = False
    """Zeek sets it in every row; NULL breaks the rule ``required.<standard>``."""
    key: bool = False
    """One of those that identify a row; they are required, and the table has a UNIQUE constraint on them."""
    unit: str | None = None
    doc: str
    """One or two sentences, also the column's comment in the database."""

    @property
    def is_set(self) -> bool:
        """Whether a value is a set of texts, which the table holds as the text of a JSON array."""
        return self.zeek_type == "set[string]"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnState:
    """One value of ``network_connection_state``."""

    code: str
    meaning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryFlag:
    """One letter of ``network_connection_history``; capital when the originator caused it (``^`` has no case)."""

    letter: str
    meaning: str
    since: Literal["dictionary", "later"] = "dictionary"
    """``later``: not in the dictionary's list, written by newer versions of Zeek."""


FIELDS: tuple[Field, ...] = (
    Field(
        zeek="ts",
        zeek_type="time",
        standard="@timestamp",
        standard_type="date_time",
        pg_type="timestamptz",
        required=True,
        key=True,
        doc="When the connection's first packet was seen. The row is written when it ends, so a long one "
        "turns up hours after this time. Exact to the microsecond.",
    ),
    Field(
        zeek="proto",
        zeek_type="enum",
        standard="network_protocol",
        standard_type="string",
        pg_type="text",
        required=True,
        doc="Transport protocol: tcp, udp, icmp or unknown_transport.",
    ),
    Field(
        zeek="id.orig_h",
        zeek_type="addr",
        standard="src_ip_addr",
        standard_type="ip",
        pg_type="inet",
        required=True,
        doc="Address of the originator, the side that opened the connection.",
    ),
    Field(
        zeek="id.orig_p",
        zeek_type="port",
        standard="src_port",
        standard_type="integer",
        pg_type="integer",
        required=True,
        doc="Port of the originator. For ICMP the message type, for an unknown transport 0.",
    ),
    Field(
        zeek="id.resp_h",
        zeek_type="addr",
        standard="dst_ip_addr",
        standard_type="ip",
        pg_type="inet",
        required=True,
        doc="Address of the responder, the side that was contacted.",
    ),
    Field(
        zeek="id.resp_p",
        zeek_type="port",
        standard="dst_port",
        standard_type="integer",
        pg_type="integer",
        required=True,
        doc="Port of the responder. For ICMP the message code, for an unknown transport 0.",
    ),
    Field(
        zeek="vlan",
        zeek_type="count",
        standard="network_outer_vlan_id",
        standard_type="integer",
        pg_type="integer",
        doc="Outer VLAN tag of the connection's frames. Only where the VLAN logging policy is loaded.",
    ),
    Field(
        zeek="inner_vlan",
        zeek_type="count",
        standard="network_inner_vlan_id",
        standard_type="integer",
        pg_type="integer",
        doc="Inner VLAN tag of doubly tagged frames. Only where the VLAN logging policy is loaded.",
    ),
    Field(
        zeek="tunnel_parents",
        zeek_type="set[string]",
        standard="zeek_connection_tunnel_parents",
        standard_type="string",
        pg_type="text",
        doc="The uids of the connections that carried this one as a tunnel, as the text of a JSON array in the "
        "log's order; [] when the log says that there were none.",
    ),
    Field(
        zeek="uid",
        zeek_type="string",
        standard="event_uid",
        standard_type="string",
        pg_type="text",
        required=True,
        key=True,
        doc="Zeek's identifier of the connection, shared with all its other logs. With @timestamp the row's key.",
    ),
    Field(
        zeek="orig_bytes",
        zeek_type="count",
        standard="src_bytes",
        standard_type="integer",
        pg_type="bigint",
        unit="bytes",
        doc="Payload sent by the originator. For TCP computed from sequence numbers, so it can be far off "
        "and can exceed src_ip_bytes where packets were missed.",
    ),
    Field(
        zeek="orig_ip_bytes",
        zeek_type="count",
        standard="src_ip_bytes",
        standard_type="integer",
        pg_type="bigint",
        unit="bytes",
        doc="Bytes that the originator sent at the IP level, headers included, summed over the packets seen.",
    ),
    Field(
        zeek="orig_l2_addr",
        zeek_type="string",
        standard="src_mac",
        standard_type="string",
        pg_type="text",
        doc="Link-layer address of the originator. Only where the MAC logging policy is loaded.",
    ),
    Field(
        zeek="orig_pkts",
        zeek_type="count",
        standard="src_packets",
        standard_type="integer",
        pg_type="bigint",
        unit="packets",
        doc="Packets that the originator sent. Unset where connection sizes are not analysed.",
    ),
    Field(
        zeek="local_orig",
        zeek_type="bool",
        standard="zeek_connection_local_src",
        standard_type="boolean",
        pg_type="boolean",
        doc="Whether the originator is in the sensor's own networks. Unset where none are configured; "
        "from Zeek 6 on the private ranges count as local by default.",
    ),
    Field(
        zeek="local_resp",
        zeek_type="bool",
        standard="zeek_connection_local_dst",
        standard_type="boolean",
        pg_type="boolean",
        doc="Whether the responder is in the sensor's own networks. Unset where none are configured; "
        "from Zeek 6 on the private ranges count as local by default.",
    ),
    Field(
        zeek="duration",
        zeek_type="interval",
        standard="event_duration",
        standard_type="float",
        pg_type="double precision",
        unit="seconds",
        doc="From the first to the last packet, without the acknowledgement that ends a TCP teardown. "
        "TSV logs carry six decimals, JSON logs the full double.",
    ),
    Field(
        zeek="history",
        zeek_type="string",
        standard="network_connection_history",
        standard_type="string",
        pg_type="text",
        doc="What happened, a letter per event in order (see zeek.history_flag): capitals for the originator, "
        "small letters for the responder, ^ where Zeek swapped the two.",
    ),
    Field(
        zeek="conn_state",
        zeek_type="string",
        standard="network_connection_state",
        standard_type="string",
        pg_type="text",
        doc="How the connection went, one of 13 codes (see zeek.conn_state).",
    ),
    Field(
        zeek="missed_bytes",
        zeek_type="count",
        standard="network_missed_bytes",
        standard_type="integer",
        pg_type="bigint",
        unit="bytes",
        doc="Bytes lost in gaps of the content. Above 0 packets were missed and the protocol analysis is likely "
        "to be partial.",
    ),
    Field(
        zeek="service",
        zeek_type="string",
        standard="network_application",
        standard_type="string",
        pg_type="text",
        doc="Application protocols that were recognised, several joined by commas (ssl,http). An open set; "
        "newer versions mark one that was given up with a minus (ssl,-ssl).",
    ),
    Field(
        zeek="resp_bytes",
        zeek_type="count",
        standard="dst_bytes",
        standard_type="integer",
        pg_type="bigint",
        unit="bytes",
        doc="Payload sent by the responder. For TCP computed from sequence numbers, as src_bytes is.",
    ),
    Field(
        zeek="resp_ip_bytes",
        zeek_type="count",
        standard="dst_ip_bytes",
        standard_type="integer",
        pg_type="bigint",
        unit="bytes",
        doc="Bytes that the responder sent at the IP level, headers included, summed over the packets seen.",
    ),
    Field(
        zeek="resp_l2_addr",
        zeek_type="string",
        standard="dst_mac",
        standard_type="string",
        pg_type="text",
        doc="Link-layer address of the responder. Only where the MAC logging policy is loaded.",
    ),
    Field(
        zeek="resp_pkts",
        zeek_type="count",
        standard="dst_packets",
        standard_type="integer",
        pg_type="bigint",
        unit="packets",
        doc="Packets that the responder sent. Unset where connection sizes are not analysed.",
    ),
)

LOG = "conn"
"""``#path`` and ``_path`` of the log, and the table's name in the schema zeek."""
BY_ZEEK: dict[str, Field] = {field.zeek: field for field in FIELDS}
STANDARD_NAMES: tuple[str, ...] = tuple(field.standard for field in FIELDS)
"""Columns of the table that come from the log."""
REQUIRED: tuple[Field, ...] = tuple(field for field in FIELDS if field.required)
"""Fields that Zeek sets in every row."""
FRAME_COLUMNS: tuple[str, ...] = (*STANDARD_NAMES, "etl_line", "extra")
"""What the reader yields."""
COPY_COLUMNS: tuple[str, ...] = (*STANDARD_NAMES, "etl_file_id", "etl_line", "extra")
"""All columns of the table, in its order."""
OWN_COLUMNS: frozenset[str] = frozenset(
    {"conn_state", "history", "missed_bytes", "orig_pkts", "resp_pkts"}
    | {"orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes"}
)
"""Zeek's names of fields that no other log has: where nothing names the log, one of them does."""

CONN_STATES: tuple[ConnState, ...] = (
    ConnState(code="S0", meaning="The originator tried and nothing came back"),
    ConnState(code="S1", meaning="Established, and no end was seen"),
    ConnState(code="SF", meaning="Established and closed in the normal way"),
    ConnState(code="REJ", meaning="The responder turned the attempt down"),
    ConnState(code="S2", meaning="Established; the originator began to close and got no answer to that"),
    ConnState(code="S3", meaning="Established; the responder began to close and got no answer to that"),
    ConnState(code="RSTO", meaning="Established, then broken off by a reset of the originator"),
    ConnState(code="RSTR", meaning="Broken off by a reset of the responder"),
    ConnState(
        code="RSTOS0", meaning="SYN, then a reset by the originator; the responder's SYN-ACK never seen"
    ),
    ConnState(
        code="RSTRH", meaning="SYN-ACK, then a reset by the responder; the originator's SYN never seen"
    ),
    ConnState(code="SH", meaning="SYN, then a FIN by the originator; no SYN-ACK seen, so only half open"),
    ConnState(code="SHR", meaning="SYN-ACK, then a FIN by the responder; the originator's SYN never seen"),
    ConnState(code="OTH", meaning="Traffic from the middle: no SYN seen, and no close either"),
)

HISTORY_FLAGS: tuple[HistoryFlag, ...] = (
    HistoryFlag(letter="s", meaning="SYN that carries no ACK"),
    HistoryFlag(letter="h", meaning="SYN with ACK, the handshake's answer"),
    HistoryFlag(letter="a", meaning="ACK and nothing else"),
    HistoryFlag(letter="d", meaning="packet that carries payload"),
    HistoryFlag(letter="f", meaning="packet with FIN"),
    HistoryFlag(letter="r", meaning="packet with RST"),
    HistoryFlag(letter="c", meaning="packet whose checksum is wrong, UDP included"),
    HistoryFlag(letter="t", meaning="packet whose payload was sent before"),
    HistoryFlag(letter="w", meaning="packet that announces a window of zero"),
    HistoryFlag(letter="i", meaning="packet whose flags contradict each other, such as FIN with RST"),
    HistoryFlag(letter="q", meaning="packet with several opening or closing flags, SYN with FIN or with RST"),
    HistoryFlag(letter="^", meaning="Zeek swapped originator and responder by its own judgement"),
    HistoryFlag(letter="g", meaning="gap: content was missed", since="later"),
    HistoryFlag(letter="x", meaning="analysis was given up or is partial from here on", since="later"),
)

PROTOCOLS: tuple[str, ...] = ("tcp", "udp", "icmp", "unknown_transport")

CONN_STATE_CODES: tuple[str, ...] = tuple(state.code for state in CONN_STATES)
HISTORY_LETTERS: str = "".join(
    flag.letter if flag.letter == "^" else flag.letter + flag.letter.upper() for flag in HISTORY_FLAGS
)
"""Every character that a history may hold, both cases."""
