"""`oakum worker`: runs an application's jobs inside a room."""

from __future__ import annotations

import argparse
import sys

from oakum.errors import UsageError
from oakum.units import parse_duration, parse_size

LARGEST_SLOTS = 256


def add_room(parser: argparse.ArgumentParser) -> None:
    """Whose jobs, how many at a time, in how much memory."""
    parser.add_argument("app", metavar="MODULE:APP", help="where the application is, like shop.tasks:app")
    parser.add_argument(
        "--memory", metavar="SIZE", help="the room of the whole worker tree (default: 80%% of what there is)"
    )
    parser.add_argument(
        "--slots", type=int, metavar="N", help="children, and so jobs at a time (default: one a processor)"
    )
    parser.add_argument(
        "--queues", metavar="A,B", help="queues, in the order of preference (default: all that the tasks name)"
    )


def configure(parser: argparse.ArgumentParser) -> None:
    add_room(parser)
    parser.set_defaults(reload=False)
    parser.add_argument(
        "--grace", default="30s", metavar="TIME", help="for running jobs, when the worker is stopped (default: 30s)"
    )
    parser.add_argument(
        "--overcommit", action="store_true", help="reserve what jobs were measured to take, not their limits"
    )
    parser.add_argument("--health", type=int, metavar="PORT", help="answer /live and /ready on 127.0.0.1:PORT")
    parser.add_argument("--echo", action="store_true", help="print what jobs print")


def run(args: argparse.Namespace) -> int:
    from oakum.run.child.template import plant

    if args.slots is not None and not 1 <= args.slots <= LARGEST_SLOTS:
        raise UsageError(f"--slots: {args.slots} is not between 1 and {LARGEST_SLOTS}")
    queues = None if args.queues is None else tuple(name.strip() for name in args.queues.split(",") if name.strip())
    if queues == ():
        raise UsageError("--queues: names none; write it like --queues mail,default")
    memory = None if args.memory is None else parse_size(args.memory, name="--memory")
    grace_s = parse_duration(args.grace, name="--grace", zero=True)
    planted = plant(args.app)
    # Not before: what only the worker needs would be in every child.
    from oakum.run.worker.life import Settings, Worker

    settings = Settings(
        target=args.app,
        memory=memory,
        slots=args.slots,
        queues=queues,
        grace_s=grace_s,
        overcommit=args.overcommit,
        health_port=args.health,
        echo=args.echo,
        reload=args.reload,
    )
    return Worker(settings, planted, say).run()


def say(line: str) -> None:
    """A line for the person at the terminal, or the journal."""
    print(line, file=sys.stderr, flush=True)
