"""`oakum pause`: stops the handing out of a queue's jobs; what runs goes on, and jobs may still be enqueued."""

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
            queue = inspector.queues.pause(name, True)
            print(f"queue {name}: paused, {jobs(queue.jobs.waiting)} waiting, {queue.jobs.running:,} still running")
    return 0
