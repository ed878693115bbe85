"""Who does something about lines in quarantine, and why: on record with each line."""

from __future__ import annotations

from dataclasses import dataclass

from etl import pipeline
from etl.errors import Misuse


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who replays or discards, why, and in which run."""

    actor: str
    why: str
    run_id: str


def audit_entry(verb: str, actor: str, why: str) -> AuditEntry:
    """An entry for a new run.

    Raises:
        Misuse: no reason is given.
    """
    if not why.strip():
        raise Misuse("say why, for those who ask later", hint='add --why "…"')
    return AuditEntry(actor=actor, why=why, run_id=pipeline.new_id(verb))
