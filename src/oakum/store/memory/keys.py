"""Jobs with a key in the reference store: which of them have a place of it, and who comes next."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.model.ids import id_wall_ms
from oakum.model.job import State
from oakum.store.memory.rows import Row


def enter(row: Row, mates: Sequence[Row], places: int) -> None:
    """Makes a job available, or holds it where its key is busy; one that comes first takes the place of a later one.

    That one stands again where it stood when it came in, before those of its key that came after it.
    `mates` are all of its queue and key that have not ended.
    """
    row.state = State.AVAILABLE
    if row.new.key is None or row.placed:
        return
    placed = [mate for mate in mates if mate.placed]
    if len(placed) >= places:
        waiting = [mate for mate in placed if mate.state is State.AVAILABLE and not mate.token]
        last = max(waiting, key=lambda mate: mate.order, default=row)
        if last.order <= row.order:
            row.state = State.HELD
            return
        last.state, last.placed = State.HELD, False
        last.run_at_ms = min(last.run_at_ms, id_wall_ms(last.new.id))
    row.placed = True


def pass_on(mates: Sequence[Row], places: int, now_ms: int | None) -> None:
    """Gives free places to those held longest, who then stand at the back of their priority; `now_ms` None: as they were."""
    free = places - sum(mate.placed for mate in mates)
    held = sorted((mate for mate in mates if mate.state is State.HELD), key=lambda mate: mate.order)
    for mate in held[: max(0, free)]:
        mate.state, mate.placed, mate.run_at_ms = State.AVAILABLE, True, now_ms or mate.run_at_ms
