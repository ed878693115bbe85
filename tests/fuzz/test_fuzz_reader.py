"""The unit suite's random damage, for minutes: what `make fuzz` runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.reader.test_mutations import check, damaged

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]


@settings(max_examples=10_000, deadline=None)
@given(damaged(), st.integers(1, 6))
def test_much_damage_is_accounted_for(data: bytes, block_rows: int) -> None:
    check(data, block_rows=block_rows)
