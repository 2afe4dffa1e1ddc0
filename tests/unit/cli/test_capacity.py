"""`oakum capacity`: what is asked and done, how fast schedules may be, what will be full when."""

from __future__ import annotations

import json

import pytest

from oakum.model.bounds import Rules
from oakum.model.capacity import Counted, History, Sample, Served
from oakum.model.job import NewJob
from oakum.model.report import WorkerReport, encode_report
from oakum.model.schedule.spec import Schedule
from oakum.model.schedule.timing import every
from oakum.model.stats import TaskStats
from oakum.run.ticker import Ticker
from oakum.run.worker.sampler import MEMO

REPORT = WorkerReport(1, "shop:app", "running", 0, 0, 1, 0, 0, 1, (), (), "", queues=("default",))


@pytest.fixture
def busy(bench):
    """A minute in which two jobs of half a second came each second to a worker with one slot; and a schedule."""
    now_ms = bench.now.wall_ms
    samples = [
        Sample(
            now_ms - 60_000 + second * 1000,
            (Counted("default", "t", 2 * second, second, second, 100 * second),),
            {"t": Served(second, second * 500_000)},
            1000 * second,
        )
        for second in range(0, 61, 5)
    ]
    bench.store.keep_memo(MEMO, History(samples).encode())
    bench.store.renew(bench.worker(), 10**9, encode_report(REPORT), bench.now)
    stats = TaskStats()
    stats.runs, stats.busy_us = 60, 30_000_000
    for _ in range(60):
        stats.duration.add(500_000)
    bench.store.observe({"t": stats})
    bench.plain(1)
    bench.store.declare("queue", {"default": Rules(max_jobs=120)})
    bench.store.declare("store", {"": Rules(max_bytes=1 << 30)})
    schedule = Schedule(every("400ms"), NewJob(b"", "t", b"\x90"))
    for _ in Ticker(bench.store, lambda: bench.now, lambda _: None).declare([("beat", schedule)], "shop:app"):
        pass


def test_everything_is_told(busy, oakum, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = [" ".join(line.split()) for line in oakum("capacity").out.splitlines()]
    assert lines[0] == "1 slot, 50% busy"
    assert lines[2] == "TASK IN/s OUT/s MEAN p50 p95 SLOTS WAITING OLDEST EMPTY IN"
    name, arrive, end, mean, p50, p95, slots, waiting, oldest, empty = lines[3].split()
    assert (name, arrive, end, mean, slots, waiting, empty) == ("t", "2.00", "1.00", "500ms", "0.50", "60", "never")
    assert p50 == p95 and p50.endswith("ms") and oldest != "-"
    assert lines[5] == "SCHEDULE EVERY SAFE FROM ONE HOST LESS SLOTS NEEDED VERDICT"
    assert lines[6] == "beat 400ms 527ms never 1 2 too short"
    assert lines[7] == (
        "! schedule beat fires every 400ms, faster than its workers: at least every 527ms, or 2 slots and runs that may overlap"
    )
    assert lines[9] == "queue default: 60 jobs of 120 jobs, full in 1m00s at 3,600 jobs an hour"
    assert lines[10].startswith("store: ") and "of 1.00G, full in " in lines[10]


def test_a_narrow_terminal_shows_the_same_without_quantiles(busy, oakum):
    out = oakum("capacity").out
    assert "p95" not in out
    assert "ONE HOST LESS" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_for_programs(busy, oakum):
    found = json.loads(oakum("capacity", "--format", "json").out)
    (pace,), (interval,), (queue, store) = found["paces"], found["intervals"], found["forecasts"]
    assert (pace["arrivals"], pace["endings"], pace["mean_s"], pace["slots"]) == (2.0, 1.0, 0.5, 0.5)
    assert {"p50_s", "p95_s", "unfinished", "oldest_s", "drain_s"} <= pace.keys()
    assert (interval["safe_s"], interval["one_host_less_s"], interval["slots_needed"]) == (0.527, None, 2)
    assert (queue["subject"], queue["full_in_s"], store["subject"], store["bound"]) == (
        "queue default", 60.0, "store", 1 << 30,
    )  # fmt: skip


def test_before_anything_was_measured(bench, oakum):
    assert oakum("capacity").out.startswith("nothing measured yet: a worker takes a sample every 5 seconds")
