"""The door to the package ``etl``, under a name that no other package has: it checks that ``etl`` is conn-etl's.

``etl`` is a common name. Another package of that name which comes first on Python's path would be imported instead, and
the error would name a module that is missing in it. The command and the DAG file come through here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

OURS = Path(__file__).resolve().parents[1] / "etl"


def other_etl() -> Path | None:
    """The folder (or file) of another package ``etl`` that Python imports instead of ours; None: it is ours."""
    spec = find_spec("etl")
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    place = origin.parent if origin.stem == "__init__" else origin
    return None if place == OURS else place


def require_ours() -> None:
    """Raise ImportError where another package ``etl`` hides ours."""
    if (other := other_etl()) is not None:
        raise ImportError(
            f"another package named etl, {other}, comes before conn-etl's in {OURS.parent}: "
            f"rename it, or put {OURS.parent} before {other.parent} on PYTHONPATH"
        )


def others(folders: Iterable[str]) -> list[Path]:
    """Packages or modules named ``etl`` in these folders (of Python's path) that are not ours."""
    found = [place for folder in folders for place in (Path(folder) / "etl", Path(folder) / "etl.py")]
    real = [
        place.resolve()
        for place in found
        if (place / "__init__.py").is_file() or (place.suffix and place.is_file())
    ]
    return [place for place in dict.fromkeys(real) if place != OURS]


def main() -> None:
    """Run the command ``conn-etl``."""
    try:
        require_ours()
    except ImportError as error:
        sys.stderr.write(f"conn-etl: {error}\n")
        sys.exit(2)
    from etl.cli import main as command

    command()
