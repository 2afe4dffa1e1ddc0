"""Writes the reference from the code: each public name with its signature and its docstring.

With --check it writes nothing, and its exit status is 1 when a page is not up to date.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = ("oakum", "oakum.purge")
NOT_MADE_BY_USERS = {"Context", "Job", "LogLines", "Progress", "Report", "Task"}
HERE = Path(__file__).parent


class Plain(str):
    """Text that is shown without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def page(module_name: str) -> str:
    """The page of one module: what its `__all__` names, in that order."""
    module = importlib.import_module(module_name)
    parts = [f"# {module_name}", doc(module), "Written by `script/reference` from the docstrings."]
    for name in module.__all__:
        if not name.startswith("_"):
            parts += entry(name, getattr(module, name))
    return "\n\n".join(part for part in parts if part) + "\n"


def entry(name: str, thing: object) -> Iterator[str]:
    """A function or a class; a class is followed by those of its own members that have a docstring."""
    yield f"## `{name}`"
    if name not in NOT_MADE_BY_USERS:
        yield signature(name, thing)
    yield doc(thing)
    if inspect.isclass(thing):
        for member_name, member in vars(thing).items():
            is_ours = inspect.isroutine(member) or isinstance(member, property)
            if is_ours and not member_name.startswith("_") and doc(member):
                yield f"### `{name}.{member_name}`"
                yield signature(member_name, getattr(thing, member_name))
                yield doc(member)


def doc(thing: object) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def signature(name: str, thing: object) -> str:
    """How it is called, with annotations as in the source; nothing for a property, nor for an error, which Oakum raises."""
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, BaseException)):
        return ""
    called = inspect.signature(thing)
    parameters = [
        parameter.replace(annotation=plain(parameter.annotation), default=named(parameter.default))
        for parameter in called.parameters.values()
        if parameter.name != "self"
    ]
    returns = called.empty if inspect.isclass(thing) else plain(called.return_annotation)
    word = "async def " if inspect.iscoroutinefunction(thing) else ""
    return f"```text\n{word}{name}{called.replace(parameters=parameters, return_annotation=returns)}\n```"


def plain(annotation: object) -> object:
    return Plain(annotation) if isinstance(annotation, str) else annotation


def named(default: object) -> object:
    return Plain(default.__name__) if inspect.isroutine(default) else default


def main(words: list[str]) -> int:
    stale = []
    for module_name in MODULES:
        path, text = HERE / f"{module_name}.md", page(module_name)
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if "--check" not in words:
                path.write_text(text)
    if "--check" in words and stale:
        print(f"not up to date: {', '.join(stale)}; run script/reference", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
