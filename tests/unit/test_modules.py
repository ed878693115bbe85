"""Each module of the tools that no other test imports can be imported."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("benchmarks", "tests/chaos", "tests/fuzz")
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.stem != "__init__"
]


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__
