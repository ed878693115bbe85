"""From a batch of files to rows in ``zeek.conn``: ledger, staging, publishing, undoing; all are handed a connection."""
