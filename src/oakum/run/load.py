"""From `MODULE:APP` to the application, and to the manifest that a supervisor can read without importing it."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Final

from oakum.errors import CannotRun, UsageError
from oakum.model.task import Manifest
from oakum.run.app import Oakum
from oakum.run.odd_rules import odd_rules

UNSAFE_TO_FORK: Final = {"cygrpc": "gRPC", "libtorch_cpu": "PyTorch", "libtensorflow": "TensorFlow"}
"""Libraries whose native threads are known not to survive a fork: a part of the file name, and who it is."""

MOST_FILES: Final = 5000


def load(target: str) -> Oakum:
    """Imports `MODULE:APP` (or `MODULE` for its one application), with the working directory first on the path.

    Raises UsageError for a target that is misspelt, CannotRun when the import fails (the cause is attached).
    """
    module_name, _, path = target.partition(":")
    if not module_name or not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(f"app: {target!r} is not MODULE:APP; write it like 'shop.tasks:app'")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"app: there is no module {error.name!r} in {here} or on the path") from error
        raise CannotRun(f"app: {module_name} cannot be imported: {error}") from error
    except Exception as error:
        raise CannotRun(f"app: {module_name} cannot be imported: {type(error).__name__}: {error}") from error
    if path:
        value: object = module
        for part in path.split("."):
            value = getattr(value, part, None)
        if not isinstance(value, Oakum):
            raise UsageError(f"app: {target!r} is no Oakum application; name the variable that holds Oakum(...)")
        return value
    apps = [value for value in vars(module).values() if isinstance(value, Oakum)]
    if len(apps) != 1:
        raise UsageError(f"app: {module_name} holds {len(apps)} applications; write {module_name}:NAME")
    return apps[0]


def manifest(app: Oakum, target: str) -> Manifest:
    """What a supervisor must know of `app`."""
    return Manifest(
        app=target,
        store=app.desk.url,
        tasks=tuple(task.spec for name, task in sorted(app.tasks.items()) if name == task.name),
        spawn=why_spawn(),
        listens=bool(app.listeners),
        max_result=app.max_result,
        files=user_files(),
        warnings=tuple(_warnings(app)),
        schedules=len(app.schedules),
        rules=app.desk.declared,
    )


def why_spawn() -> str:
    """Why this process must not be forked, "" when it may be."""
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"importing the application started a thread ({others[0]}), which a fork would lose"
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            text = maps.read()
    except OSError:
        return ""
    for part, library in UNSAFE_TO_FORK.items():
        if part in text:
            return f"{library} is loaded, whose threads do not survive a fork"
    return ""


def user_files() -> tuple[str, ...]:
    """The source files that were imported and are the user's own: not the interpreter's, not installed packages'."""
    prefixes = tuple({os.path.realpath(path) + os.sep for path in (sys.prefix, sys.base_prefix)})
    found: list[str] = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py"):
            path = os.path.realpath(file)
            if not path.startswith(prefixes) and "site-packages" not in path and not path.startswith(_OWN):
                found.append(path)
    return tuple(sorted(found)[:MOST_FILES])


def files_of_failure(error: BaseException) -> tuple[str, ...]:
    """The files whose change may mend a failed import."""
    found = set(user_files())
    cause: BaseException | None = error
    while cause is not None:
        found.update(
            frame.filename for frame in traceback.extract_tb(cause.__traceback__) if os.path.isfile(frame.filename)
        )
        if isinstance(cause, SyntaxError) and cause.filename:
            found.add(cause.filename)
        cause = cause.__cause__
    return tuple(sorted(path for path in found if not path.startswith(_OWN)))


def _warnings(app: Oakum) -> Iterator[str]:
    import inspect

    sync = [task.name for task in app.tasks.values() if not task.spec.is_async]
    for middleware in app.middlewares:
        if sync and inspect.iscoroutinefunction(middleware):
            name = getattr(middleware, "__name__", "?")
            yield f"middleware {name} is async and cannot wrap {sync[0]}, which is not"
    yield from odd_rules(
        app.desk.declared, (task.spec for name, task in sorted(app.tasks.items()) if name == task.name)
    )


_OWN: Final = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
