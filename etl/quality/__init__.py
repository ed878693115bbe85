"""Great Expectations and what it found: before publishing (gate) and after it (day checks)."""
