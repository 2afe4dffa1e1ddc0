"""The read model: who is who, churn, gaps and ends."""

from __future__ import annotations

import pytest

from oakum.watch.history import History
from oakum.watch.series import Identity, ProcessKey

WEB = Identity(1, "app", "web", "web --port 80")
JOB = Identity(1, "app", "job", "job --run 7f3e2a1b9c")


def host(ticks: int, step_s: int = 60) -> History:
    history = History()
    history.boot("a", 1000.0)
    for tick in range(ticks):
        history.tick(5000.0 + tick * step_s, step_s)
    return history


class TestHistory:
    def test_a_process_is_its_number_and_its_start(self) -> None:
        history = host(2)
        first = history.process(ProcessKey(0, 7, 4000), WEB)
        assert history.process(ProcessKey(0, 7, 4000), WEB) is first
        assert history.process(ProcessKey(0, 7, 4900), WEB) is not first

    def test_exec_makes_it_another_command_of_another_family(self) -> None:
        history = host(2)
        process = history.process(ProcessKey(0, 7, 4000), Identity(1, "app", "sh", "sh -c job"))
        history.process(ProcessKey(0, 7, 4000), JOB)
        assert (process.name, process.family) == (JOB.args, "job --run *")

    def test_ticks_ascend(self) -> None:
        history = host(2)
        with pytest.raises(ValueError, match="not after"):
            history.tick(5060.0, 60)

    def test_a_single_sample_becomes_a_count_of_its_family(self) -> None:
        history = host(4)
        for tick, pid in ((0, 100), (1, 101), (1, 102), (3, 103)):
            history.process(ProcessKey(0, pid, 5000 + tick), JOB).extend([tick], {"rss": [pid]})
        history.process(ProcessKey(0, 7, 4000), WEB).extend([0, 1, 2, 3], {"rss": [1, 1, 1, 1]})
        history.fold_churn(3)
        churn = history.churn["job --run *"]
        assert (list(churn.ticks), list(churn.counts), list(churn.rss_high), churn.total) == (
            [0, 1],
            [1, 2],
            [100, 102],
            3,
        )
        assert (churn.example, churn.user) == (JOB.args, "app")
        assert sorted(key.pid for key in history.processes) == [7, 103]  # the newest may go on

    def test_who_ended_and_who_is_alive(self) -> None:
        history = host(3)
        history.boot("b", 5300.0)
        history.tick(5400.0, 60)
        series = {pid: history.process(ProcessKey(boot, pid, 4000), WEB) for pid, boot in ((1, 0), (2, 0), (3, 1))}
        series[1].extend([0, 1], {"rss": [1, 1]})
        series[2].extend([0, 1, 2], {"rss": [1, 1, 1]})
        series[3].extend([3], {"rss": [1]})
        assert {pid: history.ended(process) for pid, process in series.items()} == {1: True, 2: False, 3: False}
        assert list(history.alive()) == [series[3]]

    def test_gaps_and_reboots(self) -> None:
        history = host(3)
        history.tick(5120.0 + 179, 60)
        history.tick(5299.0 + 1000, 60)
        history.boot("b", 6300.0)
        history.tick(6330.0, 60)
        assert [(gap.start_s, gap.end_s, gap.reboot) for gap in history.gaps()] == [
            (5299.0, 6299.0, False),
            (6299.0, 6330.0, True),
        ]

    def test_times(self) -> None:
        history = host(5)
        process = history.process(ProcessKey(0, 7, 4000), WEB)
        process.extend([1, 3], {"rss": [1, 1]})
        assert list(history.times_of(process)) == [5060.0, 5180.0]
        assert [history.tick_at(time_s) for time_s in (4999.0, 5000.0, 5065.0, 9999.0)] == [-1, 0, 1, 4]
