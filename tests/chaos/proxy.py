"""A socket between a process and its server that loses the answer to one COMMIT.

``python -m tests.chaos.proxy FOLDER SERVER_SOCKET NUMBER``: clients connect to ``FOLDER/.s.PGSQL.5432``. The COMMIT of
this number (counted over all connections) is handed to the server, and when the server has answered, its client is cut
off instead of being told: the client cannot know whether its transaction was committed.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

_COMMIT = b"COMMIT"
_SIZE = 1 << 16


@dataclass(slots=True)
class Proxy:
    """Counts COMMITs over all of its connections; makes the file ``hit`` when one was lost."""

    folder: Path
    server: str
    wanted: int
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        """Take clients until the process is killed."""
        path = self.folder / ".s.PGSQL.5432"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            path.chmod(0o777)
            listening.listen(64)
            while True:
                client, _ = listening.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.server)
        except OSError:
            client.close()
            return
        doomed = threading.Event()
        threading.Thread(target=self._answers, args=(server, client, doomed), daemon=True).start()
        while data := _received(client):
            if _is_commit(data) and self._is_the_one():
                doomed.set()
                self.folder.joinpath("hit").touch()
            try:
                server.sendall(data)
            except OSError:
                break
        _close(server)

    def _answers(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        while data := _received(server):
            if doomed.is_set():
                break
            try:
                client.sendall(data)
            except OSError:
                break
        _close(client)
        _close(server)

    def _is_the_one(self) -> bool:
        with self.lock:
            self.seen += 1
            return self.seen == self.wanted


def _is_commit(data: bytes) -> bool:
    """A simple query ``COMMIT`` alone, as the driver sends it."""
    return data[:1] == b"Q" and data[5:].rstrip(b"\0").strip().upper() == _COMMIT


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(_SIZE)
    except OSError:
        return b""


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


if __name__ == "__main__":
    folder, server_socket, number = sys.argv[1:]
    Proxy(folder=Path(folder), server=server_socket, wanted=int(number)).serve()
