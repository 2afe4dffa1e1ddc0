"""Bells: rung from other processes, cleared away behind the dead, and never the reason why a call fails."""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import time

import pytest

from oakum.store.sqlite.store import SqliteStore

SECONDS = 60


def bells(path: str, topic: str = "work") -> list[str]:
    return [name for name in os.listdir(f"{path}-oakum") if name.startswith(f"{topic}.")]


def test_another_process_rings(bench, start):
    bell = bench.store.listen("work")
    start("store.insert([new()], now())")
    assert bell.wait(SECONDS)
    assert bench.counts() != {}


def test_another_process_is_rung(bench, start):
    process = start("bell = store.listen('work'); say('listening'); say(bell.wait(60)); say(len(store.counts()))")
    assert process.stdout.readline() == "listening\n"
    bench.plain(1)
    assert process.stdout.readline() == "True\n"
    assert process.stdout.readline() == "1\n"


def test_a_bell_can_be_watched(bench):
    bell = bench.store.listen("results")
    poll = select.poll()
    poll.register(bell.fileno(), select.POLLIN)
    assert poll.poll(0) == []
    bench.another()._ring("results")
    assert poll.poll(SECONDS * 1000) == [(bell.fileno(), select.POLLIN)]
    bell.drain()
    assert not bell.wait(0)


def test_many_rings_are_one(bench):
    bell = bench.another().listen("work")
    for _ in range(600):  # more than the socket holds
        bench.store._ring("work")
    assert bell.wait(SECONDS)
    assert not bell.wait(0)


def test_a_topic_rings_its_own_bells_only(bench):
    other = bench.another()
    work, results = other.listen("work"), other.listen("results")
    bench.plain(1)
    assert work.wait(SECONDS)
    assert not results.wait(0)


def test_a_listener_that_comes_within_the_same_tick_is_rung(bench, path):
    """On most kernels a directory's time moves in ticks of milliseconds, so that two changes may bear the same."""
    first = bench.another().listen("work")
    tick = time.time_ns()
    os.utime(f"{path}-oakum", ns=(tick, tick))
    bench.store._ring("work")
    second = bench.another().listen("work")
    os.utime(f"{path}-oakum", ns=(tick, tick))
    bench.store._ring("work")
    assert first.wait(SECONDS)
    assert second.wait(SECONDS)


def test_listeners_who_do_not_look_do_not_keep_others_from_being_rung(bench):
    listeners = []
    for _ in range(60):
        listeners.append(bench.another().listen("work"))
        bench.store._ring("work")
        assert listeners[-1].wait(SECONDS)


def test_the_bell_of_a_dead_process_is_taken_down(bench, path, start):
    process = start("bell = store.listen('work'); say('listening'); hear()")
    assert process.stdout.readline() == "listening\n"
    assert len(bells(path)) == 1
    process.send_signal(signal.SIGKILL)
    process.wait(SECONDS)
    assert len(bells(path)) == 1, "nobody could take it down"
    bench.plain(1)
    assert bells(path) == []


def test_closing_takes_down_what_was_hung_up(bench, path):
    bell = bench.store.listen("work")
    bench.store.listen("results")
    bell.close()
    assert (bells(path), len(bells(path, "results"))) == ([], 1)
    bench.store.close()
    assert bells(path, "results") == []


def test_processes_of_two_containers_may_have_the_same_number(bench, path):
    mine, other = bench.store.listen("work"), bench.another().listen("work")
    assert len({name.split(".")[1] for name in bells(path)}) == 1
    assert len(bells(path)) == 2
    mine.close()
    assert len(bells(path)) == 1
    bench.plain(1)
    assert other.wait(SECONDS)


def test_a_long_path_can_be_listened_at(tmp_path, clock):
    directory = tmp_path / ("d" * 150)
    directory.mkdir()
    store, other = (SqliteStore(str(directory / "work.db")) for _ in range(2))
    bell = store.listen("work")
    assert bell.fileno() >= 0
    other._ring("work")
    assert bell.wait(SECONDS)
    store.close()
    other.close()


def test_a_bell_with_a_high_number_can_be_waited_for(bench):
    """select() knows only 1,024 descriptors; a server has more connections than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.fail(f"this test needs 2,048 descriptors, and may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        bell = bench.another().listen("work")
        assert bell.fileno() > 1024
        bench.plain(1)
        assert bell.wait(SECONDS)
        bell.close()
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_is_committed_is_committed_whatever_becomes_of_the_bells(bench, path):
    bench.another().listen("work")
    bench.plain(1)
    shutil.rmtree(f"{path}-oakum")
    bench.plain(1)
    assert sum(bench.counts().values()) == 2


def test_whoever_cannot_be_heard_polls(bench, monkeypatch):
    tower = bench.store._connection.tower
    monkeypatch.setattr(tower, "_address", lambda name: "/nowhere/at/all")
    bell = bench.store.listen("work")
    assert bell.fileno() == -1
    assert not bell.wait(0.001)
    bell.drain()
    bell.close()
