"""Bells: they ring across processes, survive a broken line, never spin, and are the parent's after a fork."""

from __future__ import annotations

import os
import select

from tests.support.proxy import Proxy

PATIENCE_S = 30.0


def test_a_bell_rings_for_another_user(server, use):
    listener, producer = use(server.url), use(server.url)
    bell = listener.store.listen("work")
    assert not bell.wait(0)
    producer.insert()
    assert bell.wait(PATIENCE_S)
    assert not bell.wait(0)


def test_many_changes_are_one_ring(server, use):
    listener, producer = use(server.url), use(server.url)
    bell = listener.store.listen("work")
    for _ in range(300):  # more than is read at once
        producer.insert()
    assert bell.wait(PATIENCE_S)
    producer.store.counts()  # by its answer all rings have left the server
    bell.drain()
    while bell.wait(0.05):
        pass
    assert not select.select([bell.fileno()], [], [], 0)[0]


def test_a_bell_whose_line_broke_keeps_its_descriptor_and_rings_again(server, use):
    with Proxy("127.0.0.1", server.port) as proxy:
        listener = use(f"redis://127.0.0.1:{proxy.port}/0")
        bell = listener.store.listen("work")
        number = bell.fileno()
        assert proxy.cut_all() >= 1
        assert bell.wait(PATIENCE_S)  # it looks once more
        assert not select.select([bell.fileno()], [], [], 0)[0]  # and does not spin
        listener.store.counts()
        assert bell.wait(PATIENCE_S)  # for what it may have missed
        use(server.url).insert()
        assert bell.wait(PATIENCE_S)
        assert bell.fileno() == number


def test_a_bell_without_a_server_waits_in_silence(server, use):
    listener = use(server.url)
    server.kill()
    bell = listener.store.listen("work")
    assert not bell.wait(0.01)
    server.start()
    listener.insert()
    assert bell.wait(PATIENCE_S)


def test_a_forked_child_leaves_the_parents_bell_alone(server, use):
    listener = use(server.url)
    bell = listener.store.listen("work")
    listener.insert()
    bell.wait(PATIENCE_S)
    pid = os.fork()
    if pid == 0:
        try:
            bell.close()
            listener.insert()
            listener.store.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert bell.wait(PATIENCE_S)  # the child's job
    use(server.url).insert()
    assert bell.wait(PATIENCE_S)
    assert sum(count.jobs for count in listener.store.counts()) == 3
