"""Where the files that are not Python lie: beside ``etl/`` in a checkout, inside the package in an installed wheel."""

from pathlib import Path

from etl.errors import EnvironmentProblem

_PACKAGE = Path(__file__).parent


def resource_dir(name: str) -> Path:
    """The folder ``sql``, ``expectations`` or ``dags``; EnvironmentProblem when the installation lacks it.

    The packaged place comes first: site-packages may hold somebody else's ``sql`` beside ``etl``.
    """
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise EnvironmentProblem(f"this installation has no folder {name}", hint="install conn-etl again")


def samples_dir() -> Path | None:
    """The sample logs of a checkout; None in an installation without them."""
    folder = _PACKAGE.resolve().parent / "samples" / "logs"
    return folder if folder.is_dir() else None
