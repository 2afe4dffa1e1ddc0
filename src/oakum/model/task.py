"""What a worker must know of a task without importing it: the manifest that the template sends."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from oakum.model.bounds import RuleKind, Rules
from oakum.model.job import DEFAULT_QUEUE
from oakum.model.retry import NEVER, RetryRule

DEFAULT_TIMEOUT_S: Final = 3600.0
DEFAULT_RESULT_TTL_S: Final = 86400.0
DEFAULT_CRASH_BUDGET: Final = 3
DEFAULT_HEADROOM: Final = 4 * 1024 * 1024


class TaskSpec(Struct, frozen=True):
    """A task's options, resolved. Sizes in bytes, times in seconds.

    `memory` None: undeclared, so the learned bound holds. `memory_max` None: no second, larger try. `timeout_s` 0: none.
    `retry` has a rule for each exception type named, in the order in which the child matches them. `headroom` is what
    RLIMIT_DATA leaves for thread stacks and for what maps memory and does not touch it.
    """

    name: str
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    memory: int | None = None
    memory_max: int | None = None
    headroom: int = DEFAULT_HEADROOM
    timeout_s: float = DEFAULT_TIMEOUT_S
    kill_after_s: float = 1.0
    retry: tuple[RetryRule, ...] = (NEVER,)
    crash_budget: int = DEFAULT_CRASH_BUDGET
    result_ttl_s: float = DEFAULT_RESULT_TTL_S
    concurrency: int = 0
    aliases: tuple[str, ...] = ()
    signature: str = "()"

    @property
    def is_async(self) -> bool:
        """Whether the task is `async def`: then up to `concurrency` of its jobs share one loop."""
        return self.concurrency > 0


class Manifest(Struct, frozen=True):
    """All that the supervisor learns of an application.

    `store` is its URL; `spawn` says why children must not be forked ("" if they may); `listens` whether any event
    listener is registered; `files` are the modules to watch for a change; `rules` are its queues', tasks' and its store's, by
    kind and name. `schedules` is how many are declared: they travel on their own.
    """

    app: str
    store: str
    tasks: tuple[TaskSpec, ...]
    spawn: str = ""
    listens: bool = False
    max_result: int = 1024 * 1024
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    schedules: int = 0
    rules: dict[RuleKind, dict[str, Rules]] = {}
