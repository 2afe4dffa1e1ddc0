"""How `oakum queue` looks: a table from 80 columns on, one queue in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from oakum.cli import show
from oakum.inspector.views import QueueRow, RulesRow

_QUIET: Final = "bright_black"
_SHORTEST_NAME: Final = 12


def list_view(rows: Sequence[QueueRow], width: int) -> Iterator[RenderableType]:
    """A line for each; columns that say nothing of any are left out."""
    columns = {
        "WAITING": [show.number(row.jobs.waiting - row.jobs.held) for row in rows],
        "HELD": [show.number(row.jobs.held) for row in rows],
        "RUNNING": [show.number(row.jobs.running) for row in rows],
        "MAX": [show.count(row.rules.max_jobs) for row in rows],
        "BYTES": [show.size(row.bytes or None) for row in rows],
        "MAX BYTES": [show.size(row.rules.max_bytes) for row in rows],
        "USED": [used(row) for row in rows],
        "ON FULL": [row.rules.on_full if row.used is not None else show.UNKNOWN for row in rows],
        "LIMIT": [show.count(row.rules.limit) for row in rows],
        "RATE": [row.rules.rate or show.UNKNOWN for row in rows],
        "A KEY": [a_key(row.rules) for row in rows],
    }
    always = ("WAITING", "RUNNING")
    shown = {
        head: cells for head, cells in columns.items() if head in always or any(each != show.UNKNOWN for each in cells)
    }
    gap = 2 if width >= 100 else 1
    table = show.table("QUEUE", *shown, gap=gap)
    taken = sum(gap + max(map(len, (head, *cells))) for head, cells in shown.items())
    room = max(_SHORTEST_NAME, width - taken - gap - len(" paused*"))
    for place, row in enumerate(rows):
        name = Text(show.tail(row.name, room))
        name.append("*" if row.declared is not None else "")
        name.append(" paused" if row.paused else "", "yellow")
        full = row.used is not None and row.used >= 1
        table.add_row(name, *(cells[place] for cells in shown.values()), style="red" if full else "")
    yield table
    if any(row.declared is not None for row in rows):
        yield Text("* set by hand; `oakum queue reset NAME` gives back to the code", _QUIET)


def queue_view(row: QueueRow) -> Text:
    """Everything about one."""
    facts = [
        ("queue", f"{show.clean(row.name)}{', paused' if row.paused else ''}"),
        ("holds", _holds(row)),
        *_rules(row.rules, ""),
        *([] if row.declared is None else [("set by hand", "the code declares:"), *_rules(row.declared, "  ")]),
    ]
    lines = (Text.assemble((f"{name:13}", _QUIET), fact) for name, fact in facts)
    return Text("\n").join(lines)


def used(row: QueueRow) -> str:
    """Which part of its bound a queue holds."""
    return show.UNKNOWN if row.used is None else f"{row.used:.0%}"


def _holds(row: QueueRow) -> str:
    jobs = row.jobs
    parts = [f"{jobs.waiting:,} waiting"]
    if jobs.held:
        parts.append(f"{jobs.held:,} of them held until their key is free")
    parts.append(f"{jobs.running:,} running")
    if jobs.expired:
        parts.append(f"{jobs.expired:,} expired or dropped")
    if row.used is not None:
        parts.append(f"{row.used:.0%} of its bound")
    return ", ".join(parts)


def _rules(rules: RulesRow, indent: str) -> list[tuple[str, str]]:
    at_once = [] if rules.limit is None else [f"{rules.limit:,} at once"]
    at_once += [] if rules.rate is None else [f"{rules.rate} start"]
    key = f"{rules.key_limit:,} at once" + (f", {rules.key_rate} start" if rules.key_rate is not None else "")
    return [
        (f"{indent}bound", bound(rules)),
        (f"{indent}limit", ", ".join(at_once) or "none"),
        (f"{indent}each key", key),
    ]


def bound(rules: RulesRow) -> str:
    """How much a queue may hold, and what happens then."""
    bounds = []
    if rules.max_jobs is not None:
        bounds.append(show.jobs(rules.max_jobs))
    if rules.max_bytes is not None:
        bounds.append(f"{show.size(rules.max_bytes)} of arguments")
    return f"{' or '.join(bounds)}, then {rules.on_full}" if bounds else "none"


def a_key(rules: RulesRow) -> str:
    """What holds for the jobs of each key, in few places."""
    if (rules.key_limit, rules.key_rate) == (1, None):
        return show.UNKNOWN
    return " ".join(part for part in (str(rules.key_limit), rules.key_rate) if part)
