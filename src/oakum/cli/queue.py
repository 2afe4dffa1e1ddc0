"""`oakum queue`: queues with their bounds, limits and rates; changes them while they are used, gives them back to the code."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final, cast

from oakum.cli import options
from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.run.rules import RuleOptions

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
_COUNTS: Final = ("max_jobs", "limit", "key_limit")
_RULES: Final = (
    ("--max-jobs", "N", "how many jobs it may hold that have not ended"),
    ("--max-bytes", "SIZE", "how many bytes of arguments they may have"),
    ("--on-full", "WHAT", "block, reject, drop_oldest or drop_newest"),
    ("--limit", "N", "how many of its jobs run at once, over all workers"),
    ("--rate", "N/TIME", "how many start in a period, like 100/1m"),
    ("--key-limit", "N", "how many of one key run at once"),
    ("--key-rate", "N/TIME", "how many of one key start in a period"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "oakum queue [options]\n       oakum queue ACTION [options] [NAME ...]"
    parser.epilog = _EPILOG
    parser.set_defaults(action="list")
    options.add_format(parser)
    options.add_store(parser)
    actions = parser.add_subparsers(prog="oakum queue", metavar="ACTION", title="actions")
    for name, summary in _ACTIONS:
        sub = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        sub.set_defaults(action=name)
        if name != "list":
            sub.add_argument("name", metavar="NAME", nargs="+")
        if name == "set":
            for flag, metavar, meaning in _RULES:
                sub.add_argument(flag, metavar=metavar, help=f"{meaning}; none: no such rule")
        options.add_format(sub, again=True)
        options.add_store(sub, again=True)


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.queue_view import list_view, queue_view
    from oakum.inspector.queues import warning

    changes = _read_changes(args) if args.action == "set" else None
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


def _read_changes(args: argparse.Namespace) -> RuleOptions:
    changes: dict[str, object] = {}
    for flag, _, _ in _RULES:
        name = flag[2:].replace("-", "_")
        text = getattr(args, name)
        if text is not None:
            changes[name] = _read(name, flag, text)
    if not changes:
        raise UsageError(f"queue set: nothing is to change; give {', '.join(flag for flag, _, _ in _RULES)}")
    return cast("RuleOptions", changes)


def _read(name: str, flag: str, text: str) -> object:
    if text == "none":
        return 1 if name == "key_limit" else "block" if name == "on_full" else None
    if name not in _COUNTS:
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{flag}: {text!r} is not a count of at least 1") from None
