"""A queue as the code knows it: a name that tasks and calls may go by, with its bounds and limits."""

from __future__ import annotations

from typing import Unpack

from oakum.model.bounds import Rules
from oakum.run.desk import Desk
from oakum.run.names import check_known
from oakum.run.rules import RuleOptions


class Queue:
    """What `Oakum.queue` makes. It is its own name: `queue=mail` and `queue="mail"` are the same."""

    __slots__ = ("_desk", "declared", "name")

    def __init__(self, desk: Desk, name: str, declared: Rules) -> None:
        self.name, self.declared = name, declared
        self._desk = desk

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    @property
    def rules(self) -> Rules:
        """The rules in force: those declared here, or what an operator, or `configure`, said instead."""
        return self._desk.rules("queue", self.name)

    def configure(self, **options: Unpack[RuleOptions]) -> None:
        """Changes rules in force for all workers and producers, at once, until `reset`: what is not named stays.

        The options are those of `Oakum.queue`. Raises UsageError for what makes no sense.
        """
        check_known(options, RuleOptions, f"queue {self.name}")
        self._desk.configure("queue", self.name, options)

    def reset(self) -> None:
        """Puts the rules that the code declares in force again."""
        self._desk.override("queue", self.name, None)

    def depth(self) -> int:
        """How many jobs it holds that have not ended: what `max_jobs` bounds."""
        counts = self._desk.store.counts()
        return sum(count.jobs for count in counts if count.queue == self.name and not count.state.terminal)
