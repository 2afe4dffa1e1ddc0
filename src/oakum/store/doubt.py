"""Ends whose answer was lost with the line: told again, they look late where the first time had counted."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.model.lifecycle import Settlement
from oakum.store.base import Store


class Doubt:
    """What one process has settled in `store` without hearing whether it counted, by holder."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unheard: dict[int, set[tuple[int, int]]] = {}

    def note(self, settlements: Sequence[Settlement], holder: int) -> None:
        """No answer came to these."""
        self._unheard.setdefault(holder, set()).update((each.ref, each.token) for each in settlements)

    def really_late(self, settlements: Sequence[Settlement], late: Sequence[int], holder: int) -> Sequence[int]:
        """Those of the `late` places that had not counted the first time either. Looks at the store only where there is doubt."""
        unheard = self._unheard.get(holder)
        if not unheard:
            return late
        doubtful = {place for place, each in enumerate(settlements) if (each.ref, each.token) in unheard}
        lost = [place for place in late if place not in doubtful or not self._counted(settlements[place], holder)]
        unheard.difference_update((each.ref, each.token) for each in settlements)
        return lost

    def forget(self, holder: int) -> None:
        """The holder has gone."""
        self._unheard.pop(holder, None)

    def _counted(self, each: Settlement, holder: int) -> bool:
        """Whether what is known of that start is what was told of it: nobody else would say the same of the same token.

        A job that is gone has ended and was pruned. As long as the holder has its rights nobody else can have ended its job.
        """
        story = self._store.story(each.id)
        if story is None:
            return any(each.number == holder and not each.fenced for each in self._store.holders())
        return each.record in (story.job.record, *(start.record for start in story.starts))
