"""`oakum capacity`: arrivals against service, the smallest safe interval of each schedule, and what will be full when."""

from __future__ import annotations

import argparse

from oakum.cli import options

_EPILOG = """\
Rates are those of the last minute where enough has ended in it, else of the last hour or two days. A schedule is safe
where its runs leave a twentieth of the slots' time free, with what the other tasks take taken off.

examples:
  oakum capacity
  oakum capacity --format json | jq '.intervals[] | select(.verdict != "safe")'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.add_format(parser)
    options.add_store(parser)


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.capacity_view import capacity_view

    with options.open_inspector(options.store_url(args)) as inspector:
        found = inspector.capacity()
    if args.format == "json":
        show.print_json(found)
    else:
        console = show.console()
        console.print(*capacity_view(found, console.width), sep="\n")
    return 0
