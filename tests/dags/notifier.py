"""A notifier that writes what it was told to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import BaseNotifier


class ToFile(BaseNotifier):
    """Appends its message to a file, or fails."""

    template_fields = ("message",)

    def __init__(self, *, path: str, message: str, fail: bool = False) -> None:
        super().__init__()
        self.path, self.message, self.fail = path, message, fail

    def notify(self, context: Any) -> None:  # noqa: ARG002  the interface
        if self.fail:
            raise RuntimeError("nobody listens")
        with Path(self.path).open("a") as stream:
            stream.write(self.message + "\n")
