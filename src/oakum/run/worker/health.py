"""`--health PORT`: two questions that an orchestrator asks over HTTP, answered from the worker's own loop.

`/live`: does work go forward (not: does the process exist). `/ready`: may work be expected of it now.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from oakum.errors import CannotRun

_PATIENCE_S = 0.2


class Health:
    """A listening socket on the loopback interface; one request at a time, each answered at once."""

    def __init__(self, port: int, live: Callable[[], bool], ready: Callable[[], bool]) -> None:
        self._live, self._ready = live, ready
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise CannotRun(f"health: port {port} cannot be had ({error.strerror}); choose another") from error
        self._socket.listen(16)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def answer(self) -> None:
        """Answers one request."""
        with contextlib.suppress(OSError):
            client, _ = self._socket.accept()
            with client:
                client.settimeout(_PATIENCE_S)
                client.sendall(self._reply(client.recv(2048)))

    def _reply(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0]
        question = {b"/live": self._live, b"/ready": self._ready, b"/": self._live}.get(path)
        if method not in (b"GET", b"HEAD") or question is None:
            return _response("404 Not Found", "ask /live or /ready")
        return _response("200 OK", "ok") if question() else _response("503 Service Unavailable", "no")


def _response(status: str, text: str) -> bytes:
    body = text + "\n"
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
