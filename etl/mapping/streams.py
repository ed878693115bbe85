"""The names of Zeek's log streams, which stand in file names and in ``_path``: what is not a conn log by its name.

The table has the streams of Zeek itself and of the packages that people install beside it. A name that is in neither
list says nothing: the content of such a log decides.
"""

from __future__ import annotations

from collections.abc import Collection

CONN = "conn"

STREAMS = frozenset(
    """
    analyzer analyzer_debug anomaly app_stats bacnet barnyard2 bgp bittorrent broker bsap c1222 capture_loss cip
    cluster coap communication config conn conn_agg conn_burst conn_long conn_red conn_summary dce_rpc debug dhcp
    dhcpv6 dnp3 dns dns_red dpd drop dtls ecat enip etc_viz facefish files files_red first_seen ftp ftp_data ge_srtp
    generic_dns_tunnels generic_icmp_tunnels genisys gquic gssapi gtpv1 hart_ip hassh http http2 http_entity http_red
    icmp icmp_specific_tunnels imap intel ipsec irc irc_dcc ja3 ja4 jndi_lookup kerberos known_certs known_devices
    known_hosts known_modbus known_services ldap ldap_search loaded_scripts local_subnets log4j login logschema
    management modbus mqtt_connect mqtt_publish mqtt_subscribe mysql napatech_shunting ndp netbios netbios_ns
    netcontrol notice notice_alarm notice_red ntlm ntp ocsp omron_fins open_conn opcua_binary openflow openvpn ospf
    packet_filter pcr pe pop3 postgresql print prof profinet quic radius rdp redis reporter rfb rip roc_plus rtp
    s7comm s7comm_plus scada signatures sip smb_cmd smb_files smb_mapping smtp smtp_entities smtp_links snmp socks
    software specific_dns_tunnels ssdp ssh ssl ssl_red stats stderr stdout stepping stun stun_nat synchrophasor
    syslog tacacs_plus tds tds_rpc tds_sql_batch telemetry tftp tls traceroute tunnel unknown_protocols
    unknown_smartpcap viz vpn weird weird_red weird_stats websocket wireguard x509 x509_red xmpp zeek_doctor zeroconf
    """.split()  # noqa: SIM905  a table of names
)
"""Streams by their exact names."""

FAMILIES = (
    "bacnet_",
    "c1222_",
    "cip_",
    "corelight_",
    "ecat_",
    "enip_",
    "hart_ip_",
    "known_",
    "ldap_",
    "management_",
    "modbus_",
    "mqtt_",
    "netcontrol_",
    "omron_fins_",
    "opcua_",
    "profinet_",
    "roc_plus_",
    "s7comm_",
    "smb_",
    "spicy_",
    "suricata_",
    "telemetry_",
)
"""Beginnings of names that only streams of one package have."""


def is_stream(name: str) -> bool:
    """Whether a name, in lower case, is that of a log stream of Zeek; conn is one."""
    return name in STREAMS or name.startswith(FAMILIES)


def is_conn(name: str, further: Collection[str] = ()) -> bool:
    """Whether the rows of a stream are connections: conn itself, and what a setting admits beside it."""
    return name == CONN or name in further
