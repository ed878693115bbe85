"""Which days a plan reads without a bound, also where Citus has plans inside a plan.

``tests/data/plans/citus.json`` is what Citus 13.2 explained, less costs: one question with two parts, of which one has
no bound, and the other one asks for an hour.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.query import ask

PLAN = json.loads((Path(__file__).parents[2] / "data" / "plans" / "citus.json").read_text(encoding="utf-8"))
SCAN = {"Node Type": "Seq Scan", "Relation Name": "conn_20260301"}
BITMAP = {"Node Type": "Bitmap Index Scan", "Index Cond": "(event_uid = 'C1'::text)"}


def test_days_of_a_cluster_are_found_in_the_plans_of_its_tasks() -> None:
    found = list(ask.leaves(PLAN))
    assert {leaf for leaf, bounded in found if not bounded} == {
        "conn_20260226",
        "conn_20260228",
        "conn_20260301",
    }
    assert [leaf for leaf, bounded in found if bounded] == ["conn_20260301"]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (SCAN, [("conn_20260301", False)]),
        (SCAN | {"Filter": '("@timestamp" >= now())'}, [("conn_20260301", True)]),
        (SCAN | {"Node Type": "Bitmap Heap Scan", "Plans": [BITMAP]}, [("conn_20260301", True)]),
        ({"Plan": {"Plans": [SCAN, SCAN | {"Relation Name": "conn_20260302_102040"}]}},
         [("conn_20260301", False), ("conn_20260302", False)]),
        ({"Plans": [SCAN | {"Relation Name": name} for name in ("conn_state", "conn_hour", "conn_202603011")]}, []),
    ],
)  # fmt: skip
def test_a_day_has_a_bound_or_not(node: dict[str, object], expected: list[tuple[str, bool]]) -> None:
    assert list(ask.leaves(node)) == expected
