"""Ends whose answer was lost with the line: told again, they look late where the first time had counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oakum.model.lifecycle import Settlement
from oakum.store.base import Story


class Doubt:
    """What one process has settled without hearing whether it counted, by holder. `story` is the store's."""

    def __init__(self, story: Callable[[bytes], Story | None]) -> None:
        self._story = story
        self._unheard: dict[int, set[tuple[int, int]]] = {}

    def note(self, settlements: Sequence[Settlement], holder: int) -> None:
        """No answer came to these."""
        self._unheard.setdefault(holder, set()).update((each.ref, each.token) for each in settlements)

    def really_late(self, settlements: Sequence[Settlement], late: Sequence[int], holder: int) -> Sequence[int]:
        """Those of the `late` places that had not counted the first time either. Looks at the store only where there is doubt."""
        unheard = self._unheard.get(holder)
        if not unheard:
            return late
        lost = [place for place in late if not self._counted(settlements[place], unheard)]
        unheard.difference_update((each.ref, each.token) for each in settlements)
        return lost

    def forget(self, holder: int) -> None:
        """The holder has gone."""
        self._unheard.pop(holder, None)

    def _counted(self, each: Settlement, unheard: set[tuple[int, int]]) -> bool:
        """Whether what is known of that start is what was told of it: nobody else would say the same of the same token."""
        if (each.ref, each.token) not in unheard:
            return False
        story = self._story(each.id)
        return story is not None and each.record in (story.job.record, *(start.record for start in story.starts))
