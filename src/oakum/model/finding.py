"""A finding: what a rule has to say, with its numbers, in the one stable schema that every report and alert reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

Fact = str | int | float | bool | None | list[str] | list[int] | list[float]


class Severity(StrEnum):
    """How much a finding matters. Ordered: `Severity.INFO < Severity.WARNING < Severity.ERROR` by `rank`."""

    INFO = "info"  # worth knowing, nothing to do today
    WARNING = "warning"  # will hurt if nobody acts
    ERROR = "error"  # hurts now, or within a day

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for error."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause, named in one sentence with its numbers and its mend.

    `code` and `name` are the rule's ("OAK101", "process-grows"); `subject` is what the finding is about, stable from
    one report to the next; `evidence` holds plain numbers whose names carry their unit; `forecast` says what comes and
    when; `where` says where to look ("pid", "queue", "file", "line").
    """

    code: str
    name: str
    severity: Severity
    subject: str
    message: str
    evidence: Mapping[str, Fact] = field(default_factory=dict)
    mend: str = ""
    forecast: Mapping[str, Fact] | None = None
    where: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """(code, subject): two findings with the same key speak of the same state, at two times."""
        return self.code, self.subject

    def as_json(self) -> dict[str, object]:
        """The stable schema as plain values, fields in the order of the schema."""
        return asdict(self)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """`findings` as people want to read them: by severity, then by code and subject."""
    return sorted(findings, key=lambda finding: (-finding.severity.rank, finding.key))
