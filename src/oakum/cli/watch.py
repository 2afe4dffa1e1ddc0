"""`oakum watch`: records this host; its actions read what was recorded, and take over what others recorded."""

from __future__ import annotations

import argparse
import importlib
from typing import Final, NamedTuple, cast

from oakum.cli import watch_record
from oakum.cli.main import Command


class Action(NamedTuple):
    name: str
    module: str
    summary: str


ACTIONS: Final = (
    Action("show", "oakum.cli.watch_show", "what the record has to say: findings, growth, reboots"),
    Action("notify", "oakum.cli.watch_notify", "tell what is new or worse, once: a command, a webhook or mail"),
    Action("import", "oakum.cli.watch_import", "take over a log of ps listings, plain, gzip or from a pipe"),
    Action("export", "oakum.cli.watch_export", "write the figures as CSV, Parquet or Prometheus text"),
    Action("top", "oakum.cli.watch_top", "the processes of this host, live, those that grow first"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Without an action it records. `--archive` may stand before or behind the action's name."""
    watch_record.configure(parser)
    parser.set_defaults(action_module=watch_record)
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    for action in ACTIONS:
        module = importlib.import_module(action.module)
        description = f"{action.summary[0].upper()}{action.summary[1:]}."
        sub = actions.add_parser(action.name, help=action.summary, description=description)
        sub.add_argument(
            "--archive", metavar="DIR", default=argparse.SUPPRESS, help="the archive (default: this host's)"
        )
        module.configure(sub)
        sub.set_defaults(action_module=module)


def run(args: argparse.Namespace) -> int:
    """Does what was chosen; returns its exit status."""
    return cast(Command, args.action_module).run(args)
