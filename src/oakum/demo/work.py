"""The demo's application: one job a source file, a report of them all, and six kinds of trouble."""

from __future__ import annotations

import ast
import io
import os
import time
import tokenize
from dataclasses import dataclass
from typing import Final

from oakum.errors import UsageError
from oakum.run.app import Oakum
from oakum.run.context import current
from oakum.run.options import Retry
from oakum.units import MIB

STORE: Final = "OAKUM_DEMO_STORE"  # where the demo's own store is: set by the demo for its worker

app = Oakum(os.environ.get(STORE, "memory://"))
_leaked: list[bytearray] = []


@dataclass
class Facts:
    """What is known of one source file."""

    lines: int = 0
    tokens: int = 0
    functions: int = 0
    classes: int = 0
    deepest: int = 0


@app.task(memory="64MiB", timeout="60s")
def study(path: str) -> Facts:
    """Parses and tokenizes one file: from a few kilobytes to tens of megabytes, from a millisecond to a second."""
    with tokenize.open(path) as file:
        text = file.read()
    facts = Facts(lines=text.count("\n"))
    nodes: list[tuple[ast.AST, int]] = [(ast.parse(text), 1)]
    while nodes:
        node, depth = nodes.pop()
        facts.deepest = max(facts.deepest, depth)
        facts.functions += isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        facts.classes += isinstance(node, ast.ClassDef)
        nodes += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    facts.tokens = sum(1 for _ in tokenize.generate_tokens(io.StringIO(text).readline))
    return facts


@app.task(memory="32MiB")
def report(facts: list[Facts]) -> Facts:
    """The corpus as a whole: the fan-in."""
    if not facts:
        raise UsageError("report: there is nothing to report on")
    return Facts(
        lines=sum(each.lines for each in facts),
        tokens=sum(each.tokens for each in facts),
        functions=sum(each.functions for each in facts),
        classes=sum(each.classes for each in facts),
        deepest=max(each.deepest for each in facts),
    )


@app.task(memory="64MiB", priority=5)
def hoard(size: int) -> int:
    """Tries to take `size` bytes."""
    held = [bytearray(b"x" * MIB) for _ in range(size // MIB)]
    return len(held)


@app.task(memory="64MiB", priority=5)
def leak(size: int) -> int:
    """Keeps `size` bytes in its process, each time."""
    _leaked.append(bytearray(b"x" * size))
    return len(_leaked)


@app.task(timeout="2s", priority=5)
def hang() -> None:
    """Waits for what never comes."""
    time.sleep(3600)


@app.task(priority=5)
def vanish() -> None:
    """Takes its process with it."""
    os._exit(7)


@app.task(retries=Retry(3, delay="300ms"), priority=5)
def stumble() -> int:
    """Fails twice, then succeeds."""
    attempt = current().attempt
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt} came to nothing")
    return attempt


@app.task(expires="400ms", priority=-5)
def refresh(number: int) -> int:
    """A run that is worth nothing once it is late, behind work that is."""
    return number
