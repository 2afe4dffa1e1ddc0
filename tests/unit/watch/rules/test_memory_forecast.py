"""The host's memory on its way to its end."""

from __future__ import annotations

import pytest
from tests.support.histories import MB, Days, found

from oakum.model.finding import Severity
from oakum.watch.rules import memory_forecast


def test_memory_on_its_way_to_its_end_is_told_with_those_who_make_it():
    days = Days()
    days.process("greedy", lambda age: 100 * MB + 20 * MB * age)
    days.process("calm")
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 25 * MB * hour)
    [finding] = found(memory_forecast, days)
    assert finding.evidence["families"] == ["greedy"]
    assert finding.evidence["shares"] == [pytest.approx(0.8, abs=0.05)]
    assert finding.forecast["hours"] == pytest.approx(32, rel=0.05)
    assert "made by `greedy` 80%" in finding.message


def test_without_the_hosts_figures_the_processes_are_added_up():
    days = Days()
    days.process("greedy", lambda age: 100 * MB + 20 * MB * age)
    [finding] = found(memory_forecast, days)
    assert finding.evidence["bytes_per_hour"] == pytest.approx(20 * MB, rel=0.02)
    assert finding.forecast is None


def test_the_end_within_a_day_is_an_error():
    days = Days()
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 35 * MB * hour)
    assert [finding.severity for finding in found(memory_forecast, days)] == [Severity.ERROR]


def test_memory_that_follows_the_day_is_left_alone():
    days = Days()
    days.host(mem_total=8_000 * MB, mem_available=lambda hour: 2_000 * MB - 40 * MB * abs(12 - hour % 24))
    assert found(memory_forecast, days) == []
