"""Whole made-up hosts of two days, some of the thousands that the rules were tried on: what is hidden is named, nothing else."""

from __future__ import annotations

import pytest
from bench.watch_accuracy import history_of, leak_kinds, made_up, named

from oakum.watch.families import fold
from oakum.watch.rules import diagnose
from oakum.watch.rules.case import Case


@pytest.mark.parametrize(("seed", "reboots"), [(10_001, 0), (10_004, 1)])
def test_hung_jobs_and_leaks_are_named_and_nothing_else(seed, reboots):
    host = made_up(seed, troubled=True)
    findings = diagnose(Case(history_of(host)))
    assert len(host.truth.reboots) == reboots
    assert set(host.truth.hung) <= named(findings, "OAK102") | named(findings, "OAK103")
    fast = {family for family, kind in leak_kinds(host) if "under 1 MB/h" not in kind}
    assert fast <= named(findings, "OAK101")
    hidden = {fold(command) for command in (*host.truth.hung, *host.truth.leaks)}
    assert {finding.subject for finding in findings} <= hidden | {"host memory"}


def test_a_healthy_host_has_no_findings():
    host = made_up(15_003, troubled=False)
    assert diagnose(Case(history_of(host))) == []
    assert not host.truth.leaks
