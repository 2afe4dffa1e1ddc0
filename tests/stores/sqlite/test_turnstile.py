"""The way in for writers: one at a time, none starved, and nobody waits for ever."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest

from oakum.errors import StoreError
from oakum.store.sqlite.directory import Directory
from oakum.store.sqlite.turnstile import Turnstile

SECONDS = 30


@pytest.fixture
def directory(path):
    open(path, "w").close()
    directory = Directory(path)
    directory.make()
    return directory


def is_locked(directory: Directory, name: str) -> bool:
    fd = directory.open(name)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait_until(condition) -> None:
    pause = threading.Event()
    for _ in range(SECONDS * 1000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to that")


class Writer(threading.Thread):
    """Goes in, says so, and stays until it is told to leave."""

    def __init__(self, directory: Directory, log: list[str], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.turnstile, self.log = Turnstile(directory), log
        self.inside, self.leave = threading.Event(), threading.Event()

    def run(self) -> None:
        with self.turnstile:
            self.log.append(self.name)
            self.inside.set()
            assert self.leave.wait(SECONDS)

    def end(self) -> None:
        self.leave.set()
        self.join(SECONDS)
        assert not self.is_alive()
        self.turnstile.close()


def test_one_writer_at_a_time_and_a_busy_one_does_not_pass_who_waits(directory):
    log: list[str] = []
    busy, patient, again = (Writer(directory, log, name) for name in ("busy", "patient", "busy again"))
    busy.start()
    assert busy.inside.wait(SECONDS)
    patient.start()
    wait_until(lambda: is_locked(directory, "turn"))  # it is at the head of the line
    again.start()
    assert log == ["busy"]
    busy.end()
    assert patient.inside.wait(SECONDS)
    assert log == ["busy", "patient"]
    patient.end()
    assert again.inside.wait(SECONDS)
    again.end()
    assert log == ["busy", "patient", "busy again"]


def test_whoever_fails_inside_leaves(directory):
    turnstile = Turnstile(directory)
    with pytest.raises(ZeroDivisionError), turnstile:
        assert is_locked(directory, "hold")
        raise ZeroDivisionError
    assert not is_locked(directory, "hold")
    turnstile.close()


def test_nobody_waits_for_ever_for_one_who_was_stopped(directory):
    stopped, waiting = Turnstile(directory), Turnstile(directory, patience_s=0.05)
    with stopped, pytest.raises(StoreError) as error, waiting:
        pass
    assert "fuser" in str(error.value)
    assert not is_locked(directory, "turn"), "the next in line may try"
    stopped.close()
    waiting.close()


def test_who_ends_inside_lets_others_in(start, directory):
    process = start("store.pause('q', True); store._connection._turnstile.__enter__(); say('in'); hear()")
    assert process.stdout.readline() == "in\n"
    assert is_locked(directory, "hold")
    process.kill()
    process.wait(SECONDS)
    turnstile = Turnstile(directory)
    with turnstile:
        pass
    turnstile.close()


def test_word_of_who_left_never_blocks_and_never_wakes_in_vain(directory):
    turnstile, other = Turnstile(directory), Turnstile(directory, patience_s=0.2)
    for _ in range(70_000):  # more than the pipe holds
        turnstile.__enter__()
        turnstile.__exit__(None, None, None)
    with turnstile, pytest.raises(StoreError), other:
        pass
    with other:
        pass
    turnstile.close()
    other.close()


def test_an_idle_worker_does_not_queue_up_to_find_nothing(bench, path):
    bench.plain(3, task="not mine")
    bench.plain(3, queue="not mine")
    bench.store.pause("paused", True)
    bench.plain(3, queue="paused")
    worker = bench.worker()
    turnstile = Turnstile(Directory(path))
    with turnstile:
        assert bench.claim(worker, queues=("default", "paused")) == []
        assert bench.store.promote(bench.now) == 0
        assert bench.store.prune(bench.now) == 0
    turnstile.close()
