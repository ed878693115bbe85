"""Columns of Zeek's logs other than conn: what tells a row of theirs where nothing names its stream.

Left out are the columns that a connection's row may have too: the dictionary's own, and words that shippers add to any
row (host, message, tags, …).
"""

from __future__ import annotations

from etl.fields import BY_ZEEK, OWN_COLUMNS

_COLUMNS = """
query qclass qclass_name qtype qtype_name rcode rcode_name trans_id rtt AA TC RD RA Z answers TTLs rejected auth addl
opcode opcode_name original_query trans_depth method uri referrer user_agent origin request_body_len response_body_len
status_code status_msg info_code info_msg username password proxied orig_fuids orig_filenames orig_mime_types
resp_fuids resp_filenames resp_mime_types client_header_names server_header_names cookie_vars uri_vars cookie cipher
curve server_name sni_matches_cert resumed last_alert next_protocol established ssl_history cert_chain_fuids
cert_chain_fps client_cert_chain_fuids client_cert_chain_fps subject issuer client_subject client_issuer
validation_status validation_code ja3 ja3s ja4 ocsp_status ocsp_response valid_ct_logs valid_ct_operators fuid fuids
tx_hosts rx_hosts conn_uids depth analyzers mime_type filename is_orig seen_bytes total_bytes missing_bytes
overflow_bytes timedout parent_fuid md5 sha1 sha256 extracted extracted_cutoff extracted_size entropy note msg sub p n
peer_descr actions email_dest suppress_for remote_location.country_code file_mime_type file_desc sig_id event_msg
sub_msg sig_count host_count src_addr dst_addr notice addl num_seen peer uid_list analyzer analyzer_kind analyzer_name
failure_reason failure_data confirmation cause packet_segment auth_success auth_attempts direction client server
cipher_alg mac_alg compression_alg kex_alg host_key_alg host_key hassh hasshServer inferences helo mailfrom rcptto
date from to cc reply_to in_reply_to first_received second_received last_reply path x_originating_ip is_webmail tls
certificate_version certificate_serial certificate_subject certificate_issuer certificate_not_valid_before
certificate.version certificate.serial certificate.subject certificate.issuer certificate_not_valid_after
certificate_key_alg certificate_sig_alg certificate_key_type certificate_key_length certificate_exponent
certificate_curve key_type basic_constraints_ca basic_constraints.ca san_dns san.dns san_uri san_email san_ip san.ip
fingerprint host_cert hashAlgorithm issuerNameHash issuerKeyHash serialNumber certStatus revoketime revokereason
thisUpdate nextUpdate machine compile_ts os subsystem is_exe is_64bit uses_aslr uses_dep uses_code_integrity uses_seh
has_import_table has_export_table has_cert_table has_debug_data section_names rosctr_code rosctr_name pdu_reference
function_code function_name subfunction_code subfunction_name error_class bvlc_function pdu_type pdu_service invoke_id
instance_number fc_request fc_reply iin func exception track_address unit quantity pdu_type named_pipe endpoint
operation hostname domainname server_nb_computer_name server_dns_computer_name server_tree_name success ntlm_username
request_type error_code error_msg till forwardable renewable client_cert_subject client_cert_fuid server_cert_subject
server_cert_fuid auth_ticket new_ticket cmd arg args rows response database application_name frontend backend
backend_arg user command reply_code reply_msg data_channel.passive data_channel.orig_h data_channel.resp_h
data_channel.resp_p cwd passive file_size capture_password nick value dcc_file_name dcc_file_size dcc_mime_type action
size prev_name times_modified times.modified times_accessed times.accessed times_created times.created times_changed
times.changed share_type native_file_system tree tree_service uids mac assigned_ip assigned_addr client_addr
server_addr client_fqdn domain requested_addr lease_time msg_types client_message server_message duid vendor_class_id
framed_addr remote_ip connect_info tunnel_client ttl result logged call_id request_from request_to response_from
response_to response_path request_path seq content_type warning duration_setup community get_requests
get_bulk_requests get_responses set_requests display_string up_since request.host bound.host request_p bound_p
request_host bound_host request bound facility severity tunnel_type encapsulated client_build keyboard_layout
client_name client_dig_product_id desktop_width desktop_height requested_color_depth cert_type cert_count
cert_permanent encryption_level encryption_method security_protocol client_channels client_major_version
client_minor_version server_major_version server_minor_version authentication_method share_flag width height stratum
poll precision root_delay root_disp ref_id ref_time org_time rec_time xmt_time num_exts ts_delta gaps acks
percent_lost mem pkts_proc bytes_recv pkts_dropped pkts_link pkt_lag pkts_filtered events_proc events_queued
active_tcp_conns active_udp_conns active_icmp_conns tcp_conns udp_conns icmp_conns timers active_timers active_files
dns_requests active_dns_requests reassem_tcp_size reassem_file_size reassem_frag_size reassem_unknown_size num_conns
old_value new_value rule_id rule_type rule_priority target entity mod expire plugin dpid match.in_port filter init ty
ev peer.address peer.bound_port seen.indicator seen.indicator_type seen.where seen.node matched sources indicator
indicator_type software_type unparsed_version version.major version.minor version.minor2 version.addl version_major
version_minor host_p port_num port_proto issuer_subject dhcp_host_name device_type wrq fname mode uid_data block_acked
error_desc initiations responses class attr_type attr_types attr_vals wan_addrs wan_ports lan_addrs
client_initial_dcid client_scid server_scid client_protocol message_id object base_object scope deref_aliases
attributes result_code diagnostic_message result_msg ldap_version client_key client_extensions server_extensions
subprotocol topic qos retain payload payload_len status_codes
"""
_SHARED = frozenset(
    """
    ts uid proto service duration history vlan inner_vlan host message tags source version node type name id level
    location event path status from to date os tls size mode domain direction severity facility class auth scope value
    response request result user_agent_parsed client server community entropy target object width height attributes
    quantity unit command hostname method_name filter p n func logged topic
    """.split()  # noqa: SIM905  a table of names
)
"""Names that say nothing: a connection's row may have them, from Zeek, a shipper or an enrichment."""
FOREIGN_COLUMNS = frozenset(_COLUMNS.split()) - _SHARED - OWN_COLUMNS - BY_ZEEK.keys()
"""Columns by which rows of other logs are known."""
