"""`oakum dev`: a worker to write code beside: loads it anew when it changes, shows what jobs print, stops at once."""

from __future__ import annotations

import argparse

from oakum.cli import worker


def configure(parser: argparse.ArgumentParser) -> None:
    worker.add_room(parser)
    parser.set_defaults(grace="500ms", overcommit=False, health=None, echo=True, reload=True)


def run(args: argparse.Namespace) -> int:
    return worker.run(args)
