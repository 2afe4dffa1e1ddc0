"""A mail server on loopback that keeps what it is given: enough of SMTP (RFC 5321) for one client at a time, with TLS."""

from __future__ import annotations

import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple


class Delivery(NamedTuple):
    """One message that was taken."""

    recipients: list[str]
    mail: EmailMessage
    encrypted: bool


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        recipients: list[str] = []
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"EHLO":
                self._say("250-here\r\n250 STARTTLS" if self._may_encrypt() else "250 here")
            elif word == b"STAR":
                self._say("220 go on")
                self._encrypt()
            elif word == b"RCPT" and self.server.refuse:
                self._say("550 nobody of that name")
            elif word == b"RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self._say("250 well")
            elif word == b"DATA":
                self._say("354 go on")
                data = b"".join(iter(self.rfile.readline, b".\r\n"))
                mail = message_from_bytes(data, EmailMessage, policy=policy.default)
                self.server.deliveries.append(Delivery(recipients, mail, self._encrypted()))
                self._say("250 taken")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server closes the one that it began with

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _encrypted(self) -> bool:
        return isinstance(self.request, ssl.SSLSocket)

    def _may_encrypt(self) -> bool:
        return self.server.starttls is not None and not self._encrypted()

    def _encrypt(self) -> None:
        assert self.server.starttls is not None
        self.request = self.server.starttls.wrap_socket(self.request, server_side=True)
        self.setup()


class Mailbox(socketserver.TCPServer):
    """`deliveries` in order of arrival. While `refuse` is set, nobody is known here.

    With `tls` it speaks nothing else (`smtps`), with `starttls` it offers it.
    """

    def __init__(self, tls: ssl.SSLContext | None, starttls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.tls, self.starttls = tls, starttls
        self.deliveries: list[Delivery] = []
        self.refuse = False

    def get_request(self) -> tuple[object, object]:  # type: ignore[override]
        connection, address = super().get_request()
        return (connection if self.tls is None else self.tls.wrap_socket(connection, server_side=True)), address

    @property
    def target(self) -> str:
        """What `--notify` is given."""
        return f"smtp{'s' * (self.tls is not None)}://127.0.0.1:{self.server_address[1]}/ops@example.org"


@contextmanager
def mailbox(*, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """A server that runs while the body does."""
    with Mailbox(tls, starttls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def certificate(directory: Path) -> Path:
    """A file with a new key and a certificate for 127.0.0.1 that nobody has signed but itself."""
    pem = directory / "server.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", directory / "certificate.pem"]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (directory / "certificate.pem").read_text())
    return pem


def context(pem: Path) -> ssl.SSLContext:
    """A server's side of TLS with this key and certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made
