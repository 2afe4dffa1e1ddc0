"""The door of the command line: finds the command, imports that one alone, turns errors into one line and a status."""

from __future__ import annotations

import argparse
import importlib
import os
import select
import sys
from typing import Final, NamedTuple, NoReturn, Protocol, cast

from oakum._version import __version__
from oakum.errors import CannotRun, OakumError, UsageError

EXIT_FINE: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_USAGE: Final = 2
EXIT_CANNOT_RUN: Final = 3


class Command(Protocol):
    """What a command's module has: `configure` adds its arguments, `run` does it and gives the exit status."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


class Entry(NamedTuple):
    name: str
    module: str
    summary: str


COMMANDS: Final = (
    Entry("worker", "oakum.cli.worker", "run jobs inside a memory budget"),
    Entry("dev", "oakum.cli.dev", "a worker that reloads when your code changes"),
    Entry("demo", "oakum.cli.demo", "a minute of real work with troublemakers in it"),
    Entry("check", "oakum.cli.check", "import an app and say what is wrong with it"),
    Entry("enqueue", "oakum.cli.enqueue", "enqueue one job"),
    Entry("jobs", "oakum.cli.jobs", "list jobs, or show one job's whole story"),
    Entry("status", "oakum.cli.status", "the room, the rings, the queues and the tasks, live"),
    Entry("cancel", "oakum.cli.cancel", "cancel jobs, waiting or running"),
    Entry("retry", "oakum.cli.retry", "run ended jobs again, as new jobs linked to them"),
    Entry("dead", "oakum.cli.dead", "failed jobs grouped by cause: run them again or let them go"),
    Entry(
        "capacity",
        "oakum.cli.capacity",
        "what is asked of the workers, what they can do, and how fast a schedule may be",
    ),
    Entry("queue", "oakum.cli.queue", "a queue's bounds and limits, seen and changed while it runs"),
    Entry("task", "oakum.cli.task", "a task's limits, seen and changed while it runs"),
    Entry("bound", "oakum.cli.bound", "how much the whole store may keep, seen and changed"),
    Entry("schedule", "oakum.cli.schedule", "schedules: next and last ticks, pause, trigger, change"),
    Entry("pause", "oakum.cli.pause", "stop handing out a queue's jobs"),
    Entry("resume", "oakum.cli.resume", "hand out a paused queue's jobs again"),
    Entry("store", "oakum.cli.store", "check, back up, compact or move the store"),
    Entry("purge", "oakum.cli.purge", "delete millions of rows or files in a few megabytes"),
    Entry("watch", "oakum.cli.watch", "record every process of this host in a few hundred kilobytes"),
    Entry("run", "oakum.cli.run", "run a cron line with a time limit, a memory limit and no overlap"),
)


def main(argv: list[str] | None = None) -> int:
    """Runs `oakum ARGV` and returns its exit status: 0 fine, 1 findings, 2 wrong use, 3 could not run."""
    words = sys.argv[1:] if argv is None else argv
    try:
        args = _parse(words)
        status = cast(Command, args.command_module).run(args)
        sys.stdout.flush()
    except UsageError as error:
        return _say(error, EXIT_USAGE)
    except CannotRun as error:
        return _say(error, EXIT_CANNOT_RUN)
    except OakumError as error:
        return _say(error, EXIT_CANNOT_RUN)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        if not _reader_left():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to say, to nobody
        return EXIT_FINE
    return status


def _reader_left() -> bool:
    """Whether nobody reads standard output any more. A pipe of ours that breaks is another matter, and never a good end."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))  # POLLERR comes unasked for


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and where the rest stands; argparse would print all of the usage."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        raise UsageError(f"{command}: {message}".removeprefix(": ") + f"; see `{self.prog} --help`")


def _parse(words: list[str]) -> argparse.Namespace:
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = _Parser(
        prog="oakum",
        description="Background work inside a memory budget, and the instrument that finds the leak.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"oakum {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command: argparse.ArgumentParser = parser
    for entry in COMMANDS:
        sub = commands.add_parser(
            entry.name,
            help=entry.summary,
            description=entry.summary[0].upper() + entry.summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if entry.name == chosen:
            module = importlib.import_module(entry.module)
            cast(Command, module).configure(sub)
            sub.set_defaults(command_module=module)
            command = sub
    args, rest = parser.parse_known_args(words)
    if rest:
        command.error(f"it does not take {' '.join(rest)}")  # argparse would say so in the name of the whole program
    return args


def _say(error: OakumError, status: int) -> int:
    print(f"oakum: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
