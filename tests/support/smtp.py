"""A mail server on loopback that keeps what it is given: enough of SMTP (RFC 5321) for one client at a time."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        recipients: list[str] = []
        for line in self.rfile:
            word = line[:4].upper().strip()
            if word == b"EHLO":
                self._say("250 HELP")
            elif word == b"RCPT" and self.server.refuse:
                self._say("550 nobody of that name")
            elif word == b"RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self._say("250 well")
            elif word == b"DATA":
                self._say("354 go on")
                data = b"".join(iter(self.rfile.readline, b".\r\n"))
                mail = message_from_bytes(data, EmailMessage, policy=policy.default)
                self.server.mails.append((recipients, mail))
                self._say("250 taken")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Mailbox(socketserver.TCPServer):
    """`mails` are (recipients, message) in order of arrival. While `refuse` is set, nobody is known here."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.refuse = False

    @property
    def target(self) -> str:
        """What `--notify` is given."""
        return f"smtp://127.0.0.1:{self.server_address[1]}/ops@example.org"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A server that runs while the body does."""
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
