-- One row a connection and service: ssl,http becomes two rows. A leading minus says that Zeek gave the protocol up.
-- Connections without a service are left out.
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
