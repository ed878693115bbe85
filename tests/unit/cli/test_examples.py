"""Every verb's help ends with an example, and each example is a call that the command takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from etl.cli.app import app

ROOT = get_command(app)


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every verb by its whole name."""
    if below_it := getattr(command, "commands", None):
        for name, below in below_it.items():
            yield from verbs(below, (*path, name))
    else:
        yield " ".join(path), command


@pytest.mark.parametrize(("name", "verb"), [pytest.param(*each, id=each[0]) for each in verbs(ROOT)])
def test_each_help_has_an_example_that_the_command_takes(
    name: str, verb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verb.epilog is not None, f"conn-etl {name} --help has no example"
    words = shlex.split(verb.epilog.split(";")[0].removeprefix("Example: "), comments=True)
    words = words[words.index("conn-etl") + 1 :]
    assert words[: len(name.split())] == name.split()
    ends = (words.index(sign) for sign in ("|", "&&") if sign in words)
    arguments = words[len(name.split()) : next(ends, None)]
    monkeypatch.chdir(tmp_path)
    for file in (word for word in arguments if word.endswith(".csv")):
        Path(file).touch()
    verb.make_context(name, arguments, parent=typer.Context(ROOT))
