"""`oakum bound`: how much the whole store may keep; changes it while it is used, gives it back to the code."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from oakum.cli import options

_EPILOG: Final = """\
A store at its bound takes no new jobs; those that are in go on. What is set here stays so, whatever the code declares,
until `oakum bound reset`.

examples:
  oakum bound
  oakum bound set 2GiB
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "oakum bound [options]\n       oakum bound set [options] SIZE\n       oakum bound reset [options]"
    parser.epilog = _EPILOG
    parser.set_defaults(action="show")
    options.add_format(parser)
    options.add_store(parser)
    actions = parser.add_subparsers(prog="oakum bound", metavar="ACTION", title="actions")
    for name, summary in (("set", "another bound instead of the code's"), ("reset", "back to what the code declares")):
        sub = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        sub.set_defaults(action=name)
        if name == "set":
            sub.add_argument("size", metavar="SIZE", help="like 2GiB")
        options.add_format(sub, again=True)
        options.add_store(sub, again=True)


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show

    with options.open_inspector(options.store_url(args)) as inspector:
        bound = inspector.bound
        row = bound.set(args.size) if args.action == "set" else getattr(bound, args.action)()
    if args.format == "json":
        show.print_json(row)
        return 0
    limit = "no bound" if row.limit is None else f"{show.size(row.limit)}, {row.part:.0%}"
    print(f"the store holds {show.size(row.used)} of {limit}")
    if row.set_by_hand:
        declared = "none" if row.declared is None else show.size(row.declared)
        print(f"set by hand; the code declares {declared}")
    elif row.max_store is None:
        print("nothing is declared: that is the store's own default")
    if args.action == "set" and row.part is not None and row.part >= 1:
        print(
            "oakum: bound set: that is below what the store holds: it takes no more until it holds less",
            file=sys.stderr,
        )
    return 0
