"""`oakum queue`: queues with their bounds, limits and rates; changes them while they are used, gives them back to the code."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from oakum.cli import options, rule_options

_EPILOG: Final = """\
What is set here stays so, whatever the code declares, until `oakum queue reset`.

examples:
  oakum queue
  oakum queue show mail
  oakum queue set mail --max-jobs 5000 --on-full reject
  oakum queue set mail --rate 100/1m --limit none
  oakum queue reset mail
"""

_ACTIONS: Final = (
    ("list", "all queues by name"),
    ("show", "everything about some"),
    ("set", "other rules instead of the code's"),
    ("reset", "back to what the code declares"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.add_actions(parser, _ACTIONS, lambda change: rule_options.add(change, rule_options.QUEUE))


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.queue_view import list_view, queue_view
    from oakum.inspector.queues import warning

    changes = rule_options.read(args, rule_options.QUEUE, "queue set") if args.action == "set" else None
    with options.open_inspector(options.store_url(args)) as inspector:
        queues = inspector.queues
        if args.action == "list":
            rows = list(queues.all())
        elif changes is not None:
            rows = [queues.set(name, changes) for name in args.name]
        else:
            rows = [(queues.reset if args.action == "reset" else queues.show)(name) for name in args.name]
    if args.format == "json":
        show.print_json(rows)
    elif args.action != "list":
        for row in rows:
            show.console().print(queue_view(row), soft_wrap=True)
    elif rows:
        console = show.console()
        console.print(*list_view(rows, console.width), sep="\n")
    else:
        print("no queues: a job makes its queue, and `app.queue(...)` declares one with bounds")
    for row in rows if args.action != "list" else ():
        if line := warning(row):
            print(f"oakum: {line}", file=sys.stderr)
    return 0
