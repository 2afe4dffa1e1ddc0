"""One start of one job: the call through the middleware, and its end turned into an outcome."""

from __future__ import annotations

import importlib
import linecache
import os
import traceback
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any

from oakum.errors import Cancelled as CancelledInside
from oakum.errors import SoftTimeout
from oakum.model.outcome import Cancelled, Completed, Failed, Outcome, Snoozed, TimedOut, clip
from oakum.run.context import Context, Middleware, Snooze
from oakum.run.signature import encode_result
from oakum.run.task import Task


def call(task: Task[Any, Any, Any], payload: bytes, context: Context, middlewares: Sequence[Middleware]) -> Any:
    """Calls the task, through every middleware; a coroutine where the task is async."""
    args, kwargs = task.arguments.unpack(payload)
    if not middlewares:
        return task.function(*args, **kwargs)

    def from_(place: int) -> Any:
        if place == len(middlewares):
            return task.function(*args, **kwargs)
        return middlewares[place](context, lambda: from_(place + 1))

    return from_(0)


def run(task: Task[Any, Any, Any], work: Callable[[], Any], timeout_s: float, max_result: int) -> Outcome:
    """Does `work` and says how it ended. MemoryError goes through: only the caller knows whose limit it was."""
    try:
        return Completed(encode_result(work(), max_result))
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - sys.exit and KeyboardInterrupt end a job, not its child
        return outcome_of(error, task, timeout_s)


async def arun(
    task: Task[Any, Any, Any], work: Callable[[], Awaitable[Any]], timeout_s: float, max_result: int
) -> Outcome:
    """`run` for async tasks."""
    try:
        return Completed(encode_result(await work(), max_result))
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001
        return outcome_of(error, task, timeout_s)


def outcome_of(error: BaseException, task: Task[Any, Any, Any] | None, timeout_s: float) -> Outcome:
    """The outcome that an exception stands for. The exception's frames are cleared: what they hold is freed now."""
    try:
        match error:
            case Snooze(delay_s=delay):
                return Snoozed(delay)
            case SoftTimeout():
                return TimedOut(timeout_s, False, text_of(error))
            case CancelledInside():
                return Cancelled("while it ran")
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return Failed(name, clip(_message(error)), text_of(error), -1 if task is None else task.retry_rule(error))
    finally:
        forget(error)


def text_of(error: BaseException) -> str:
    """The traceback as text, clipped, without the frames of Oakum and of an import above the user's own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_ABOVE) and trace.tb_next is not None:
        trace = trace.tb_next
    return clip("".join(traceback.format_exception(type(error), error, trace)))


def forget(error: BaseException) -> None:
    """Lets go of all that an exception's frames hold."""
    if error.__traceback__ is not None:
        traceback.clear_frames(error.__traceback__)
    error.__traceback__ = error.__context__ = error.__cause__ = None


def where(trace: TracebackType | None, home: str) -> str:
    """The innermost line of the task's own code: of the file `home`, else the innermost of all."""
    best: traceback.FrameSummary | None = None
    for frame in traceback.extract_tb(trace):
        if best is None or frame.filename == home or best.filename != home:
            best = frame
    if best is None:
        return ""
    line = (best.line or linecache.getline(best.filename, best.lineno or 0)).strip()
    return f"{best.filename}:{best.lineno} in {best.name}: {line}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an exception whose own text fails is still an outcome
        return f"<its text cannot be made: {type(broken).__name__}>"


_ABOVE = (os.path.dirname(__file__), os.path.dirname(importlib.__file__), "<frozen importlib")
