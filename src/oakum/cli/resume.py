"""`oakum resume`: hands out a paused queue's jobs again."""

from __future__ import annotations

import argparse

from oakum.cli import options, pause


def configure(parser: argparse.ArgumentParser) -> None:
    pause.configure(parser)


def run(args: argparse.Namespace) -> int:
    from oakum.cli.show import jobs

    with options.open_inspector(options.store_url(args)) as inspector:
        for name in args.queue:
            queue = inspector.queues.pause(name, False)
            print(f"queue {name}: open, {jobs(queue.jobs.waiting)} waiting")
    return 0
