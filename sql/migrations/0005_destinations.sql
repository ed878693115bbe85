-- Whether a destination is new is asked of a month and more. Its addresses are few beside its rows.

CREATE TABLE zeek.destination_day (
    day date NOT NULL,
    dst_ip_addr inet NOT NULL,
    PRIMARY KEY (day, dst_ip_addr)
);

COMMENT ON TABLE zeek.destination_day IS 'Rollup: the addresses that were called on a sealed day.';
COMMENT ON COLUMN zeek.destination_day.day IS 'UTC day.';
COMMENT ON COLUMN zeek.destination_day.dst_ip_addr IS 'An address that was called.';

-- it is made and kept with the top addresses of the day, which are due everywhere now
COMMENT ON COLUMN etl.sealed_day.top_stale IS
'Whether its rows in zeek.top_address and zeek.destination_day are due to be computed.';
UPDATE etl.sealed_day SET top_stale = true;
