"""A TCP proxy that misbehaves on demand: between a store and its server, in front of tests that count what it did.

`Proxy(host, port)` listens on a port of its own and passes bytes on both ways until it is told otherwise. Every fault
counts its hits, so that a test can say that its fault struck.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Self


class Fault(Enum):
    """What the proxy does to the bytes that pass."""

    NONE = "passes everything on"
    DELAY = "passes the server's answers on late"
    REFUSE = "closes new connections at once"
    SWALLOW = "half open: takes what the client sends, and neither passes it on nor closes"
    CUT_REQUEST = "closes the connection instead of passing a request on"
    CUT_REPLY = "passes a request on, and closes the connection when the answer comes"


@dataclass(eq=False)
class _Pair:
    """One connection: the client's side and the server's."""

    client: socket.socket
    server: socket.socket
    late: list[tuple[float, bytes]] = field(default_factory=list)


class Proxy:
    """Use as a context manager; `port` is where to connect. Thread-safe. `when` narrows a fault to requests that match."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.hits: Counter[Fault] = Counter()
        self._selector = selectors.DefaultSelector()
        self._pairs: set[_Pair] = set()
        self._lock = threading.RLock()
        self._fault, self._left, self._delay_s = Fault.NONE, 0, 0.0
        self._when: Callable[[bytes], bool] = _always
        self._armed: set[_Pair] = set()
        self._wake_read, self._wake_write = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._drain)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._wake()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the proxy's thread hangs"
        for pair in list(self._pairs):
            self._drop(pair)
        for each in (self._listener, self._wake_read, self._wake_write):
            each.close()
        self._selector.close()

    def do(
        self, fault: Fault, *, times: int = 1_000_000, delay_s: float = 0.0, when: Callable[[bytes], bool] | None = None
    ) -> None:
        """From now on, at most `times` times; `when` is asked of each request's bytes whether it is meant."""
        with self._lock:
            self._fault, self._left, self._delay_s = fault, times, delay_s
            self._when = when or _always
            self._armed.clear()
        self._wake()

    @contextlib.contextmanager
    def doing(self, fault: Fault, **how: object) -> Iterator[None]:
        """`do` for the length of a block, which must have been hit when it ends."""
        before = self.hits[fault]
        self.do(fault, **how)  # type: ignore[arg-type]
        try:
            yield
        finally:
            self.do(Fault.NONE)
        assert self.hits[fault] > before, f"{fault.name} hit nothing"

    def cut_all(self) -> int:
        """Closes every connection now; how many there were."""
        with self._lock:
            pairs = list(self._pairs)
            for pair in pairs:
                self._drop(pair)
        return len(pairs)

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.005 if self._anything_late() else None):
                with self._lock:
                    key.data(key.fileobj)
            with self._lock:
                self._send_late()

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        if self._fault is Fault.REFUSE and self._hit():
            client.close()
            return
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.add(pair)
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._from_client(pair))
        self._selector.register(server, selectors.EVENT_READ, lambda _: self._from_server(pair))

    def _from_client(self, pair: _Pair) -> None:
        data = _receive(pair.client)
        if not data:
            self._drop(pair)
        elif self._fault is Fault.SWALLOW and self._when(data) and self._hit():
            return
        elif self._fault is Fault.CUT_REQUEST and self._when(data) and self._hit():
            self._drop(pair)
        else:
            if self._fault is Fault.CUT_REPLY and self._when(data):
                self._armed.add(pair)
            _send(pair.server, data)

    def _from_server(self, pair: _Pair) -> None:
        data = _receive(pair.server)
        if not data or (self._fault is Fault.CUT_REPLY and pair in self._armed and self._hit()):
            self._drop(pair)
        elif self._fault is Fault.DELAY and self._hit():
            pair.late.append((time.monotonic() + self._delay_s, data))
        elif pair.late:
            pair.late.append((0.0, data))  # not past what is late already
        else:
            _send(pair.client, data)

    def _hit(self) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        self.hits[self._fault] += 1
        return True

    def _anything_late(self) -> bool:
        return any(pair.late for pair in self._pairs)

    def _send_late(self) -> None:
        now = time.monotonic()
        for pair in list(self._pairs):
            while pair.late and pair.late[0][0] <= now:
                _send(pair.client, pair.late.pop(0)[1])

    def _drop(self, pair: _Pair) -> None:
        if pair not in self._pairs:
            return
        self._pairs.discard(pair)
        self._armed.discard(pair)
        for each in (pair.client, pair.server):
            self._selector.unregister(each)
            each.close()

    def _wake(self) -> None:
        self._wake_write.send(b"w")

    def _drain(self, read: socket.socket) -> None:
        read.recv(4096)


def _always(_: bytes) -> bool:
    return True


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # whoever has gone will be noticed by the read
        end.sendall(data)
