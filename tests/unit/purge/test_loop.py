"""The loop over batches: its limits, its patience, its report."""

import mmap
import random

import pytest

from oakum.errors import UsageError
from oakum.purge import Options, Report
from oakum.purge.loop import advance, purge_steps
from oakum.purge.target import Batch, Contended, DiskFull


class Pile:
    """A target of so many rows; each batch takes its time on the clock, and does first what `trouble` holds."""

    label, unit = "pile", "rows"

    def __init__(self, rows, clock, seconds=0.01, trouble=()):
        self.rows, self.clock, self.seconds, self.trouble = rows, clock, seconds, list(trouble)
        self.asked = []

    def count(self):
        return self.rows

    def delete(self, size):
        self.asked.append(size)
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        if not self.rows:
            return None
        taken = min(size, self.rows)
        self.rows -= taken
        self.clock.advance(self.seconds)
        return Batch(taken, self.seconds)


def finish(target, options):
    """Runs the purge on the fake clock: its report and the waits that it asked for."""
    steps, waits = purge_steps(target, options), []
    while not isinstance(step := advance(steps), Report):
        waits.append(step)
        options.clock.advance(step)
    return step, waits


def test_everything_goes_and_the_report_adds_up(clock):
    report, _ = finish(Pile(10_500, clock), Options(clock=clock))
    assert (report.rows, report.ended, report.complete) == (10_500, "done", True)
    assert report.longest_lock == 0.01
    assert report.batches == 4  # 1,000, 2,000, 4,000, 3,500


def test_the_first_batch_is_of_a_thousand(clock):
    pile = Pile(5_000, clock)
    finish(pile, Options(clock=clock))
    assert pile.asked[0] == 1_000


def test_what_the_first_batch_paid_for_cold_caches_does_not_hold_back_the_others(clock):
    class Cold(Pile):
        def delete(self, size):
            self.seconds = 0.06 if not self.asked else size * 2e-6
            return super().delete(size)

    pile = Cold(100_000, clock)
    finish(pile, Options(clock=clock))
    assert pile.asked[:7] == [1_000, 1_041, 2_082, 4_164, 8_328, 16_656, 20_000]


def test_a_dry_run_counts_and_deletes_nothing(clock):
    pile = Pile(5_000, clock)
    report, _ = finish(pile, Options(clock=clock, dry_run=True))
    assert (report.would, report.rows, report.ended, pile.rows) == (5_000, 0, "dry run", 5_000)


def test_a_dry_run_heeds_max_rows(clock):
    report, _ = finish(Pile(5_000, clock), Options(clock=clock, dry_run=True, max_rows=42))
    assert report.would == 42


def test_max_rows_is_exact(clock):
    pile = Pile(50_000, clock)
    report, _ = finish(pile, Options(clock=clock, max_rows=3_500))
    assert (report.rows, report.ended, report.complete) == (3_500, "max rows", False)
    assert pile.rows == 46_500


def test_max_time_ends_it_after_the_batch_under_way(clock):
    report, _ = finish(Pile(10**9, clock, seconds=0.2), Options(clock=clock, max_time="1s", pause="0s"))
    assert report.ended == "max time"
    assert report.seconds == pytest.approx(1.0)


def test_max_memory_ends_it(clock):
    hoard = []

    class Hoarder(Pile):
        def delete(self, size):
            fresh = mmap.mmap(-1, 4 << 20)  # not from the heap, whose free part would hide the growth
            fresh[:: mmap.PAGESIZE] = b"x" * (len(fresh) // mmap.PAGESIZE)
            hoard.append(fresh)
            return super().delete(size)

    report, _ = finish(Hoarder(10**9, clock), Options(clock=clock, max_memory="16MiB"))
    assert report.ended == "max memory"
    assert 3 <= len(hoard) <= 10  # four, and what the rest of this process gives back meanwhile


def test_being_asked_to_stop_ends_it_after_the_batch_under_way(clock):
    pile = Pile(10_000, clock)
    report, _ = finish(pile, Options(clock=clock, stop=lambda: pile.rows < 8_000))
    assert (report.ended, report.rows) == ("stopped", 3_000)


def test_a_batch_undone_by_a_lock_is_tried_again_smaller(clock):
    pile = Pile(2_000, clock, trouble=[Contended("deadlock"), Contended("deadlock")])
    report, waits = finish(pile, Options(clock=clock))
    assert (report.rows, report.ended) == (2_000, "done")
    assert pile.asked[:3] == [1_000, 500, 250]
    assert waits[0] < waits[1]


def test_a_lock_that_nobody_gives_up_ends_it_in_bounded_time(clock):
    report, waits = finish(Pile(2_000, clock, trouble=[Contended("locked")] * 100), Options(clock=clock))
    assert (report.ended, report.rows) == ("locked", 0)
    assert sum(waits) < 30


def test_patience_is_counted_anew_after_each_batch_that_worked(clock):
    trouble = ([Contended("locked")] * 8 + [None]) * 4
    report, _ = finish(Pile(2_000, clock, trouble=trouble), Options(clock=clock))
    assert report.ended == "done"


def test_a_full_disk_ends_it_with_what_was_done(clock):
    report, _ = finish(Pile(9_000, clock, trouble=[None, DiskFull("full")]), Options(clock=clock))
    assert (report.ended, report.rows, report.complete) == ("disk full", 1_000, False)


def test_progress_knows_rate_and_remaining_time(clock):
    heard = []
    finish(
        Pile(3_000, clock, seconds=1.0),
        Options(clock=clock, count=True, pause="0s", max_lock="10s", progress=heard.append),
    )
    assert [(one.done, one.total) for one in heard] == [(1_000, 3_000), (3_000, 3_000)]
    assert heard[0].rate == pytest.approx(1_000)
    assert heard[0].remaining == pytest.approx(2.0)
    assert str(heard[0]) == "pile: 1,000 of 3,000 rows, 1,000/s, 2.00 s left"


def test_progress_without_a_total_claims_nothing(clock):
    heard = []
    finish(Pile(1_000, clock), Options(clock=clock, progress=heard.append))
    assert (heard[0].total, heard[0].remaining) == (None, None)


def test_the_pause_is_what_the_caller_says(clock):
    _, waits = finish(Pile(2_000, clock), Options(clock=clock, pause="3s"))
    assert set(waits) == {3.0}


def test_by_default_the_pause_is_a_share_of_the_lock(clock):
    _, waits = finish(Pile(1_500, clock), Options(clock=clock))
    assert waits[0] == pytest.approx(0.01 * 0.02)


def test_where_every_third_batch_is_starved_hardly_a_lock_is_too_long(clock):
    """A disk or processor that others want too: a row may take five times as long as in the batch before."""
    dice = random.Random(6)

    class Starved(Pile):
        def delete(self, size):
            self.seconds = size * 5e-6 * (dice.uniform(3, 5) if dice.random() < 1 / 3 else 1)
            locks.append(self.seconds)
            return super().delete(size)

    locks = []
    finish(Starved(10**9, clock), Options(clock=clock, max_rows=10**7))
    assert len(locks) > 1_000
    assert sum(lock > 0.25 for lock in locks) < len(locks) * 0.005  # the last batch alone as the measure: 6 %


@pytest.mark.parametrize("options", [{"max_rows": 0}, {"max_time": "soon"}, {"max_memory": "-1"}, {"max_lock": "0s"}])
def test_a_limit_that_is_none_is_refused_before_anything_goes(clock, options):
    pile = Pile(10, clock)
    with pytest.raises(UsageError, match=next(iter(options))):
        finish(pile, Options(clock=clock, **options))
    assert pile.rows == 10
