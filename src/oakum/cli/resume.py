"""`oakum resume`: hands out a paused queue's jobs again."""

from __future__ import annotations

import argparse

from oakum.cli import options


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue", metavar="QUEUE", nargs="+")
    options.add_store(parser)


def run(args: argparse.Namespace) -> int:
    from oakum.cli.show import jobs

    with options.open_inspector(options.store_url(args)) as inspector:
        for name in args.queue:
            queue = inspector.pause(name, paused=False)
            print(f"queue {name}: open, {jobs(queue.jobs.waiting)} waiting")
    return 0
