"""The rules: one file each, whose docstring is its manual page; run together, and each on its own if another breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from oakum.model.finding import Finding, Severity, worst_first
from oakum.watch.rules import (
    cron_unguarded,
    dev_server,
    memory_forecast,
    out_of_memory_kill,
    process_grows,
    process_hung,
    processes_accumulate,
    workers_never_recycle,
)
from oakum.watch.rules.case import Case


class Rule(Protocol):
    """What the file of a rule has: its code and name, `find`, and a docstring that is its manual page."""

    @property
    def CODE(self) -> str: ...  # noqa: N802 - a constant of the file
    @property
    def NAME(self) -> str: ...  # noqa: N802
    def find(self, case: Case) -> Iterator[Finding]: ...


RULES: Final[tuple[Rule, ...]] = (
    process_grows,
    processes_accumulate,
    process_hung,
    memory_forecast,
    dev_server,
    workers_never_recycle,
    cron_unguarded,
    out_of_memory_kill,
)


def diagnose(case: Case, rules: Iterable[Rule] = RULES) -> list[Finding]:
    """What the rules find, the worst first. A rule that breaks becomes a finding about itself.

    Rules look at the newest boot first: of several findings about one state only the newest is kept.
    """
    found: dict[tuple[str, str], Finding] = {}
    for rule in rules:
        try:
            for finding in rule.find(case):
                found.setdefault(finding.key, finding)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rules still have something to say
            broken = _broken(rule, error)
            found[broken.key] = broken
    return worst_first(found.values())


def _broken(rule: Rule, error: Exception) -> Finding:
    return Finding(
        code=rule.CODE,
        name=rule.NAME,
        severity=Severity.WARNING,
        subject="the rule itself",
        message=f"{rule.NAME} could not judge this record: {type(error).__name__}: {error}",
        mend="this is a fault in Oakum: please report it with the archive, or what `oakum watch export` makes of it",
    )
