"""The rules of the suites in ``expectations/``, read without Great Expectations: who only asks why needs no engine.

Each rule carries in its ``meta`` a name (``rule``), the reason (``why``) and where that is written (``source``); beside
it stands its ``severity``: a row that breaks a ``critical`` rule goes to quarantine, one that breaks a ``warning``
is published and counted. The settings may give a rule another severity; ``status`` shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from etl.errors import EnvironmentProblem
from etl.resources import resource_dir

STAGES = ("gate", "after")
"""``gate``: over staging, before publish. ``after``: over a day of the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One expectation of a suite file."""

    suite: str
    stage: str
    name: str
    severity: str
    why: str
    source: str
    relation: str | None
    """What a suite after publish looks at: a name in ``sql/statements/checks.sql``."""
    definition: dict[str, Any]
    """What Great Expectations makes its expectation from."""

    @property
    def column(self) -> str | None:
        """The column that it is about."""
        column = self.definition["kwargs"].get("column")
        return str(column) if column else None


def _ledger_rule(name: str, *, why: str, source: str) -> Rule:
    column = {"kwargs": {"column": "@timestamp"}}
    return Rule(
        suite="ledger",
        stage="gate",
        name=name,
        severity="critical",
        why=why,
        source=source,
        relation=None,
        definition=column,
    )


LEDGER_RULES = (
    _ledger_rule(
        "time_out_of_range",
        why="A time long past, or well after the file was first seen, is a clock gone wrong.",
        source="settings earliest and latest_after_first_seen",
    ),
    _ledger_rule(
        "expired",
        why="The day of this row was dropped by retention: an old log does not bring it back. Where the day is "
        "archived, `conn-etl archive restore DAY` does, and the line can be replayed.",
        source="etl.retired_day",
    ),
)
"""Rules of the gate that no suite can hold, since they need the ledger: ``sql/statements/quality.sql`` judges them."""
_CONFLICT = (
    "The table has a row with this @timestamp and event_uid and other values; the first one stays.",
    "the identity of a row: docs/guarantees",
)
"""Of ``identity_conflict``, which is decided in publish."""


def rules(stage: str) -> tuple[Rule, ...]:
    """All rules of the suites of a stage, in the order of files and of each file.

    Raises:
        EnvironmentProblem: a suite file is broken, or two rules of a stage share a name.
    """
    return tuple(rule for rule in all_rules() if rule.stage == stage)


@cache
def all_rules() -> tuple[Rule, ...]:
    """All rules of all suites; raises as ``rules``."""
    found: list[Rule] = []
    for path in sorted(resource_dir("expectations").glob("*.json")):
        try:
            suite = json.loads(path.read_text(encoding="utf-8"))
            STAGES.index(suite["meta"]["stage"])
            found += [_rule(suite, definition) for definition in suite["expectations"]]
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentProblem(
                f"{path.name} is not a valid suite: {error!r}", hint="correct it, or install conn-etl again"
            ) from error
    if len({(rule.stage, rule.name) for rule in found}) < len(found):
        raise EnvironmentProblem(
            "two rules in expectations/ have the same meta.rule", hint="give each its own"
        )
    return tuple(found)


def _rule(suite: Mapping[str, Any], definition: Mapping[str, Any]) -> Rule:
    meta = {**definition["meta"], "suite": suite["name"]}
    return Rule(
        suite=suite["name"],
        stage=suite["meta"]["stage"],
        name=meta["rule"],
        severity=definition["severity"],
        why=meta["why"],
        source=meta["source"],
        relation=suite["meta"].get("relation"),
        definition={**definition, "meta": meta},
    )


def under_policy(chosen: Iterable[Rule], severities: Mapping[str, str]) -> tuple[Rule, ...]:
    """The same rules with the severities that the settings give to some of them.

    Raises:
        EnvironmentProblem: a name that no rule of any suite has (a typing error must not leave a rule as it is), or
            one whose rows the table could not take.
    """
    known = {rule.name for rule in (*all_rules(), *LEDGER_RULES)}
    if strangers := sorted(set(severities) - known):
        raise EnvironmentProblem(
            f"CONN_ETL_RULE_SEVERITY names no rule: {', '.join(strangers)}",
            hint="see meta.rule in expectations/",
        )
    if fixed := sorted(name for name, level in severities.items() if level != "critical" and _is_fixed(name)):
        raise EnvironmentProblem(
            f"{', '.join(fixed)} cannot be less than critical", hint="the table has no room for such a row"
        )
    return tuple(_with(rule, severities.get(rule.name, rule.severity)) for rule in chosen)


def _is_fixed(name: str) -> bool:
    return name.startswith(("row.", "type.", "required.")) or name in {rule.name for rule in LEDGER_RULES}


def _with(rule: Rule, severity: str) -> Rule:
    return replace(rule, severity=severity, definition={**rule.definition, "severity": severity})


def reasons() -> dict[str, tuple[str, str]]:
    """Rule → (why, source), also of the rules that no suite can hold since they need the ledger."""
    found = {rule.name: (rule.why, rule.source) for rule in (*all_rules(), *LEDGER_RULES)}
    return {**found, "identity_conflict": _CONFLICT}
