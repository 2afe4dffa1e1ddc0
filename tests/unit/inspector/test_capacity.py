"""What people are told of paces, schedules and what fills up."""

from __future__ import annotations

import pytest

from oakum.inspector.capacity import Planned, capacity
from oakum.model.bounds import Ruled, Rules
from oakum.model.capacity import Counted, History, Sample, Served
from oakum.model.interval import Crew
from oakum.model.stats import TaskStats
from oakum.store.base import Flow, Space

NOW_MS = 1_767_268_860_000
CREWS = [Crew("a", 1, ("default", "mail")), Crew("b", 1, ("default",))]


def history(arrivals: float = 2.0, endings: float = 1.0, mean_s: float = 0.5, used_s: int = 1000) -> History:
    """A minute of one task in one queue."""

    def sample(second: int) -> Sample:
        arrived, ended = int(arrivals * second), int(endings * second)
        flow = Counted("default", "t", arrived, ended, arrived - ended, 100 * (arrived - ended))
        served = {"t": Served(ended, int(ended * mean_s * 1e6))}
        return Sample(NOW_MS - 60_000 + second * 1000, (flow,), served, second * used_s)

    return History([sample(second) for second in range(0, 61, 5)])


def look(of: History | None = None, rules=None, space=None, planned=(), crews=CREWS, flows=(), now_ms=NOW_MS):
    stats = TaskStats()
    for _ in range(10):
        stats.duration.add(500_000)
    return capacity(now_ms, of or history(), crews, {"t": stats}, flows, rules or {}, space or Space(0), planned)


def test_paces():
    (row,) = look(flows=[Flow("default", "t", 120, 60, NOW_MS - 31_000)]).paces
    assert (row.arrivals, row.endings, row.mean_s, row.slots, row.unfinished) == (2.0, 1.0, 0.5, 0.5, 60)
    assert (row.oldest_s, row.drain_s) == (31.0, None)
    assert row.p50_s == pytest.approx(0.5, rel=0.05)


def test_how_busy_all_are():
    found = look()
    assert (found.slots, found.busy, found.stale) == (2, 0.25, False)


def test_a_sample_grows_old():
    assert look(now_ms=NOW_MS + 31_000).stale
    assert look(of=History()).sampled_ms is None
    assert look(of=History()).stale


@pytest.mark.parametrize(
    ("interval_s", "verdict"),
    [(0.2, "too short"), (0.3, "too short with one host less"), (0.6, "safe")],
)
def test_verdicts(interval_s, verdict):
    """Jobs of half a second on two slots: safe from 0.26 s, on one slot from 0.53 s."""
    (row,) = look(planned=[Planned("s", "default", "t", interval_s, serial=False)]).intervals
    assert row.verdict == verdict
    assert (row.safe_s, row.one_host_less_s) == (0.264, 0.527)
    assert row.slots_needed == {0.2: 3, 0.3: 2, 0.6: 1}[interval_s]


def test_runs_that_never_overlap_gain_nothing_by_slots():
    (row,) = look(planned=[Planned("s", "default", "t", 0.3, serial=True)]).intervals
    assert (row.verdict, row.safe_s) == ("too short", 0.527)


def test_without_workers_or_runs_nothing_is_known():
    plan = Planned("s", "default", "t", 0.3, serial=True)
    (row,) = look(planned=[plan], crews=[]).intervals
    assert (row.verdict, row.safe_s) == ("unknown", None)
    (row,) = look(planned=[Planned("s", "default", "never run", 0.3, serial=True)]).intervals
    assert row.verdict == "unknown"


def test_when_a_queue_meets_its_bounds():
    rules = {"default": Ruled(Rules(max_jobs=100, max_bytes=7000)), "mail": Ruled(Rules(max_jobs=1))}
    jobs, size = look(rules=rules).forecasts
    assert (jobs.subject, jobs.unit, jobs.used, jobs.bound, jobs.full_in_s) == ("queue default", "jobs", 60, 100, 40.0)
    assert (size.unit, size.used, size.full_in_s) == ("bytes", 6000, 10.0)


def test_an_operators_bound_counts():
    rules = {"default": Ruled(Rules(max_jobs=100), override=Rules(max_jobs=160))}
    (jobs,) = look(rules=rules).forecasts
    assert jobs.full_in_s == 100.0


def test_when_the_store_is_full():
    (store,) = look(space=Space(60_000, 120_000)).forecasts
    assert (store.subject, store.growth, store.full_in_s) == ("store", 1000.0, 60.0)


@pytest.mark.parametrize("endings", [2.0, 3.0])
def test_what_does_not_grow_is_no_forecast(endings):
    found = look(
        of=history(endings=endings, used_s=0), rules={"default": Ruled(Rules(max_jobs=100))}, space=Space(9, 99)
    )
    assert found.forecasts == ()
