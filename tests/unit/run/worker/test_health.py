"""Two questions over HTTP, and no more; and what systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oakum.errors import CannotRun
from oakum.run.worker.health import Health
from oakum.run.worker.notify import notify


@pytest.fixture
def ask() -> Iterator[Callable[..., bytes]]:
    """Sends a request to a worker that goes forward and is not ready; the whole reply."""
    health = Health(0, lambda: True, lambda: False)
    port = health._socket.getsockname()[1]

    def ask(request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            health.answer()
            return b"".join(iter(lambda: client.recv(4096), b""))

    yield ask
    health._socket.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /live HTTP/1.1\r\n\r\n", b"200"),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /ready HTTP/1.1\r\n\r\n", b"503"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /live HTTP/1.1\r\n\r\n", b"404"),
        (b"\x16\x03\x01 not even HTTP", b"404"),
        (b"", b"404"),
    ],
)
def test_each_request_has_its_answer(ask: Callable[[bytes], bytes], request_: bytes, status: bytes) -> None:
    head, _, body = ask(request_).partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert f"Content-Length: {len(body)}".encode() in head


def test_nobody_there_is_no_trouble_and_a_taken_port_is_told() -> None:
    health = Health(0, lambda: True, lambda: True)
    health.answer()
    port = health._socket.getsockname()[1]
    with pytest.raises(CannotRun, match=f"health: port {port} cannot be had"):
        Health(port, lambda: True, lambda: True)
    assert health._socket.getsockname()[0] == "127.0.0.1"  # and nowhere else
    health._socket.close()


def test_systemd_is_told_where_it_asked_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    abstract = f"@oakum-{os.getpid()}-{tmp_path.name}"
    for address in (str(tmp_path / "notify"), abstract):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(address.replace("@", "\0"))
            systemd.settimeout(10)
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            notify("READY=1")
            assert systemd.recv(100) == b"READY=1"
        notify("WATCHDOG=1")  # it is gone: no reason to fail
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("STOPPING=1")
