"""The kept end of a command's output."""

from __future__ import annotations

from oakum.watch.guard.tail import Tail


def test_little_output_is_kept_as_it_is():
    tail = Tail(100)
    tail.add(b"one\n")
    tail.add(b"two")
    assert tail.text() == b"one\ntwo\n"
    assert Tail(100).text() == b""


def test_of_much_output_the_last_whole_lines_are_kept_and_the_rest_is_counted():
    tail = Tail(20)
    for number in range(1000):
        tail.add(b"line %03d\n" % number)
    assert tail.text() == b"[the first 8.77 KiB of the output were not kept]\nline 998\nline 999\n"


def test_of_a_line_longer_than_all_that_is_kept_the_end_is_shown():
    tail = Tail(8)
    tail.add(b"x" * 100 + b"the end\n")
    assert tail.text() == b"[the first 100 B of the output were not kept]\nthe end\n"


def test_it_never_holds_more_than_its_bound():
    tail = Tail(1000)
    tail.add(b"x" * 100_000)
    assert len(tail.text()) < 1100
