"""The cookbook: ``sql/queries/<name>.sql``, one question a file, its header read by this module.

The header is the comment at the top, one ``-- key: value`` a line; a line that begins with ``--`` and three blanks goes
on with the one above. ``question:`` and ``answer:`` (how to read it), then ``param NAME TYPE [= DEFAULT]: what it is``
for each parameter, ``bound: ledger`` or ``rollup`` where the span need not be given, ``compares: A B`` where the
parameters A and B bound earlier rows that the answer is compared with, and ``names:`` with the columns that get names
from the lookup. ``:since`` and ``:until`` are in every question. A default may be relative to them
(``since - 30 days``), since only literals prune partitions while planning.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from etl.errors import EnvironmentProblem, Misuse
from etl.query import moments
from etl.resources import resource_dir

Bound = Literal["time", "ledger", "rollup"]
"""What keeps a question from reading everything: a span that has to be given; the ledger's first and last row where
none is given; or that it reads rollups, and rows only where they are due."""

_PARAM = re.compile(r"(?P<name>\w+) (?P<type>[a-z ]+?)(?: = (?P<default>[^:]*))?: (?P<what>.+)")
_SHIFT = re.compile(r"(?P<from>since|until) (?P<sign>[+-]) (?P<days>\d+) days")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One value that a question asks for."""

    name: str
    type: str
    default: str | None
    """As text; None where it has to be given."""
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One file of the cookbook."""

    name: str
    question: str
    answer: str
    bound: Bound
    parameters: tuple[Parameter, ...]
    compares: tuple[str, ...]
    """The two parameters that bound the earlier rows with which it compares; empty where it does not."""
    names: tuple[str, ...]
    """Columns with addresses or networks for which the lookup may have a name."""
    sql: str

    def values(self, given: Mapping[str, str], since: datetime, until: datetime) -> dict[str, Any]:
        """The value of each parameter and of since and until, as the driver takes them.

        Raises:
            Misuse: one is missing, unknown, or not of its type.
        """
        known = {parameter.name for parameter in self.parameters}
        if strange := sorted(set(given) - known):
            takes = ", ".join(sorted(known)) or "none"
            raise Misuse(f"{self.name} has no parameter {strange[0]}", hint=f"it takes: {takes}")
        found: dict[str, Any] = {"since": since, "until": until}
        for parameter in self.parameters:
            found[parameter.name] = _value(parameter, given.get(parameter.name, parameter.default), found)
        if found.get("most", 0) < 0:
            raise Misuse(f"most={found['most']} is less than 0", hint="0 or more lines can be asked for")
        return found

    def lines(self, values: Mapping[str, Any]) -> int | None:
        """How many lines its answer has at most; None where its SQL does not say."""
        most: int | None = values["most"] if self.sql.rstrip().endswith("LIMIT :most") else None
        return most


def _address(text: str) -> str:
    return str(ipaddress.ip_interface(text)).removesuffix("/32").removesuffix("/128")


_READ: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "bigint": int,
    "double precision": float,
    "text": str,
    "inet": _address,
    "timestamptz": moments.parse,
}
"""How the text of a parameter becomes a value; ValueError where it cannot."""


def _value(parameter: Parameter, text: str | None, found: Mapping[str, Any]) -> Any:
    if text is None:
        raise Misuse(
            f"the parameter {parameter.name} is missing ({parameter.what})",
            hint=f"--param {parameter.name}=…",
        )
    if shift := _SHIFT.fullmatch(text):
        return _shifted(found[shift["from"]], int(f"{shift['sign']}{shift['days']}"))
    try:
        return _READ[parameter.type](text)
    except ValueError as error:
        raise Misuse(f"{parameter.name}={text} is no {parameter.type}", hint=parameter.what) from error


def _shifted(start: datetime, days: int) -> datetime:
    """So many days on; the first or last moment that there is where that is past it."""
    try:
        return start + timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if days < 0 else datetime.max.replace(tzinfo=UTC)


def names() -> list[str]:
    """All questions, by name."""
    return sorted(path.stem for path in (resource_dir("sql") / "queries").glob("*.sql"))


def load(name: str) -> Question:
    """One question.

    Raises:
        Misuse: there is none of this name.
        EnvironmentProblem: its header is broken.
    """
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(near)}?" if near else "`conn-etl query` without a name lists them"
        raise Misuse(f"there is no question {name}", hint=meant)
    return parse(resource_dir("sql") / "queries" / f"{name}.sql")


def parse(path: Path) -> Question:
    """Read a file of the cookbook."""
    text = path.read_text(encoding="utf-8")
    header: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if line.startswith("--   ") and header:
            header[-1] = (header[-1][0], f"{header[-1][1]} {line[2:].strip()}")
        else:
            key, _, rest = line[2:].strip().partition(" ")
            header.append((key.rstrip(":"), rest))
    try:
        return _question(path.stem, header, text)
    except (KeyError, TypeError) as error:
        raise EnvironmentProblem(
            f"{path.name}: its header is broken ({error})", hint="install conn-etl again"
        ) from error


def _question(name: str, header: list[tuple[str, str]], text: str) -> Question:
    said = dict(header)
    matches = [_PARAM.fullmatch(rest) for key, rest in header if key == "param"]
    parameters = tuple(
        Parameter(name=m["name"], type=m["type"], default=_unquoted(m["default"]), what=m["what"])
        for m in matches
        if m is not None
    )
    if len(parameters) < len(matches) or any(parameter.type not in _READ for parameter in parameters):
        raise KeyError("param")
    bound: Any = said.get("bound", "time")
    return Question(
        name=name,
        question=said["question"],
        answer=said["answer"],
        bound=bound,
        parameters=parameters,
        compares=tuple(said.get("compares", "").split()),
        names=tuple(said.get("names", "").split()),
        sql=text,
    )


def _unquoted(default: str | None) -> str | None:
    return default.strip("'") if default is not None else None
