"""What a schedule does: overlap, catch-up, jitter, expiry, clocks that are set, and that no tick comes twice or is lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from oakum.model.job import NewJob, State
from oakum.model.schedule.change import declare, pause, resume, retime
from oakum.model.schedule.decide import PUNCTUAL_MS, SET_BACK_MS, Verdict, decide, extra, next_look
from oakum.model.schedule.spec import (
    Course,
    Entry,
    Schedule,
    decode_course,
    decode_entry,
    encode,
    stretched_ms,
)
from oakum.model.schedule.timing import Cron, Every, Timing
from oakum.model.schedule.words import warning

T0 = round(datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
TEMPLATE = NewJob(b"", "shop.refresh", b"\x90", tags=("mine",))
HOURLY = Every(HOUR_MS)


def entry(timing: Timing = HOURLY, **options) -> Entry:
    return Entry(Schedule(timing, TEMPLATE, **options), "shop:app")


def at(hours: float, which: Entry, course: Course | None = None, states=None, **known) -> Verdict:
    return decide("refresh", which, course or Course(T0), T0 + round(hours * HOUR_MS), states or {}, **known)


def fired(verdict: Verdict) -> list[float]:
    return [(job.run_at_ms - T0) / HOUR_MS for job in verdict.jobs]


def test_a_tick_becomes_a_job_of_the_template() -> None:
    verdict = at(1, entry())
    (job,) = verdict.jobs
    assert job == replace(
        TEMPLATE,
        id=job.id,
        run_at_ms=T0 + HOUR_MS,
        expires_ms=T0 + 2 * HOUR_MS,
        tags=("mine", "schedule:refresh"),
        key="schedule:refresh",
    )
    assert verdict.course == Course(T0 + HOUR_MS, fired=1, fired_ms=T0 + HOUR_MS, jobs=(job.id,))
    assert verdict.next_ms == T0 + 2 * HOUR_MS


def test_between_two_ticks_nothing_changes() -> None:
    course = Course(T0, fired=7)
    assert at(0.999, entry(), course) == Verdict((), (), course, T0 + HOUR_MS)


def test_whoever_decides_a_tick_makes_the_same_job() -> None:
    assert at(1, entry()).jobs == at(1, entry(), Course(T0 + 5)).jobs
    assert at(1, entry()).jobs[0].id != at(2, entry()).jobs[0].id
    assert decide("other", entry(), Course(T0), T0 + HOUR_MS, {}).jobs[0].id != at(1, entry()).jobs[0].id


def test_a_key_of_the_jobs_own_is_kept_and_overlapping_runs_have_none() -> None:
    keyed = Entry(Schedule(HOURLY, replace(TEMPLATE, key="tenant")), "shop:app")
    assert at(1, keyed).jobs[0].key == "tenant"
    assert at(1, entry(overlap="allow")).jobs[0].key is None


@pytest.mark.parametrize(
    ("catchup", "hours", "expected", "missed"),
    [
        (1, 5.5, [5], 4),
        (1, 5, [5], 4),
        (0, 5.5, [], 5),
        (0, 5, [5], 4),  # this one is on time
        (3, 5.5, [3, 4, 5], 2),
        (1000, 5.5, [1, 2, 3, 4, 5], 0),
    ],
)
def test_missed_ticks_are_caught_up_as_it_was_said(
    catchup: int, hours: float, expected: list[int], missed: int
) -> None:
    verdict = at(hours, entry(catchup=catchup))
    assert fired(verdict) == expected
    assert verdict.course.skipped == ({"missed": missed} if missed else {})
    assert verdict.course.since_ms == T0 + 5 * HOUR_MS
    assert verdict.course.late == len(expected) - (hours == 5)


def test_a_minute_late_is_on_time() -> None:
    late = PUNCTUAL_MS / HOUR_MS
    assert fired(at(1 + late, entry(catchup=0))) == [1]
    assert fired(at(1 + late + 1e-6, entry(catchup=0))) == []


@pytest.mark.parametrize(
    ("overlap", "earlier", "runs", "cancels"),
    [
        ("skip", State.RUNNING, False, False),
        ("skip", State.AVAILABLE, False, False),
        ("skip", State.SCHEDULED, False, False),
        ("skip", State.COMPLETED, True, False),
        ("skip", None, True, False),
        ("queue_one", State.RUNNING, True, False),
        ("queue_one", State.HELD, False, False),
        ("queue_one", State.FAILED, True, False),
        ("cancel_running", State.RUNNING, True, True),
        ("cancel_running", State.HELD, True, True),
        ("cancel_running", State.EXPIRED, True, False),
        ("allow", State.RUNNING, True, False),
    ],
)
def test_a_tick_meets_an_earlier_job(overlap, earlier: State | None, runs: bool, cancels: bool) -> None:
    course = Course(T0, jobs=(b"earlier",))
    verdict = at(1, entry(overlap=overlap), course, {} if earlier is None else {b"earlier": earlier})
    assert bool(verdict.jobs) == runs
    assert verdict.cancel == ((b"earlier",) if cancels else ())
    assert verdict.course.skipped == ({} if runs else {"overlap": 1})
    assert verdict.course.since_ms == T0 + HOUR_MS
    ended = earlier is None or earlier.terminal
    followed = () if overlap == "allow" else (() if ended else (b"earlier",)) + tuple(job.id for job in verdict.jobs)
    assert verdict.course.jobs == followed


def test_one_that_cancels_catches_up_only_once() -> None:
    verdict = at(5.5, entry(overlap="cancel_running", catchup=3))
    assert fired(verdict) == [5]
    assert verdict.course.skipped == {"missed": 2, "overlap": 2}


def test_a_tick_that_cannot_be_stored_is_over() -> None:
    verdict = at(1, entry(), barred="queue full")
    assert verdict.jobs == ()
    assert verdict.course.skipped == {"queue full": 1}
    assert (verdict.course.skipped_ms, verdict.course.skipped_why) == (T0 + HOUR_MS, "queue full")
    assert verdict.next_ms == T0 + 2 * HOUR_MS


def test_expiry_counts_from_when_the_job_is_made() -> None:
    assert at(1.5, entry()).jobs[0].expires_ms == T0 + int(2.5 * HOUR_MS)
    assert at(1.5, entry(expires_ms=1000)).jobs[0].expires_ms == T0 + int(1.5 * HOUR_MS) + 1000
    last = at(1, entry(end_ms=T0 + HOUR_MS))
    assert (last.jobs[0].expires_ms, last.next_ms) == (None, None)


def test_no_tick_before_the_start_nor_after_the_end() -> None:
    between = entry(start_ms=T0 + 2 * HOUR_MS, end_ms=T0 + 3 * HOUR_MS, catchup=10)
    assert next_look("refresh", between, Course(T0)) == T0 + 2 * HOUR_MS
    assert fired(at(1, between)) == []
    verdict = at(9, between)
    assert (fired(verdict), verdict.next_ms) == ([2, 3], None)
    assert at(10, between, verdict.course, {job.id: State.COMPLETED for job in verdict.jobs}).jobs == ()


def test_jitter_is_the_same_for_all_and_stays_before_the_next_tick() -> None:
    spread = entry(Every(1000), jitter_ms=60_000)
    looks = []
    for tick in range(T0, T0 + 100_000, 1000):
        look = next_look("refresh", spread, Course(tick))
        assert look is not None and tick + 1000 <= look < tick + 2000
        looks.append(look - tick - 1000)
        early = decide("refresh", spread, Course(tick), look - 1, {})
        assert (early.jobs, early.next_ms) == ((), look)
        assert [job.run_at_ms for job in decide("refresh", spread, Course(tick), look, {}).jobs] == [tick + 1000]
    assert len(set(looks)) > 50
    assert next_look("other", spread, Course(T0)) != next_look("refresh", spread, Course(T0))


def test_a_clock_set_back_a_little_is_waited_for() -> None:
    course = Course(T0 + 2 * HOUR_MS, fired=2)
    assert at(0.5, entry(), course) == Verdict((), (), course, T0 + 3 * HOUR_MS)


def test_a_clock_that_was_far_ahead_is_forgotten() -> None:
    before = at(1, entry()).jobs[0]
    course = Course(T0 + 400 * 24 * HOUR_MS, fired=2)
    verdict = at(0.5, entry(), course)
    assert verdict.course == Course(T0 + HOUR_MS // 2, fired=2, era=1)
    assert verdict.next_ms == T0 + HOUR_MS
    again = at(1, entry(), verdict.course)
    assert fired(again) == [1]
    assert again.jobs[0].id != before.id  # it is another tick, at the same time of a clock that was wrong before


def test_a_schedule_adapts_to_what_is_safe_and_comes_back() -> None:
    second = entry(Every(1000), adapt=True)
    verdict = decide("refresh", second, Course(T0), T0 + 1000, {}, safe_ms=1210)
    assert stretched_ms(second.schedule, verdict.course) == 1210
    assert verdict.next_ms == T0 + 2210
    assert "stretched from 1.00 s to 1.21 s" in warning("refresh", second, verdict.course)
    verdict = decide("refresh", second, verdict.course, T0 + 2210, {}, safe_ms=1220)  # not worth a change
    assert [job.run_at_ms for job in verdict.jobs] == [T0 + 2210]
    assert verdict.jobs[0].expires_ms == T0 + 2210 + 1210
    assert verdict.next_ms == T0 + 3420
    verdict = decide("refresh", second, verdict.course, T0 + 3420, {}, safe_ms=None)  # unknown: as before
    assert verdict.next_ms == T0 + 4630
    verdict = decide("refresh", second, verdict.course, T0 + 4630, {}, safe_ms=700)
    assert verdict.next_ms == T0 + 5000
    assert warning("refresh", second, verdict.course) == ""


def test_a_schedule_that_may_not_adapt_is_warned_of() -> None:
    second = entry(Every(1000))
    verdict = decide("refresh", second, Course(T0), T0 + 1000, {}, safe_ms=1210)
    assert verdict.next_ms == T0 + 2000
    assert "every 1.21 s is the fastest that is safe" in warning("refresh", second, verdict.course)
    assert warning("refresh", second, Course(T0, safe_ms=900)) == ""
    assert warning("refresh", second, Course(T0)) == ""


def test_a_declaration_changes_what_is_new_and_keeps_what_an_operator_said() -> None:
    new = declare("refresh", None, None, Schedule(HOURLY, TEMPLATE), "shop:app", T0)
    assert (new.entry, new.course, new.next_ms) == (entry(), Course(T0), T0 + HOUR_MS)
    course = Course(T0 + HOUR_MS, fired=1)
    other_job = Schedule(HOURLY, replace(TEMPLATE, priority=5))
    same_ticks = declare(
        "refresh", pause("refresh", entry(), course).entry, course, other_job, "new:app", T0 + 2 * HOUR_MS
    )
    assert same_ticks.entry == Entry(other_job, "new:app", paused=True)
    assert (same_ticks.course, same_ticks.next_ms) == (course, None)
    faster = declare("refresh", entry(), course, Schedule(Every(1000), TEMPLATE), "shop:app", T0 + 2 * HOUR_MS)
    assert (faster.course.since_ms, faster.next_ms) == (T0 + 2 * HOUR_MS, T0 + 2 * HOUR_MS + 1000)
    set_by_hand = retime("refresh", entry(), course, Every(5000), T0 + HOUR_MS).entry
    kept = declare("refresh", set_by_hand, course, Schedule(Every(1000), TEMPLATE), "shop:app", T0 + HOUR_MS)
    assert kept.next_ms == T0 + HOUR_MS + 5000
    back = retime("refresh", kept.entry, kept.course, None, T0 + HOUR_MS)
    assert back.next_ms == T0 + HOUR_MS + 1000


def test_ticks_of_a_pause_are_counted_and_not_caught_up() -> None:
    paused = pause("refresh", entry(), Course(T0))
    assert paused.next_ms is None
    assert at(1, paused.entry) == Verdict((), (), Course(T0), None)
    resumed = resume("refresh", paused.entry, paused.course, T0 + int(3.5 * HOUR_MS))
    assert (resumed.entry, resumed.course.skipped, resumed.next_ms) == (entry(), {"paused": 3}, T0 + 4 * HOUR_MS)
    assert resume("refresh", entry(), Course(T0), T0 + 9 * HOUR_MS).course == Course(T0)


def test_a_job_made_by_hand_is_followed_like_the_others() -> None:
    job, course = extra("refresh", entry(), Course(T0, fired=3, jobs=(b"1",)), b"2")
    assert (job.id, job.key, job.run_at_ms, job.tags) == (b"2", "schedule:refresh", 0, ("mine", "schedule:refresh"))
    assert course == Course(T0, fired=3, triggered=1, jobs=(b"1", b"2"))


def test_what_is_kept_can_be_read_again() -> None:
    kept = Entry(
        Schedule(Cron("0 3 * * *", "Europe/Berlin"), TEMPLATE, "allow", 5, 1, 2, 3, 4, True), "a", True, HOURLY
    )
    assert decode_entry(encode(kept)) == kept
    course = Course(1, 2, 3, {"overlap": 4}, 5, 6, 7, "overlap", (b"8",), 9, 10)
    assert decode_course(encode(course)) == course


STEP = st.tuples(
    st.sampled_from(["wait", "wait", "wait", "clock", "absence"]),
    st.integers(1, 8 * HOUR_MS),
    st.booleans(),  # whether a running job ends before the next look
)


@given(
    timing=st.sampled_from(
        [HOURLY, Every(7 * 60_000), Cron("*/20 1-3 * * *", "Europe/Berlin"), Cron("30 2 * * *", "Europe/Berlin")]
    ),
    overlap=st.sampled_from(["skip", "queue_one", "allow", "cancel_running"]),
    catchup=st.sampled_from([0, 1, 4]),
    jitter_ms=st.sampled_from([0, 90_000, HOUR_MS]),
    steps=st.lists(STEP, max_size=60),
)
def test_no_tick_comes_twice_and_none_is_lost(timing, overlap, catchup, jitter_ms, steps) -> None:
    """A leader looks when it is due, or late after an absence, while somebody sets the clock by up to three hours."""
    which = entry(timing, overlap=overlap, catchup=catchup, jitter_ms=jitter_ms)
    course, now = Course(T0), T0
    states: dict[bytes, State] = {}
    ticks: list[int] = []
    for kind, length, ends in steps:
        due = next_look("refresh", which, course)
        assert due is not None
        if kind == "wait":
            now = max(now, due)
        elif kind == "absence":
            now += length
        else:
            now += length % (2 * SET_BACK_MS) - SET_BACK_MS
        if ends:
            states = {
                job: State.COMPLETED if state is State.RUNNING else State.RUNNING for job, state in states.items()
            }
        if course.since_ms - now > SET_BACK_MS:
            continue  # several steps back have added up to more than is promised
        before = course
        verdict = decide("refresh", which, course, now, states)
        course = verdict.course
        unfinished = [job for job, state in states.items() if not state.terminal]
        assert not (overlap == "skip" and verdict.jobs and unfinished)
        assert overlap != "cancel_running" or not verdict.jobs or set(verdict.cancel) == set(unfinished)
        states = {job: state for job, state in states.items() if job not in verdict.cancel}
        assert all(job.id not in states for job in verdict.jobs)
        states |= dict.fromkeys((job.id for job in verdict.jobs if overlap != "allow"), State.AVAILABLE)
        ticks += [job.run_at_ms for job in verdict.jobs]
        passed, tick = 0, which.schedule.after(before.since_ms)
        while tick is not None and tick <= course.since_ms:
            passed, tick = passed + 1, which.schedule.after(tick)
        assert passed == len(verdict.jobs) + sum(course.skipped.values()) - sum(before.skipped.values())
        assert (verdict.next_ms is not None and verdict.next_ms > max(now, course.since_ms)) or now < course.since_ms
        states = {job: state for job, state in states.items() if not state.terminal}
    assert ticks == sorted(set(ticks))
    assert course.fired == len(ticks)
