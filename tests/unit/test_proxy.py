"""The fault proxy itself: what it passes, what it spoils, and that it counts."""

from __future__ import annotations

import socket
import threading

import pytest
from tests.support.proxy import Fault, Proxy


@pytest.fixture
def server():
    """Answers each line with itself in capitals, and notes it; its port and the notes."""
    listener, heard = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve(connection):
        with connection, connection.makefile("rwb") as lines:
            for line in lines:
                heard.append(line)
                lines.write(line.upper())
                lines.flush()

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def proxy(server):
    with Proxy("127.0.0.1", server[0]) as proxy:
        yield proxy


@pytest.fixture
def ask(proxy):
    """Sends a line on one kept connection; answers what comes back, b"" when it was cut."""
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    lines = connection.makefile("rwb")

    def ask(line: bytes) -> bytes:
        try:
            lines.write(line)
            lines.flush()
            return lines.readline()
        except ConnectionError:
            return b""

    yield ask
    connection.close()


def test_it_passes_on_what_it_is_given(ask):
    assert ask(b"one\n") == b"ONE\n"
    assert ask(b"two\n") == b"TWO\n"


def test_a_cut_before_the_reply_lets_the_request_through(proxy, ask, server):
    ask(b"one\n")
    with proxy.doing(Fault.CUT_REPLY):
        assert ask(b"two\n") == b""
    assert server[1] == [b"one\n", b"two\n"]


def test_a_cut_request_never_arrives(proxy, ask, server):
    ask(b"one\n")
    with proxy.doing(Fault.CUT_REQUEST):
        assert ask(b"two\n") == b""
    assert server[1] == [b"one\n"]


def test_a_fault_can_be_meant_for_some_requests(proxy, ask):
    proxy.do(Fault.CUT_REPLY, when=lambda data: b"commit" in data)
    assert ask(b"insert\n") == b"INSERT\n"
    assert ask(b"commit\n") == b""
    assert proxy.hits[Fault.CUT_REPLY] == 1


def test_delayed_answers_come_in_order(proxy, ask):
    with proxy.doing(Fault.DELAY, delay_s=0.02, times=1):
        assert ask(b"one\n") == b"ONE\n"
        assert ask(b"two\n") == b"TWO\n"


def test_half_open_neither_answers_nor_closes(proxy, server):
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=0.1)
    with connection, proxy.doing(Fault.SWALLOW):
        connection.sendall(b"one\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert server[1] == []


def test_new_connections_are_refused(proxy, ask):
    assert ask(b"one\n") == b"ONE\n"
    with proxy.doing(Fault.REFUSE), socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as late:
        assert late.recv(1) == b""
    assert ask(b"two\n") == b"TWO\n"


def test_all_are_cut(proxy, ask):
    ask(b"one\n")
    assert proxy.cut_all() == 1
    assert ask(b"two\n") == b""


def test_a_fault_that_hits_nothing_is_told(proxy):
    with pytest.raises(AssertionError, match="hit nothing"), proxy.doing(Fault.CUT_REPLY):
        pass
