"""The fixtures themselves: each test has its own migrated database, on a server whose zone is not UTC."""

from __future__ import annotations

import psycopg2
import pytest


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_fresh_migrated_database(database_url: str, turn: int) -> None:
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT to_regclass('zeek.conn') IS NOT NULL, to_regclass('public.mine'), current_setting('TimeZone')"
            )
            assert cursor.fetchone() == (True, None, "Asia/Kolkata")
            cursor.execute("CREATE TABLE public.mine AS SELECT %s AS turn", (turn,))
        connection.commit()
    finally:
        connection.close()
