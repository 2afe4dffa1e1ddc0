"""The children of one worker and the room they share: who fits where, who has to make way."""

from __future__ import annotations

from collections.abc import Iterator

from oakum.model.admission import Plan, Room
from oakum.run.worker.kid import Kid


class Fleet:
    """All children, by the order of their birth. `size` bytes is the room; `slots` how many children there should be."""

    def __init__(self, size: int, slots: int) -> None:
        self.size, self.slots = size, slots
        self.kids: list[Kid] = []
        self.supervisor = 0
        self.template = 0

    def room(self) -> Room:
        """The room and what is taken of it now."""
        resting = sum(kid.resting for kid in self.kids)
        reserved = sum(kid.plan.reserve for kid in self.kids if kid.in_hand and kid.plan is not None)
        return Room(self.size, self.supervisor + self.template, resting, reserved)

    @property
    def idle(self) -> bool:
        """Whether no child has a job in hand."""
        return not any(kid.in_hand for kid in self.kids)

    @property
    def anyone_idle(self) -> bool:
        """Whether a child that could work has nothing to do."""
        return any(not kid.in_hand and kid.ready for kid in self.kids)

    @property
    def stuck(self) -> bool:
        """Whether each child has a slow job, so that nothing else can begin now."""
        return bool(self.kids) and all(kid.slow for kid in self.kids)

    @property
    def missing(self) -> int:
        """How many children are to be made; those that are about to leave are not counted as being there."""
        return self.slots - sum(not kid.leaving for kid in self.kids)

    def place(self, plan: Plan) -> Kid | None:
        """The child that is to have the next job under `plan`: one with a turn to spare, else an idle one that it fits."""
        if plan.alone:
            return next(self._idle(), None) if self.idle and self._fits(plan) else None
        best: Kid | None = None
        for kid in self.kids:
            if kid.in_hand and kid.ready and not kid.slow and _may_follow(kid, plan):
                best = kid if best is None or len(kid.in_hand) < len(best.in_hand) else best
        if plan.shared and best is not None:
            return best
        idle = next(self._idle(), None)
        if idle is not None and self._fits(plan):
            return idle
        return best

    def _idle(self) -> Iterator[Kid]:
        return (kid for kid in self.kids if kid.ready and not kid.in_hand)

    def _fits(self, plan: Plan) -> bool:
        if any(kid.in_hand and kid.plan is not None and kid.plan.alone for kid in self.kids):
            return False
        return plan.reserve <= self.room().free


def _may_follow(kid: Kid, plan: Plan) -> bool:
    """Whether a job under `plan` may wait behind those that the child has: same limit, and room in its turn."""
    assert kid.plan is not None
    return (
        kid.plan.limit == plan.limit
        and kid.plan.shared == plan.shared
        and not kid.plan.alone
        and len(kid.in_hand) < min(plan.window, kid.plan.window)
    )
