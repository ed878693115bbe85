CREATE OR REPLACE VIEW zeek.conn_service AS
SELECT
    ltrim(services.service, '-') AS service,
    services.service LIKE '-%' AS given_up,
    services.position AS service_position,
    conn.*
FROM zeek.conn
CROSS JOIN
    LATERAL
    unnest(string_to_array(conn.network_application, ',')) WITH ORDINALITY AS services (service, position)
WHERE services.service <> '';

COMMENT ON VIEW zeek.conn_service IS
'One row per connection and service: ssl,http becomes two rows. Connections without a service are left out.';
SELECT etl.copy_comments('zeek.conn', 'zeek.conn_service');
COMMENT ON COLUMN zeek.conn_service.service IS 'One service of network_application.';
COMMENT ON COLUMN zeek.conn_service.given_up IS
'Whether Zeek gave this protocol up: it has a leading minus in the log.';
COMMENT ON COLUMN zeek.conn_service.service_position IS 'Place of the service in network_application; the first is 1.';
