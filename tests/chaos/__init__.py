"""Kills for real: ``make chaos``. See ``docs/guarantees.md`` for what it shows."""
