"""No way into a shell, no objects from bytes, no code from text; every locked distribution has its hash."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("etl", "conn_etl", "dags", "local", "samples")
    for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "marshal", "shelve", "cloudpickle", "telnetlib", "ftplib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "subprocess.getoutput"}


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{_name(value)}.{attr}"
        case _:
            return ""


def _offences(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (
                    f"import {alias.name}" for alias in names if alias.name.split(".")[0] in FORBIDDEN_IMPORTS
                )
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_IMPORTS:
                yield f"from {module}"
            case ast.Call(func=func, keywords=keywords):
                if _name(func) in FORBIDDEN_CALLS:
                    yield f"{_name(func)}()"
                yield from (
                    f"{_name(func)}(shell=…)"
                    for keyword in keywords
                    if keyword.arg == "shell"
                    and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                )
            case _:
                pass


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_runs_nothing_that_came_as_text(path: Path) -> None:
    assert list(_offences(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_every_locked_distribution_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.split(r"^(?=[A-Za-z0-9][A-Za-z0-9._-]*==)", lock, flags=re.MULTILINE)[1:]
    assert len(pins) > 100
    assert [pin.split("==")[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert not re.search(r"https?://|--index-url|--extra-index-url|--trusted-host", lock)
