"""New ids: they rise, they tell the time, and no two sources ever draw the same."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from oakum.model.ids import id_wall_ms
from oakum.store.ids import IdSource


def test_ids_rise_within_a_millisecond_and_over_it() -> None:
    source = IdSource()
    ids = [source.new(wall_ms) for wall_ms in (5, 5, 5, 6, 6, 1000)]
    assert ids == sorted(set(ids))
    assert [id_wall_ms(each) for each in ids] == [5, 5, 5, 6, 6, 1000]


def test_ids_count_up_within_a_millisecond() -> None:
    source = IdSource()
    first, *others = (int.from_bytes(source.new(5), "big") for _ in range(1000))
    assert others == [first + place for place in range(1, 1000)]


def test_a_clock_that_is_set_back_makes_no_id_twice() -> None:
    source = IdSource()
    ids = [source.new(wall_ms) for wall_ms in (7, 8, 7, 8, 7)]
    assert len(set(ids)) == 5


def test_the_largest_time_fits() -> None:
    source = IdSource()
    assert id_wall_ms(source.new((1 << 48) - 1)) == (1 << 48) - 1
    with pytest.raises(OverflowError):
        source.new(1 << 48)


def test_threads_that_share_a_source_draw_different_ids() -> None:
    source, drawn, ready = IdSource(), list[bytes](), threading.Barrier(8)

    def draw() -> None:
        ready.wait()
        drawn.extend([source.new(5) for _ in range(500)])

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == len(drawn) == 4000


def test_a_forked_process_draws_different_ids() -> None:
    source = IdSource()
    before = source.new(5)
    context = multiprocessing.get_context("fork")
    mine, its = context.Pipe()
    child = context.Process(target=lambda: its.send([source.new(5) for _ in range(3)]))
    child.start()
    theirs = mine.recv()
    child.join()
    assert child.exitcode == 0
    assert not {before, *(source.new(5) for _ in range(3))} & set(theirs)
