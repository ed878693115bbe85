-- Operations need no table of their own: metrics are read from the ledger, alerts from etl.problem of 0003. The
-- revision stays, since databases that went through it know it by number.
SELECT 1;
