"""What counts as one SELECT, by PostgreSQL's own grammar."""

from __future__ import annotations

import pytest

from etl.errors import Misuse
from etl.query.one_select import require_one_select

TAKEN = [
    "SELECT 1",
    "select 1;",
    "-- a comment\nSELECT 1 -- and one more",
    "/* SELECT /* nested */ */ SELECT 1",
    "VALUES (1), (2)",
    "TABLE zeek.conn",
    "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
    "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1",
    "SELECT ';', E'\\';', $$; DROP TABLE x$$, U&'\\003b'",
    "SELECT src_ip_addr FROM zeek.conn WHERE src_ip_addr <<= '10.0.0.0/8' AND extra @> '{\"a\": 1}'",
    "SELECT count(*) FILTER (WHERE a > 1) OVER w FROM t WINDOW w AS (PARTITION BY b)",
    "SELECT * FROM json_to_recordset('[]') AS x (a int), LATERAL (SELECT 1) AS y",
    "SELECT 'INSERT INTO x' AS insert",
]
REFUSED = {
    "": "nothing",
    ";": "nothing",
    "-- only words": "nothing",
    "SELEC 1": "syntax error",
    "SELECT 'open": "unterminated",
    "SELECT 1; SELECT 2": "select, select",
    "SELECT 1) AS a; DROP TABLE zeek.conn; SELECT * FROM (SELECT 1": "syntax error",
    "SELECT 1; DROP TABLE zeek.conn": "select, drop",
    "SELECT E'\\''; COPY t TO PROGRAM 'id' --'": "select, copy",
    "SELECT 1 INTO mine": "SELECT INTO",
    "CREATE TABLE mine AS SELECT 1": "create_table_as",
    "WITH x AS (DELETE FROM zeek.conn RETURNING *) SELECT * FROM x": "changes no rows",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING *), y AS (SELECT 1) SELECT * FROM y": "changes no rows",
    "SELECT * FROM (WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x) AS y": "changes no rows",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE": "merge",
    "DELETE FROM zeek.conn": "delete",
    "COPY zeek.conn TO PROGRAM 'id'": "copy",
    "COPY (SELECT 1) TO STDOUT": "copy",
    "DO $$ BEGIN RESET ROLE; END $$": "do",
    "CALL x()": "call",
    "SET ROLE conn_owner": "variable_set",
    "RESET ROLE": "variable_set",
    "SET SESSION AUTHORIZATION postgres": "variable_set",
    "RESET SESSION AUTHORIZATION": "variable_set",
    "COMMIT": "transaction",
    "BEGIN; SELECT 1": "transaction, select",
    "EXPLAIN ANALYZE SELECT 1": "explain",
    "PREPARE x AS SELECT 1": "prepare",
    "DECLARE c CURSOR FOR SELECT 1": "declare_cursor",
    "LISTEN x": "listen",
    "LOCK TABLE zeek.conn": "lock",
    "LOAD 'x'": "load",
    "VACUUM": "vacuum",
    "DISCARD ALL": "discard",
}


@pytest.mark.parametrize("sql", TAKEN)
def test_one_select_is_taken(sql: str) -> None:
    require_one_select(sql)


@pytest.mark.parametrize(("sql", "said"), REFUSED.items())
def test_all_else_is_refused_with_what_it_is(sql: str, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        require_one_select(sql)
