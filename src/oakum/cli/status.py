"""`oakum status`: the room and who fills it, queues, tasks, workers; live on a terminal."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

from oakum.cli import options
from oakum.store.shown import shown_url

if TYPE_CHECKING:
    from rich.console import Console

    from oakum.inspector.inspector import Inspector
    from oakum.inspector.views import Overview

EVERY_S: Final = 1.0
RATES_OVER: Final = 10  # looks: rates are taken over the last ten seconds


def configure(parser: argparse.ArgumentParser) -> None:
    options.add_store(parser)
    options.add_format(parser)
    parser.add_argument("--once", action="store_true", help="print it once, as is done where there is no terminal")


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.status_view import view

    url = options.store_url(args)
    with options.open_inspector(url) as inspector:
        if args.format == "json":
            show.print_json(inspector.overview())
            return 0
        console = show.console()
        if args.once or not (console.is_terminal and sys.stdin.isatty()):
            console.print(view(shown_url(url), inspector.overview(), None, console.width, None))
        else:
            _live(shown_url(url), inspector, console)
    return 0


def _live(title: str, inspector: Inspector, console: Console) -> None:
    """Until q or Ctrl-C."""
    from rich.live import Live

    from oakum.cli.keys import keys
    from oakum.cli.status_view import view
    from oakum.inspector.rates import rates

    looks: deque[Overview] = deque(maxlen=RATES_OVER + 1)
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                looks.append(inspector.overview())
                change = rates(looks[0], looks[-1])
                live.update(view(title, looks[-1], change, console.width, console.height), refresh=True)
                if pressed(EVERY_S) == "q":
                    return
        except KeyboardInterrupt:
            return
