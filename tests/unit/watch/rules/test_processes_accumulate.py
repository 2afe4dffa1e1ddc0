"""Processes that come and stay."""

from __future__ import annotations

import pytest
from tests.support.histories import HOUR, MB, START_S, Days, found, hang

from oakum.watch.rules import processes_accumulate


def test_processes_that_come_and_stay_accumulate():
    days = Days()
    hang(days, 9, wchan="wait_woken", peers="192.0.2.7:443", cpu_ms=300)
    [finding] = found(processes_accumulate, days)
    assert finding.subject == "python manage.py crontab run *"
    assert finding.evidence["processes"] == 9
    assert finding.evidence["held_bytes"] == 450 * MB
    assert finding.evidence["commands"] == ["python manage.py crontab run 3fa9c1d"]
    assert finding.evidence["waiting_in"] == "wait_woken"
    assert ", waiting in wait_woken, connected to 192.0.2.7:443; together" in finding.message
    assert finding.evidence["by_cron"] is True
    assert "9 processes of `python manage.py crontab run *` were started in 47 h and have not ended" in finding.message


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(lambda days: hang(days, 3), id="three are too few"),
        pytest.param(lambda days: [days.process("worker", start=9.0) for _ in range(8)], id="a pool that started at once"),
        pytest.param(lambda days: hang(days, 8, every=0.5), id="a pool that grew in the morning and stayed"),
        pytest.param(lambda days: hang(days, 11, command="-bash"), id="shells that somebody sits in front of"),
        pytest.param(
            lambda days: [days.process("w", start=n * 4, end=n * 4 + 16) for n in range(12)], id="a pool that is renewed"
        ),
        pytest.param(
            lambda days: [days.process("w", start=n * 4.7, end=1e9 if n > 4 else 30) for n in range(10)], id="some ended"
        ),
    ],
)  # fmt: skip
def test_what_does_not_pile_up_is_left_alone(live):
    days = Days()
    live(days)
    assert found(processes_accumulate, days) == []


def test_what_piled_up_before_a_reboot_is_told():
    days = Days(48, boots=(45,))
    hang(days, 9)
    [finding] = found(processes_accumulate, days)
    assert finding.evidence["host_went_down_s"] == START_S + 45 * HOUR - 300
