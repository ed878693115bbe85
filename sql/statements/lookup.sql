-- name: forget
-- Delete what a source named.
DELETE FROM zeek.network WHERE source = :source;

-- name: copy
-- Add networks, as CSV from the client.
COPY zeek.network (cidr, name, kind, source, valid_from) FROM STDIN (FORMAT csv);

-- name: sources
-- What has been imported, by source and kind.
SELECT source, kind, count(*) AS networks, max(valid_from) AS newest
FROM zeek.network
GROUP BY source, kind
ORDER BY source, kind;
