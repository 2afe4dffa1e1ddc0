"""One overview from what a store counts, keeps and hears: rows, limits, and the warnings that follow."""

from __future__ import annotations

import pytest

from oakum.inspector.overview import SILENT_MS, overview, worker_row
from oakum.inspector.queues import queue_rows
from oakum.inspector.rates import rates
from oakum.inspector.tally import tally_by
from oakum.inspector.views import Overview, Tally, WorkerRow
from oakum.model.bounds import Rate, Ruled, Rules
from oakum.model.job import State
from oakum.model.report import WorkerReport, encode_report
from oakum.model.stats import TaskStats
from oakum.store.base import Count, Holder, Identity, Spent

NOW = 1_000_000
HOST = Identity("ship", "boot", 1, 4711, 3)


def report(
    at_ms: int = NOW, limits: dict[str, int] | None = None, notes: tuple[str, ...] = (), queues: tuple[str, ...] = ()
) -> WorkerReport:
    return WorkerReport(
        pid=4711, app="shop:app", state="running", started_ms=0, at_ms=at_ms, room=100, supervisor=1, template=1, slots=2,
        children=(), rings=(), durability="", limits=limits or {}, notes=notes,
        queues=queues,
    )  # fmt: skip


def worker(state: str = "running", **told) -> WorkerRow:
    return WorkerRow(1, "ship", 4711, state, report(**told))


def look(
    workers=(), counts=(), stats=None, paused=frozenset(), queues=None, tasks=None, now_ms=NOW, spent=()
) -> Overview:
    rows = queue_rows(counts, paused, queues or {})
    return overview(now_ms, "memory", workers, counts, stats or {}, rows, tasks or {}, spent)


def measured(runs: int, failures: int, *, us: int, peak: int) -> TaskStats:
    stats = TaskStats()
    stats.runs, stats.failures = runs, failures
    for _ in range(runs):
        stats.duration.add(us)
        stats.peak.add(peak)
    return stats


@pytest.mark.parametrize(
    ("gone", "fenced", "told", "state"),
    [
        (False, False, encode_report(report()), "running"),
        (None, False, encode_report(report(at_ms=NOW - SILENT_MS)), "running"),
        (None, False, encode_report(report(at_ms=NOW - SILENT_MS - 1)), "silent"),
        (True, False, encode_report(report()), "gone"),
        (False, True, encode_report(report()), "gone"),
        (False, False, b"", "starting"),
        (False, False, b"of another version", "starting"),
    ],
)
def test_a_worker_is_what_it_says_unless_it_is_silent_or_gone(gone, fenced, told, state):
    row = worker_row(Holder(1, HOST, 0, fenced, told), gone, NOW)
    assert (row.state, row.host, row.pid) == (state, "ship", 4711)
    assert row.alive == (state in {"running", "starting"})


def test_counts_are_added_up_by_queue_and_by_task():
    counts = [
        Count("mail", "send", State.AVAILABLE, 3),
        Count("mail", "send", State.SCHEDULED, 2),
        Count("mail", "bounce", State.AVAILABLE, 1),
        Count("default", "send", State.FAILED, 5),
    ]
    assert tally_by("queue", counts) == {"mail": Tally(available=4, scheduled=2), "default": Tally(failed=5)}
    assert tally_by("task", counts)["send"] == Tally(available=3, scheduled=2, failed=5)
    assert (tally_by("task", counts)["send"].waiting, tally_by("task", counts)["send"].ended) == (5, 5)


def test_queues_and_tasks_come_from_all_who_know_of_them_by_name():
    counts = [Count("mail", "counted", State.COMPLETED, 1)]
    page = look([worker(limits={"known": 7})], counts, {"measured": measured(1, 0, us=9, peak=9)}, frozenset({"empty"}))
    assert [task.name for task in page.tasks] == ["counted", "known", "measured"]
    assert [(queue.name, queue.paused) for queue in page.queues] == [("empty", True), ("mail", False)]


def test_what_was_not_measured_is_unknown_and_not_0():
    page = look([worker(limits={"new": 7})])
    (task,) = page.tasks
    assert (task.runs, task.time_p50_us, task.peak_max, task.retained_per_run, task.limit) == (0, None, None, None, 7)


def test_measurements_are_told_as_quantiles_near_the_truth():
    stats = measured(100, 4, us=1000, peak=0)
    stats.retained, stats.retained_runs = 4096, 2
    (task,) = look(stats={"t": stats}).tasks
    assert (task.runs, task.failures, task.peak_p95, task.peak_max, task.retained_per_run) == (100, 4, 0, 0, 2048)
    assert task.time_p50_us == pytest.approx(1000, rel=0.05)


def test_the_limit_of_a_task_is_the_least_of_all_living_workers():
    workers = [worker(limits={"t": 30}), worker(limits={"t": 20}), worker("gone", limits={"t": 10})]
    (task,) = look(workers).tasks
    assert task.limit == 20


WAITING = Count("mail", "send", State.AVAILABLE, 2)


@pytest.mark.parametrize(
    ("workers", "counts", "note"),
    [
        ([], [], "no worker runs: start one with `oakum worker MODULE:APP`"),
        ([], [WAITING], "no worker runs, 2 jobs waiting: start one with `oakum worker MODULE:APP`"),
        ([worker("gone")], [], "worker 4711 on ship is gone; the next worker to look takes its jobs back"),
        ([worker("silent", at_ms=NOW - 61_000)], [], "worker 4711 on ship has said nothing for 61 s"),
        ([worker(limits={"t": 1})], [WAITING], "no running worker knows task send, 2 jobs waiting"),
        (
            [worker(queues=("default",)), worker("gone", queues=("mail",))],
            [WAITING],
            "no running worker takes from queue mail, 2 jobs waiting: start one with `--queues mail`",
        ),
        ([worker(notes=("the disk is full",))], [], "worker 4711: the disk is full"),
        (
            [worker(limits={"send": 1})],
            [Count("mail", "send", State.QUARANTINED, 1)],
            "1 job quarantined in queue mail: `oakum jobs --state quarantined`",
        ),
    ],
)
def test_what_is_amiss_is_noted_in_one_line(workers, counts, note):
    assert note in look(workers, counts).notes


def test_where_all_is_well_there_are_no_notes():
    assert look([worker(limits={"send": 1}, queues=("mail", "default"))], [WAITING]).notes == ()


def test_rates_are_what_changed_a_second():
    before = look(counts=[WAITING], stats={"send": measured(10, 0, us=1, peak=1)})
    stats = {"send": measured(30, 0, us=1, peak=1), "new": measured(2, 0, us=1, peak=1)}
    after = look(counts=[Count("mail", "send", State.SCHEDULED, 10)], stats=stats, now_ms=NOW + 4000)
    change = rates(before, after)
    assert change is not None
    assert change.runs == {"send": 5.0, "new": 0.5}
    assert change.growth == {"mail": 2.0}
    assert rates(before, before) is None


def test_bounds_and_limits_are_noted_where_they_are_met():
    counts = [
        Count("mail", "send", State.AVAILABLE, 6, 600),
        Count("mail", "send", State.RUNNING, 2, 200),
        Count("mail", "send", State.HELD, 2, 200),
        Count("mail", "send", State.COMPLETED, 9, 900),
    ]
    full = Ruled(Rules(max_jobs=10, max_bytes=2000, on_full="reject", limit=2))
    found = look(counts=counts, queues={"mail": full}, tasks={"send": Ruled(Rules(limit=2, rate=Rate(5, 1000)))})
    assert found.notes[1:] == (
        "task send is at its limit: 2 running, 6 jobs held back",
        "queue mail is full: 10 of 10 jobs and 0.98 KiB of 1.95 KiB (on_full=reject)",
        "queue mail is at its limit: 2 running, 6 jobs held back",
    )
    (queue,), (task,) = found.queues, found.tasks
    assert (queue.used, queue.bytes, queue.declared) == (1.0, 1000, None)
    assert (task.at_once, task.rate) == (2, "5/1s")
    roomy = look(counts=counts, queues={"mail": Ruled(Rules(max_jobs=11, limit=3))})
    assert [note for note in roomy.notes if "full" in note or "limit" in note] == []


def test_why_jobs_wait_is_said_in_one_line_each():
    counts = [
        Count("mail", "send", State.AVAILABLE, 6),
        Count("calls", "call", State.HELD, 3),
        Count("calls", "call", State.RUNNING, 1),
        Count("night", "send", State.SCHEDULED, 2),
    ]
    ruled = Ruled(Rules(rate=Rate(100, 60_000)))
    found = look(
        counts=counts, queues={"mail": ruled}, tasks={"send": ruled}, paused=frozenset({"night", "empty"}),
        spent=[Spent("queue", "mail", NOW + 12_300), Spent("task", "send", NOW - 1)],
    )  # fmt: skip
    assert found.notes[1:] == (
        "task send has spent its rate of 100/1m: the next may start in 0 ms, 6 jobs held back",
        "queue calls: 3 jobs held until an earlier one of the same key has ended",
        "queue mail has spent its rate of 100/1m: the next may start in 12.3 s, 6 jobs held back",
        "queue night is paused, 2 jobs waiting: `oakum resume night`",
    )


def test_jobs_behind_their_key_are_no_note_while_others_can_start():
    counts = [Count("calls", "call", State.HELD, 3), Count("calls", "call", State.AVAILABLE, 1)]
    assert not any("held" in note for note in look(counts=counts).notes)


def test_a_queue_says_what_was_declared_where_somebody_says_otherwise():
    (row,) = queue_rows(
        [], frozenset(), {"mail": Ruled(Rules(max_jobs=10), Rules(max_jobs=20, key_rate=Rate(1, 60_000)))}
    )
    assert (row.rules.max_jobs, row.rules.key_rate, row.used) == (20, "1/1m", 0.0)
    assert row.declared is not None
    assert row.declared.max_jobs == 10
