-- Names for addresses, from zeek.network. Call it after an aggregate: each call is one search of an index.

CREATE OR REPLACE FUNCTION zeek.network_of(
    address inet, of_kind text DEFAULT NULL, at_time timestamptz DEFAULT now()
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT string_agg(found.name, ', ' ORDER BY found.kind <> 'site', found.kind)
FROM (
    SELECT DISTINCT ON (network.kind) network.kind, network.name
    FROM zeek.network AS network
    WHERE
        network.cidr >>= address AND network.valid_from <= at_time
        AND (of_kind IS NULL OR network.kind = of_kind)
    ORDER BY network.kind, masklen(network.cidr) DESC, network.valid_from DESC, network.source
) AS found
$$;

COMMENT ON FUNCTION zeek.network_of(inet, text, timestamptz) IS
'Name of an address or network: of each kind the smallest network around it, the site''s own first; NULL where none is
known. of_kind: only this kind. at_time: names as they were then.';

CREATE OR REPLACE FUNCTION zeek.is_external(address inet, is_local boolean DEFAULT NULL) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(
    NOT is_local,
    NOT address <<= ANY('{10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7}'::inet [])
) AND NOT address <<= ANY(
    '{0.0.0.0/8,127.0.0.0/8,169.254.0.0/16,224.0.0.0/4,255.255.255.255,::,::1,fe80::/10,ff00::/8}'::inet []
)
$$;

COMMENT ON FUNCTION zeek.is_external(inet, boolean) IS
'Whether an address is outside: the sensor says that it is not local, or, where it says nothing, it is no private one.
Multicast, link-local, loopback and unspecified addresses are not outside.';
