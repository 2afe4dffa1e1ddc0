"""All rules together: the worst first, each state once, and none that breaks the others."""

from __future__ import annotations

import pytest
from tests.support.histories import GIB, MB, Days, leak

from oakum.model.finding import Severity
from oakum.watch.history import History
from oakum.watch.rules import RULES, dev_server, diagnose
from oakum.watch.rules.case import Case


def test_a_quiet_host_has_no_findings():
    days = Days()
    for number in range(20):
        days.process(f"service-{number}d --config x", (20 + number) * MB, cpu_ms=lambda age: age * 5000)
    days.host(mem_total=4 * GIB, mem_available=3 * GIB, oom_kills=0)
    assert diagnose(Case(days.history)) == []


def test_an_empty_history_has_no_findings():
    assert diagnose(Case(History())) == []


def test_findings_come_worst_first_and_the_newest_of_a_state_alone():
    days = Days(96, boots=(48,))
    days.process("consumer", leak(4))
    days.process("consumer", leak(40), start=48.1, boot=1)
    days.process("flask run", start=90, boot=1)
    days.host(mem_total=4 * GIB, mem_available=500 * MB)
    findings = diagnose(Case(days.history))
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.INFO]
    assert findings[0].evidence["host_went_down_s"] is None


def test_a_rule_that_breaks_is_a_finding_about_itself():
    class Broken:
        CODE, NAME = "OAK999", "broken"

        def find(self, case):
            raise ZeroDivisionError("by zero")

    days = Days()
    days.process("flask run")
    first, second = diagnose(Case(days.history), (Broken(), dev_server))
    assert {first.code, second.code} == {"OAK999", "OAK105"}
    assert any("ZeroDivisionError: by zero" in finding.message for finding in (first, second))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.CODE)
def test_a_rules_docstring_is_its_manual_page(rule):
    title, *_ = rule.__doc__.splitlines()
    assert title.startswith(f"{rule.CODE} {rule.NAME}: ")
    for heading in ("What it says", "How it judges", "What to do", "Bad", "Good"):
        assert f"\n{heading}\n    " in rule.__doc__
