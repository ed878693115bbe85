"""A network namespace with a cable to this one, so that a client can vanish without a FIN; needs root."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One cable: ``here`` and ``there`` are the addresses of its ends, ``there`` in the namespace."""

    namespace: str
    device: str
    here: str
    there: str

    def cut(self) -> None:
        """Pull the cable: no FIN, no RST, in no direction."""
        _ip("link", "set", self.device, "down")

    def join(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.device, "up")

    def enter(self) -> None:
        """Move this process to the other end.

        Raises:
            OSError: the namespace is gone, or this user may not enter it.
        """
        with Path("/run/netns", self.namespace).open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns into {self.namespace}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def link() -> Iterator[Link | None]:
    """A cable with an address at each end; None where no namespace can be made."""
    made = _plugged() if os.geteuid() == 0 and shutil.which("ip") else None
    try:
        yield made
    finally:
        if made is not None:
            _ip("netns", "del", made.namespace)


def _plugged() -> Link | None:
    tag = uuid.uuid4().hex[:6]
    net = f"10.{200 + int(tag[:2], 16) % 50}.{int(tag[2:4], 16)}"
    made = Link(namespace=f"chaos-{tag}", device=f"chaos{tag}", here=f"{net}.1", there=f"{net}.2")
    try:
        _ip("netns", "add", made.namespace)
    except subprocess.CalledProcessError:
        return None
    try:
        _ip("link", "add", made.device, "type", "veth", "peer", "name", "peer0", "netns", made.namespace)
        _ip("address", "add", f"{made.here}/30", "dev", made.device)
        _ip("link", "set", made.device, "up")
        _ip("-n", made.namespace, "address", "add", f"{made.there}/30", "dev", "peer0")
        _ip("-n", made.namespace, "link", "set", "peer0", "up")
    except subprocess.CalledProcessError:
        _ip("netns", "del", made.namespace)
        return None
    return made
