"""Decides what to tell whom and when: new and worse findings once, nothing in quiet hours, all of it in one message. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from oakum.errors import UsageError
from oakum.model.finding import Finding, Severity

_TARGET: Final = re.compile(
    r"cmd:\s*[^\s-].*|mailto:[^\s@,<>-][^\s,<>]*|https?://\S+|smtps?://[^\s/]+/[^\s@,<>-][^\s,<>]*@[^\s,<>]+"
)
_HOURS: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Told:
    """What each target was told already: the severity's rank by state. Kept from one look to the next."""

    ranks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    mute_until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Minutes of the day between which nothing is sent; `begin` after `end` spans midnight."""

    begin: int
    end: int

    def hold(self, moment: datetime) -> bool:
        """Whether this moment, in local time, is a quiet one."""
        minute = moment.hour * 60 + moment.minute
        if self.begin <= self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def check_target(target: str) -> str:
    """The target itself. Raises UsageError for one that is none."""
    if _TARGET.fullmatch(target):
        return target
    raise UsageError(
        f"--notify: {target!r}: write cmd:COMMAND, https://HOST/PATH, mailto:NAME@HOST or smtp://SERVER/NAME@HOST"
    )


def parse_quiet(text: str) -> QuietHours:
    """Quiet hours of `"22:00-07:00"`. Raises UsageError."""
    match = _HOURS.fullmatch(text)
    numbers = [int(number) for number in match.groups()] if match is not None else [99] * 4
    if max(numbers[0], numbers[2]) > 23 or max(numbers[1], numbers[3]) > 59:
        raise UsageError(f"--quiet: {text!r} is no time of the day; write it like 22:00-07:00")
    return QuietHours(numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])


def news(findings: Sequence[Finding], told: Told, target: str) -> list[Finding]:
    """The findings, warnings at least, that `target` was not told yet, or that are worse than they were."""
    known = told.ranks.get(target, {})
    return [
        finding
        for finding in findings
        if finding.severity.rank >= Severity.WARNING.rank and finding.severity.rank > known.get(_state(finding), -1)
    ]


def held_back(told: Told, quiet: QuietHours | None, now_s: float) -> bool:
    """Whether nothing may be sent now; what is new then stays new, and comes together afterwards."""
    return now_s < told.mute_until_s or (quiet is not None and quiet.hold(datetime.fromtimestamp(now_s).astimezone()))


def after(findings: Sequence[Finding], told: Told, target: str) -> Told:
    """What is told once `target` was told of `findings`. A state that is over is forgotten: if it returns, it is new."""
    known = told.ranks.get(target, {})
    ranks = {_state(finding): max(finding.severity.rank, known.get(_state(finding), -1)) for finding in findings}
    return Told({**told.ranks, target: ranks}, told.mute_until_s)


def digest(findings: Sequence[Finding], host: str) -> tuple[str, str]:
    """(subject, body) of one message about all of `findings`."""
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    lines = [
        f"{finding.severity} {finding.code} {finding.name}\n{finding.message}\nMend: {finding.mend}\n"
        for finding in findings
    ]
    return f"{host}: {first.name}{more}", "\n".join(lines)


def _state(finding: Finding) -> str:
    """What a finding is about. What grew before a crash is another state than what grows: it is told once more."""
    return " ".join((*finding.key, str(finding.evidence.get("host_went_down_s") or "now")))
