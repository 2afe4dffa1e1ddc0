"""Which failures are the same one."""

from __future__ import annotations

import pytest

from oakum.model.fingerprint import fingerprint, place
from oakum.model.outcome import Failed, Lost, OverBudget

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/tasks.py", line {line}, in {function}
    fetch(url)
  File "/usr/lib/python3.11/socket.py", line 718, in readinto
    return self._sock.recv_into(b)
  File "/srv/venv/lib/site-packages/urllib3/pool.py", line 1, in urlopen
    raise Error
TimeoutError: timed out after {line} s
"""


def failed(line: int = 7, function: str = "resize", kind: str = "TimeoutError", message: str = "") -> Failed:
    return Failed(kind, message or f"timed out after {line} s", TRACEBACK.format(line=line, function=function))


def test_lines_and_messages_vary_and_the_cause_stays():
    assert fingerprint("t", failed(7)) == fingerprint("t", failed(99, message="quite another"))


@pytest.mark.parametrize(
    "other", [failed(function="crop"), failed(kind="ValueError"), Lost("killed by signal 9"), None]
)
def test_another_place_or_class_is_another_cause(other):
    assert fingerprint("t", failed()) != fingerprint("t", other)


def test_another_task_is_another_cause():
    assert fingerprint("t", failed()) != fingerprint("u", failed())


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Lost("killed by signal 9 after 3.2 s"), Lost("killed by signal 9 after 17 s")),
        (Failed("KeyError", "'alice'"), Failed("KeyError", "'bob'")),
        (Failed("E", "object at 0x7f00ab of 12MiB"), Failed("E", "object at 0x1 of 9.5 MiB")),
        (Failed("E", "job 0d9a1c5e77f2 is lost"), Failed("E", "job ffb01c5e77f2 is lost")),
        (OverBudget(51 << 20, 50 << 20, "a.py:3"), OverBudget(99 << 20, 50 << 20, "a.py:3")),
    ],
)
def test_without_frames_what_varies_in_a_message_is_left_out(one, two):
    assert fingerprint("t", one) == fingerprint("t", two)


def test_without_frames_other_words_are_another_cause():
    assert fingerprint("t", Lost("killed by a signal")) != fingerprint("t", Lost("ended by itself"))


def test_the_place_is_the_innermost_frame_of_the_users_own_code():
    assert place(failed().traceback) == "/srv/shop/tasks.py:resize"
    assert (
        place('  File "/usr/lib/python3.11/json/__init__.py", line 3, in loads\n')
        == "/usr/lib/python3.11/json/__init__.py:loads"
    )
    assert place("") == ""


def test_eight_digits():
    assert len(fingerprint("t", failed())) == 8
    assert int(fingerprint("t", failed()), 16) >= 0
