"""`oakum status` where there is no terminal: one page, or JSON."""

from __future__ import annotations

import json

from oakum.model.report import WorkerReport, encode_report


def test_one_page(bench, oakum):
    bench.plain(2)
    said = oakum("status")
    assert said.status == 0
    assert said.out.startswith("sqlite:///oakum.db")
    assert "! no worker runs, 2 jobs waiting: start one with `oakum worker MODULE:APP`" in said.out
    assert oakum("status", "--once").out.splitlines()[1:] == said.out.splitlines()[1:]


def test_json_for_programs(bench, oakum):
    bench.plain(2)
    report = WorkerReport(
        pid=7, app="shop:app", state="running", started_ms=0, at_ms=bench.now.wall_ms, room=100, supervisor=1,
        template=1, slots=2, children=(), rings=("1 child",), durability="", limits={"t": 50},
    )  # fmt: skip
    bench.store.renew(bench.worker(), 1000, encode_report(report), bench.now)
    shown = json.loads(oakum("status", "--format", "json").out)
    assert list(shown) == ["at_ms", "durability", "workers", "queues", "tasks", "notes", "schedules"]
    assert shown["workers"][0]["report"]["room"] == 100
    assert shown["queues"][0]["jobs"]["available"] == 2
    (task,) = shown["tasks"]
    assert (task["name"], task["runs"], task["limit"], task["peak_max"]) == ("t", 0, 50, None)
