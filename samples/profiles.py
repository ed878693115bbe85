"""What kinds of connection a network sees: the table that the generator draws from.

A row ties together what belongs together (protocol, service, state, history, packets, bytes), so that a generated row
holds the relations that real logs hold: duration and both byte counts are set together; udp has only S0, SF, SHR and
OTH; icmp and unknown_transport only OTH; S0 has no packets of the responder. Weights are per mille, and about 70 % of
the connections have no service, as on a network that is scanned from outside.
"""

from dataclasses import dataclass

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One kind of connection. Ranges are inclusive; values near the low end are the likelier ones."""

    weight: int
    proto: str = "tcp"
    ip_proto: int = 6
    service: str | None = None
    ports: tuple[int, ...]
    """Of the responder; for ICMP the code."""
    from_port: int | None = None
    """Of the originator; None: an ephemeral one; for ICMP the type."""
    state: str
    history: str | None
    duration: Range | None = None
    """Microseconds; None: unset, and the byte counts with it."""
    sent: Range = (0, 0)
    """Payload bytes of the originator."""
    got: Range = (0, 0)
    """Payload bytes of the responder."""
    packets: tuple[Range, Range]
    """Packets of originator and responder beyond those that the payload needs."""
    way: str = "out"
    """out: from here to the world; in: the reverse; lan: both here."""
    v6: bool | None = None
    """Always or never IPv6; None: one in eight."""
    inner: bool = False
    """Came through a tunnel, so tunnel_parents is set."""


_SCANNED = (22, 23, 80, 443, 445, 1433, 2375, 3306, 3389, 5555, 6379, 8080, 8443, 9200)
_LAN = (88, 135, 389, 445, 5985)

# fmt: off
PROFILES: tuple[Profile, ...] = (
    # Scans and failures: no service
    Profile(weight=180, ports=_SCANNED, state="S0", history="S", packets=((1, 1), (0, 0)), way="in"),
    Profile(weight=50, ports=_SCANNED, state="S0", history="S", duration=(SECOND, 40 * SECOND), packets=((2, 6), (0, 0)), way="in"),
    Profile(weight=150, ports=_SCANNED, state="REJ", history="Sr", duration=(40, 90_000), packets=((1, 1), (1, 1)), way="in"),
    Profile(weight=18, ports=_SCANNED, state="RSTOS0", history="SR", duration=(900, 400_000), packets=((2, 2), (0, 0)), way="in"),
    Profile(weight=6, ports=(80, 443), state="RSTRH", history="^hr", duration=(900, 90_000), packets=((0, 0), (2, 2))),
    Profile(weight=4, ports=(22, 80), state="SH", history="SF", duration=(900, 90_000), packets=((2, 2), (0, 0)), way="in"),
    Profile(weight=4, ports=(443,), state="SHR", history="^hf", duration=(900, 90_000), packets=((0, 0), (2, 2))),
    Profile(weight=40, ports=(30003, 8728, 2095), state="RSTO", history="ShR", duration=(20_000, 400_000), packets=((2, 2), (1, 1)), way="in"),
    # Midstream traffic and long connections without a known service
    Profile(weight=12, ports=(443, 5222), state="OTH", history="DdAa", duration=(SECOND, HOUR), sent=(40, 90_000), got=(40, 900_000), packets=((2, 30), (2, 30))),
    Profile(weight=6, ports=(8883,), state="OTH", history="^dDaA", duration=(HOUR, 8 * HOUR), sent=(200, 40_000), got=(200, 40_000), packets=((60, 900), (60, 900))),
    Profile(weight=5, ports=(8883, 5222), state="S1", history="ShADad", duration=(2 * HOUR, 3 * DAY), sent=(2_000, 9_000_000), got=(2_000, 90_000_000), packets=((200, 9_000), (200, 9_000))),
    Profile(weight=4, ports=(873, 2049), state="S2", history="ShADadF", duration=(SECOND, 3 * HOUR), sent=(90, 9_000_000), got=(90, 90_000), packets=((5, 40), (5, 40)), way="lan"),
    Profile(weight=4, ports=(9092,), state="S3", history="ShADadf", duration=(SECOND, 3 * HOUR), sent=(90, 90_000), got=(90, 9_000_000), packets=((5, 40), (5, 40)), way="lan"),
    Profile(weight=30, ports=(5222, 8883, 9418), state="SF", history="ShADadFf", duration=(20_000, 20 * 60 * SECOND), sent=(40, 40_000), got=(40, 4_000_000), packets=((5, 9), (4, 8))),
    Profile(weight=8, ports=(9100,), state="SF", history="ShADTadtFf", duration=(90_000, 60 * SECOND), sent=(4_000, 400_000), got=(40, 4_000), packets=((7, 19), (5, 9)), way="lan"),
    Profile(weight=5, ports=(443,), state="SF", history="ShADadgFf", duration=(90_000, 90 * SECOND), sent=(400, 9_000), got=(90_000, 90_000_000), packets=((9, 90), (9, 90))),
    Profile(weight=4, ports=(443,), state="SF", history="^hADadFf", duration=(9_000, 9 * SECOND), sent=(200, 4_000), got=(400, 90_000), packets=((4, 9), (4, 9))),
    # UDP without a service
    Profile(weight=40, proto="udp", ip_proto=17, ports=(5060, 161, 1900, 11211), state="S0", history="D", packets=((1, 1), (0, 0)), way="in"),
    Profile(weight=14, proto="udp", ip_proto=17, ports=(5353, 1900), from_port=5353, state="S0", history="D", duration=(SECOND, 600 * SECOND), sent=(80, 9_000), packets=((2, 20), (0, 0)), way="lan"),
    Profile(weight=12, proto="udp", ip_proto=17, ports=(51820, 3478), state="SF", history="Dd", duration=(9_000, 4 * HOUR), sent=(148, 900_000), got=(92, 9_000_000), packets=((1, 9), (1, 9))),
    Profile(weight=4, proto="udp", ip_proto=17, ports=(3478,), state="SHR", history="^d", duration=(9_000, 9 * SECOND), got=(92, 900), packets=((0, 0), (2, 5))),
    # ICMP: type and code instead of ports; the history is unset
    Profile(weight=46, proto="icmp", ip_proto=1, ports=(0,), from_port=8, state="OTH", history=None, duration=(400, 60 * SECOND), sent=(56, 5_600), got=(56, 5_600), packets=((1, 5), (1, 5)), v6=False),
    Profile(weight=24, proto="icmp", ip_proto=1, ports=(1, 3, 13), from_port=3, state="OTH", history=None, packets=((1, 1), (0, 0)), v6=False),
    Profile(weight=14, proto="icmp", ip_proto=58, ports=(136,), from_port=135, state="OTH", history=None, duration=(90, 90_000), sent=(24, 24), got=(24, 24), packets=((1, 1), (1, 1)), way="lan", v6=True),
    Profile(weight=8, proto="icmp", ip_proto=58, ports=(133,), from_port=134, state="OTH", history=None, duration=(60 * SECOND, 2 * HOUR), sent=(56, 900), packets=((2, 30), (0, 0)), way="lan", v6=True),
    # Other transports: both ports 0
    Profile(weight=5, proto="unknown_transport", ip_proto=47, ports=(0,), from_port=0, state="OTH", history=None, duration=(SECOND, HOUR), sent=(200, 90_000), got=(200, 90_000), packets=((3, 90), (3, 90)), v6=False),
    Profile(weight=3, proto="unknown_transport", ip_proto=112, ports=(0,), from_port=0, state="OTH", history=None, duration=(60 * SECOND, HOUR), sent=(400, 40_000), packets=((60, 900), (0, 0)), way="lan", v6=False),
    # Services
    Profile(weight=100, proto="udp", ip_proto=17, service="dns", ports=(53,), state="SF", history="Dd", duration=(300, 400_000), sent=(28, 80), got=(44, 900), packets=((1, 1), (1, 1)), way="lan"),
    Profile(weight=12, proto="udp", ip_proto=17, service="dns", ports=(53,), state="S0", history="D", packets=((1, 1), (0, 0))),
    Profile(weight=70, service="ssl", ports=(443, 443, 993, 8443), state="SF", history="ShADadFf", duration=(40_000, 900 * SECOND), sent=(600, 90_000), got=(3_000, 9_000_000), packets=((6, 12), (6, 12))),
    Profile(weight=14, service="ssl", ports=(443,), state="RSTO", history="ShADadR", duration=(40_000, 300 * SECOND), sent=(600, 9_000), got=(3_000, 90_000), packets=((6, 12), (6, 12))),
    Profile(weight=8, service="ssl,http", ports=(443,), state="SF", history="ShADadFf", duration=(40_000, 60 * SECOND), sent=(600, 9_000), got=(3_000, 900_000), packets=((6, 12), (6, 12))),
    Profile(weight=2, service="ssl,-ssl", ports=(443,), state="SF", history="ShADadXxFf", duration=(40_000, 60 * SECOND), sent=(600, 9_000), got=(300, 9_000), packets=((6, 12), (6, 12))),
    Profile(weight=18, proto="udp", ip_proto=17, service="quic,ssl", ports=(443,), state="SF", history="Dd", duration=(40_000, 300 * SECOND), sent=(1_200, 40_000), got=(1_200, 9_000_000), packets=((2, 9), (2, 9))),
    Profile(weight=22, service="http", ports=(80, 80, 8080), state="SF", history="ShADadFf", duration=(9_000, 60 * SECOND), sent=(80, 2_000), got=(200, 900_000), packets=((5, 9), (5, 9)), way="in"),
    Profile(weight=8, service="http", ports=(80,), state="RSTR", history="ShADadr", duration=(9_000, 9 * SECOND), sent=(80, 900), got=(200, 9_000), packets=((4, 7), (4, 7))),
    Profile(weight=22, service="ssh", ports=(22,), state="SF", history="ShAdDaFf", duration=(SECOND, 20 * SECOND), sent=(1_500, 3_000), got=(1_600, 4_000), packets=((14, 30), (14, 30)), way="in"),
    Profile(weight=2, service="ssh", ports=(22,), state="S1", history="ShADadT", duration=(HOUR, 2 * DAY), sent=(20_000, 900_000), got=(50_000, 9_000_000), packets=((500, 9_000), (400, 9_000)), way="lan"),
    Profile(weight=6, service="smtp", ports=(25, 587), state="SF", history="ShAdDaFf", duration=(90_000, 60 * SECOND), sent=(400, 900_000), got=(300, 2_000), packets=((9, 19), (9, 19)), way="in"),
    Profile(weight=8, service="gssapi,smb,dce_rpc", ports=_LAN, state="SF", history="ShADadFf", duration=(9_000, 90 * SECOND), sent=(900, 90_000), got=(900, 900_000), packets=((8, 20), (8, 20)), way="lan"),
    Profile(weight=10, proto="udp", ip_proto=17, service="ntp", ports=(123,), from_port=123, state="SF", history="Dd", duration=(900, 90_000), sent=(48, 48), got=(48, 48), packets=((1, 1), (1, 1))),
    Profile(weight=4, proto="udp", ip_proto=17, service="dhcp", ports=(67,), from_port=68, state="SF", history="Dd", duration=(900, 90_000), sent=(300, 600), got=(300, 600), packets=((1, 2), (1, 2)), way="lan", v6=False),
    # A tunnel and what goes through it
    Profile(weight=5, proto="udp", ip_proto=17, service="vxlan", ports=(4789,), state="S0", history="D", duration=(60 * SECOND, HOUR), sent=(900, 900_000), packets=((9, 900), (0, 0)), way="lan", v6=False),
    Profile(weight=10, ports=(443, 5432), state="SF", history="ShADadFf", duration=(9_000, 60 * SECOND), sent=(400, 9_000), got=(400, 900_000), packets=((5, 12), (5, 12)), way="lan", inner=True),
)
# fmt: on
