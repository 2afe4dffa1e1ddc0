"""`oakum task`: tasks with their limits and rates; changes them while they are used, gives them back to the code."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from oakum.cli import options, rule_options

if TYPE_CHECKING:
    from oakum.inspector.tasks import RuledTask

_EPILOG: Final = """\
What is set here stays so, whatever the code declares, until `oakum task reset`.

examples:
  oakum task
  oakum task set shop.send --rate 10/s --limit 2
  oakum task reset shop.send
"""

_ACTIONS: Final = (
    ("list", "all tasks by name"),
    ("show", "some of them"),
    ("set", "other limits instead of the code's"),
    ("reset", "back to what the code declares"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.add_actions(parser, _ACTIONS, lambda change: rule_options.add(change, rule_options.TASK))


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show

    changes = rule_options.read(args, rule_options.TASK, "task set") if args.action == "set" else None
    with options.open_inspector(options.store_url(args)) as inspector:
        tasks = inspector.tasks
        if args.action == "list":
            rows = list(tasks.all())
        elif changes is not None:
            rows = [tasks.set(name, changes) for name in args.name]
        else:
            rows = [(tasks.reset if args.action == "reset" else tasks.show)(name) for name in args.name]
    if args.format == "json":
        show.print_json(rows)
    elif rows:
        _print(rows)
    else:
        print("no tasks: a worker brings those of its application, and each job has one")
    for row in rows:
        if not row.known:
            print(f"oakum: task {row.name}: no job of it is here, and no worker knows it", file=sys.stderr)
    return 0


def _print(rows: list[RuledTask]) -> None:
    from rich.text import Text

    from oakum.cli import show

    console = show.console()
    table = show.table("TASK", "WAITING", "RUNNING", "LIMIT", "RATE")
    for row in rows:
        table.add_row(
            show.tail(row.name, console.width - 40) + ("*" if row.declared is not None else ""),
            show.number(row.jobs.waiting),
            show.number(row.jobs.running),
            show.count(row.rules.limit),
            row.rules.rate or show.UNKNOWN,
        )
    console.print(table)
    for row in rows:
        if row.declared is not None:
            limit, rate = row.declared.limit or "none", row.declared.rate or "none"
            console.print(
                Text(f"* set by hand; the code declares limit {limit}, rate {rate} for {row.name}", "bright_black")
            )
