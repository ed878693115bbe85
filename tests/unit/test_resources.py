"""What is not Python is found in a checkout, and in a wheel before anything else of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import resources
from etl.errors import EnvironmentProblem

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["sql", "expectations", "dags"])
def test_a_checkout_has_its_folders_beside_the_package(name: str) -> None:
    assert resources.resource_dir(name) == ROOT / name


def test_a_wheel_has_them_inside_whatever_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, beside = tmp_path / "etl" / "_data" / "sql", tmp_path / "sql"
    inside.mkdir(parents=True)
    beside.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "etl")
    assert resources.resource_dir("sql") == inside


def test_a_folder_that_is_missing_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="nothing-of-ours"):
        resources.resource_dir("nothing-of-ours")
