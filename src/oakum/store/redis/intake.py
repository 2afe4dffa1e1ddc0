"""Scripts that let jobs in: what they refuse becomes an error, and what they need to be told is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import msgspec

from oakum.errors import DuplicateJob
from oakum.model.bounds import Rules
from oakum.model.ids import id_text
from oakum.model.intake import Load, check_room, dropped
from oakum.model.job import State
from oakum.model.lifecycle import Ending
from oakum.store.redis.wire import blob

decode_rules: Final = msgspec.msgpack.Decoder(Rules).decode


class Intake:
    """Calls such scripts by `call`. They answer (refusal, answer)."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._dropped: dict[str, tuple[Any, Any]] = {}  # by queue, the rules and how a job ends that they let go of

    def call(self, verb: str, *args: Any, after: Sequence[Any] = ()) -> Any:
        """What the script answers. Raises QueueFull and DuplicateJob."""
        while True:
            refusal, *answer = self._call(verb, *args, self._dropped, *after)
            if refusal is None:
                return answer[0]
            kind, *told = refusal
            if kind == b"ending":
                queue, packed = told
                name = queue.decode()
                self._dropped[name] = blob(packed), packed_ending(dropped(name, decode_rules(packed)))
            else:
                _refuse(kind, told)


def packed_ending(ending: Ending) -> tuple[Any, ...]:
    """How a waiting job ends, as the scripts take it."""
    return ending.state, blob(ending.record), ending.kept_ms


def _refuse(kind: bytes, told: Sequence[Any]) -> NoReturn:
    if kind == b"duplicate":
        task, owner, state = told
        name = id_text(owner)
        raise DuplicateJob(
            f"task {task.decode()}: job {name} has the same unique key and is {State(state).label}", name
        )
    queue, packed, jobs, size, more, more_size = told
    check_room(queue.decode(), decode_rules(packed), Load(jobs, size), more, more_size)
    raise AssertionError("the script found no room where there is some")
