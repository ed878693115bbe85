"""What an hourly run asks of completeness does not grow with the ledger, and is what the whole view says."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Ask

FILES = """
INSERT INTO etl.file (path, size, mtime, sensor, window_start, window_end, state, rows_read, rows_loaded,
    rows_duplicate, rows_quarantined)
SELECT '/' || sensor || '/' || hour || '/' || copy, 1, now(), sensor, start + hour * interval '1 hour',
    CASE WHEN sensor <> 'no ends' THEN start + (hour + 1) * interval '1 hour' END,
    CASE WHEN hour % 11 = 3 THEN 'refused' ELSE 'published' END, 5, 5, 0, 0
FROM
    (SELECT timestamptz '2026-03-01 00:00:00+00' AS start) AS begins,
    unnest(ARRAY['a', 'b', 'no ends']) AS sensor, generate_series(0, 400) AS hour, generate_series(1, 2) AS copy
WHERE
    NOT (sensor = 'a' AND hour BETWEEN 150 AND 250)     -- a long silence
    AND NOT (sensor = 'b' AND (hour % 50 = 7 OR hour BETWEEN 200 AND 210))
    AND NOT (sensor = 'no ends' AND hour BETWEEN 300 AND 305)
"""
HOURS = [0, 100, 140, 151, 200, 205, 230, 251, 303, 399]


@pytest.mark.parametrize("hour", HOURS)
def test_from_a_moment_on_it_says_what_the_view_says(hour: int, ask: Ask) -> None:
    ask(FILES)
    since = f"timestamptz '2026-03-01 00:00:00+00' + {hour} * interval '1 hour'"
    whole = ask(f"SELECT * FROM etl.completeness WHERE window_end > {since} ORDER BY 1, 2, 3")
    part = ask(f"SELECT * FROM etl.completeness_since({since}) WHERE window_end > {since} ORDER BY 1, 2, 3")
    assert part == whole
    assert len(whole) > 0


def test_it_reads_the_windows_of_these_days_alone(ask: Ask) -> None:
    ask(FILES)
    (rows,) = ask("SELECT count(*) FROM etl.completeness_since('2026-03-17 00:00:00+00')")
    assert rows[0] < 3 * 50
