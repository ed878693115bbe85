"""The error budget: how much may be wrong with a file before it is refused whole. ``explain`` asks it too."""

from __future__ import annotations

from dataclasses import dataclass

from etl.errors import OverBudget


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Bad rows that a file may have: the greater of a number and a share of its rows."""

    rows: int
    share: float

    def exceeded(self, *, read: int, bad: int, forgiven: int = 0) -> OverBudget | None:
        """The error of a file with too many bad rows, or with no good one.

        Args:
            read: its rows.
            bad: those of them that go to quarantine.
            forgiven: those of them that are no fault of the file, such as lines of other logs: they count in neither.
        """
        read, bad = read - forgiven, bad - forgiven
        if not bad:
            return None
        if bad == read:
            return OverBudget(f"not one of its {read:,} rows is good", hint="see `conn-etl quarantine list`")
        if bad > (allowed := max(self.rows, int(self.share * read))):
            return OverBudget(
                f"{bad:,} of its {read:,} rows are bad, more than the error budget of {allowed:,}",
                hint="see `conn-etl quarantine list`, then mend the source or load it with --accept",
            )
        return None
