"""URLs that carry credentials: they are refused, and never stored or shown.

The ledger, logs, lineage and metrics all hold the paths of sources. A password in one would be in all of them, so
credentials belong in the environment or in an Airflow connection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import unquote

from etl.errors import Misuse

_USER = re.compile(r"(?<=://)(?P<secret>[^/?#@]*:[^/?#]*)(?=@)")
_HIDDEN_NAMES = (
    r"x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid|aws_[a-z_]+|googleaccessid|signature|sig|policy|key-pair-id|token"
    r"|[a-z_-]*(?:token|secret|password|passwd|pwd|credentials?|api-?_?key|access-?_?key|account-?_?key|private-?_?key)"
    r"|key|auth|authorization|jwt|sas"
)
_PARAMETER = re.compile(rf"(?i)(?<=[?&;])(?P<name>{_HIDDEN_NAMES})=(?P<secret>[^&;#]*)")
_NOT_SECRET = ("github://", "git://")
"""Their ``org:repository@`` is no login."""
_HIDDEN = "***"


def masked(text: str) -> str:
    """A path without the credentials of its URL; any other text stays as it is."""
    if "://" not in text:
        return text
    if not text.startswith(_NOT_SECRET):
        text = _USER.sub(_HIDDEN, text)
    return _PARAMETER.sub(rf"\g<name>={_HIDDEN}", text)


def refuse(path: str) -> None:
    """Raise Misuse for a URL that carries credentials."""
    if (shown := masked(path)) != path:
        raise Misuse(
            f"{shown}: a URL with credentials is not taken, since the ledger keeps the paths of logs",
            hint="set the store's credentials in the environment, or pipe the log in: curl … | conn-etl ingest -",
        )


def require_allowed(path: str, beginnings: Sequence[str]) -> None:
    """Raise Misuse unless a path is one of these folders or URLs, or below one; ``s3://`` is all of that scheme."""
    whole = path if "://" in path and not path.startswith("file://") else os.path.abspath(_local(path))  # noqa: PTH100
    if not any(_is_below(whole, beginning) for beginning in beginnings):
        raise Misuse(
            f"{masked(path)} is not among the paths that CONN_ETL_ALLOWED_PATHS lets the param path name",
            hint=f"allowed: {', '.join(map(masked, beginnings)) or 'none'}",
        )


def _local(path: str) -> str:
    return unquote(path.removeprefix("file://")) if path.startswith("file://") else path


def _is_below(path: str, beginning: str) -> bool:
    if beginning.endswith("://"):
        return path.startswith(beginning)
    top = beginning.rstrip("/")
    return path == top or path.startswith(f"{top}/")
