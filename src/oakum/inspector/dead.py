"""Dead letters: jobs that ended in failure, grouped by what they have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from oakum.model.fingerprint import fingerprint
from oakum.model.ids import id_text
from oakum.model.job import JobView, State
from oakum.model.outcome import decode_record, describe

DEAD: Final = (State.FAILED, State.QUARANTINED)
MOST_GROUPS: Final = 1000  # further causes are counted together
OTHERS: Final = "others"


class DeadGroup(Struct, frozen=True):
    """Failures of one cause. `newest` and `oldest` are wall milliseconds of their ends; type and message the newest's."""

    fingerprint: str
    task: str
    type: str
    message: str
    jobs: int
    quarantined: int
    oldest_ms: int
    newest_ms: int
    newest_id: str


def group(views: Iterable[JobView]) -> list[DeadGroup]:
    """Groups of dead jobs given newest first, the largest group first."""
    groups: dict[str, DeadGroup] = {}
    for view in views:
        key = fingerprint_of(view)
        if key not in groups and len(groups) >= MOST_GROUPS:
            key = OTHERS
        groups[key] = _with(groups.get(key), key, view)
    return sorted(groups.values(), key=lambda each: (-each.jobs, -each.newest_ms))


def fingerprint_of(view: JobView) -> str:
    """The fingerprint of a dead job's last start."""
    return fingerprint(view.task, decode_record(view.record).outcome if view.record is not None else None)


def _with(known: DeadGroup | None, key: str, view: JobView) -> DeadGroup:
    ended_ms = view.ended_ms or view.created_ms
    quarantined = int(view.state is State.QUARANTINED)
    if known is None:
        outcome = decode_record(view.record).outcome if view.record is not None else None
        kind, message, _ = describe(outcome)
        return DeadGroup(key, view.task, kind, message, 1, quarantined, ended_ms, ended_ms, id_text(view.id))
    return DeadGroup(
        key, known.task, known.type, known.message, known.jobs + 1, known.quarantined + quarantined,
        min(known.oldest_ms, ended_ms), max(known.newest_ms, ended_ms), known.newest_id,
    )  # fmt: skip
