"""SQL by name: each part of ``sql/statements`` is asked for somewhere, and each name that is asked for is there.

A name stands as ``"file.part"``, or is made: ``f"file.{name}"``, where the parts stand as plain strings in the same
module, as arguments of the function that makes it or in the tuple that it goes through.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from etl.database.statements import statement, statement_on
from etl.fields import FIELDS

ROOT = Path(__file__).parents[3]
PROGRAMS = ("etl", "dags", "local", "benchmarks")
PARTS = {
    file.stem: re.findall(r"^-- name: (\w+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    for file in (ROOT / "sql" / "statements").glob("*.sql")
}
NAMES = [f"{file}.{part}" for file, parts in PARTS.items() for part in parts]
NAME_AT = {"statement": 0, "statement_on": 0, "execute": 1, "execute_on": 1}
"""Functions that are asked by name, and which of their arguments it is."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class Module:
    """The source of one."""

    tree: ast.Module

    def plain(self) -> set[str]:
        """All strings that stand there as they are."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return {value for value in constants if isinstance(value, str)}

    def asked(self) -> set[str]:
        """Names that are asked for, with a * for what cannot be followed."""
        found = {word for word in self.plain() if word.partition(".")[0] in PARTS}
        for scope, call in self.calls():
            at = NAME_AT.get(_called(call), len(call.args))
            for argument in call.args[at : at + 1]:
                found |= self.values(argument, scope, frozenset())
        return {name for name in found if re.fullmatch(r"\w+\.(\w|\*)+(?<!_)", name)}

    def used(self) -> set[str]:
        """The same, where any string of the module may stand for a *."""
        return {name.replace("*", word) for name in self.asked() for word in self.plain()}

    def calls(self) -> Iterator[tuple[Function, ast.Call]]:
        """Each call with the function that it stands in."""
        for scope in ast.walk(self.tree):
            if isinstance(scope, Function):
                yield from ((scope, node) for node in ast.walk(scope) if isinstance(node, ast.Call))

    def values(self, node: ast.expr, scope: Function, seen: frozenset[str]) -> set[str]:
        """What an expression may be."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=pieces):
                each = [self.values(piece, scope, seen) for piece in pieces]
                return {"".join(choice) for choice in itertools.product(*each)}
            case ast.FormattedValue(value=ast.Name() as inner):
                return self.values(inner, scope, seen)
            case ast.Name(id=name) if name not in seen:
                return self.variable(name, scope, seen | {name}) or {"*"}
        return {"*"}

    def variable(self, name: str, scope: Function, seen: frozenset[str]) -> set[str]:
        """What a variable may be: an argument, by the calls of its function, or what a literal is gone through for."""
        found: set[str] = set()
        parameters = [argument.arg for argument in scope.args.args]
        if name in parameters:
            at = parameters.index(name)
            for caller, call in self.calls():
                if _called(call) == scope.name and len(call.args) > at:
                    found |= self.values(call.args[at], caller, seen)
        for loop in ast.walk(scope):
            if isinstance(loop, ast.For | ast.comprehension) and isinstance(loop.iter, ast.Tuple | ast.List):
                for element in loop.iter.elts:
                    found |= {
                        value
                        for variable, part in _unpacked(loop.target, element)
                        if variable == name
                        for value in self.values(part, scope, seen)
                    }
        return found


def _unpacked(target: ast.expr, element: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Variables of a loop with what they get from one element."""
    if isinstance(target, ast.Name):
        yield target.id, element
    elif isinstance(target, ast.Tuple) and isinstance(element, ast.Tuple):
        for inner, part in zip(target.elts, element.elts, strict=False):
            yield from _unpacked(inner, part)


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def modules(*folders: str) -> dict[str, Module]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return {str(f.relative_to(ROOT)): Module(ast.parse(f.read_text(encoding="utf-8"))) for f in files}


def test_each_part_is_asked_for() -> None:
    """In tests too: some are there for what only a test asks."""
    used = {name for module in modules(*PROGRAMS, "tests").values() for name in module.used()}
    assert set(NAMES) - used == set()


def test_each_name_that_is_asked_for_is_there() -> None:
    """Of programs: a test that asks for one that is not there fails by itself."""
    asked = {name: path for path, module in modules(*PROGRAMS).items() for name in module.asked()}
    assert {name: path for name, path in asked.items() if not any(fnmatchcase(n, name) for n in NAMES)} == {}


@pytest.mark.parametrize("name", NAMES)
def test_each_part_says_in_its_first_line_what_it_does(name: str) -> None:
    file, _, part = name.partition(".")
    text = (ROOT / "sql" / "statements" / f"{file}.sql").read_text(encoding="utf-8")
    assert re.search(rf"^-- name: {part}\n-- \S.{{5,}}$", text, re.MULTILINE)
    assert re.match("[A-Z]", statement(name).text)


def test_rows_with_the_same_identity_are_compared_by_all_other_fields() -> None:
    text = statement("publish.leftover").text
    for field in FIELDS:
        name = field.standard
        if field.pg_type == "double precision":
            assert f"abs(good.{name} - there.{name})" in text
        elif not field.key:
            assert f"(good.{name} IS NOT DISTINCT FROM there.{name})" in text


def test_a_name_stands_where_the_word_stood() -> None:
    text = statement_on("staging.create_part", {"stage_batch": "stage_7", "stage_part": "stage_7_part1"}).text
    assert "CREATE UNLOGGED TABLE etl.stage_7_part1 () INHERITS (etl.stage_7)" in text


def test_no_name_is_there_twice() -> None:
    assert len(set(NAMES)) == len(NAMES)


MISSPELT = {
    "written out": 'def f(c):\n    execute(c, "report.spam")',
    "of a file that is not there": 'def f(c):\n    db.execute(c, "raport.span")',
    "in a table": 'TABLE = {"a": "report.spam"}',
    "gone through": 'def f(c):\n    for name, n in (("report.span", 1), ("raport.span", 2)):\n        execute(c, name)',
    "made of an argument": 'def g(c, name):\n    execute(c, f"report.{name}")\ndef f(c):\n    g(c, "spam")',
    "made in two steps": 'def g(c, x):\n    execute(c, f"report.{x}")\ndef f(c, y):\n    g(c, f"index_{y}")',
    "made and gone through": 'def f(c):\n    return [execute(c, f"report.{n}") for n, m in (("spam", 1),)]',
    "of a made file": 'def f(c, name):\n    statement(f"raport.{name}")',
}


def test_a_part_whose_name_stands_there_for_something_else_is_not_asked_for() -> None:
    source = 'def g(c, name):\n    execute(c, f"report.{name}")\ndef f(c, facts):\n    facts["trend"] = g(c, "lag")'
    assert Module(ast.parse(source)).used() == {"report.lag"}


@pytest.mark.parametrize("how", sorted(MISSPELT))
def test_a_misspelt_name_would_be_seen(how: str) -> None:
    asked = Module(ast.parse(MISSPELT[how])).asked()
    assert [name for name in asked if not any(fnmatchcase(there, name) for there in NAMES)]
