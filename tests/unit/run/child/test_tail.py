"""The end of what a job printed: exact while it is short, bounded and accounted for when it is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oakum.run.child.tail import KEPT_BYTES, Tail


def test_what_fits_is_kept_as_it_was_and_taken_once() -> None:
    tail = Tail()
    assert not tail
    assert tail.take() is None
    tail.add("one ")
    tail.add("two ü")
    assert tail
    assert tail.peek() == "one two ü"
    assert tail.take() == "one two ü".encode()
    assert tail.take() is None


@given(st.lists(st.integers(0, 3 * KEPT_BYTES), max_size=30), st.sampled_from(["x", "ü"]))
def test_of_any_pieces_the_end_is_kept_and_the_rest_is_counted(sizes: list[int], letter: str) -> None:
    tail = Tail()
    for size in sizes:
        tail.add(letter * size)
    whole = (letter * sum(sizes)).encode()
    taken = tail.take() or b""
    if len(whole) <= KEPT_BYTES:
        assert taken == whole
        return
    note, _, kept = taken.rpartition(b"not kept ...\n")
    assert len(kept) <= KEPT_BYTES
    assert kept.decode("utf-8", "ignore").strip(letter) == ""
    if note:
        assert len(note) < 100
    else:
        assert letter == "ü"  # counted by characters when it was dropped, by bytes when it is taken


def test_many_small_prints_take_no_more_than_their_text() -> None:
    tail = Tail()
    for _ in range(2 * KEPT_BYTES):
        tail.add("x")
    assert len(tail._pieces) < 10
    assert len(tail.peek()) <= KEPT_BYTES + 16 * 1024
