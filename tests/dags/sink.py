"""A mail server on loopback that keeps what it is sent: as much of SMTP as Airflow's notifier speaks."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass(kw_only=True, slots=True)
class Sink:
    """Where it listens, and the messages that came."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)

    def bodies(self) -> str:
        parts = [part for message in self.messages for part in message.walk() if not part.is_multipart()]
        return "\n".join(part.get_content() for part in parts)


@contextmanager
def mail_sink() -> Iterator[Sink]:
    """Listens as long as the block lasts."""
    sink = Sink()

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            for line in self.rfile:
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(line.removeprefix(b".") for line in lines)
                    sink.messages.append(email.message_from_bytes(text, policy=email.policy.default))
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        server.daemon_threads = True
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
