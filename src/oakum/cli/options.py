"""Options that several commands share: which store, which application, which jobs, which format."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from oakum.errors import CannotRun, UsageError

if TYPE_CHECKING:
    from oakum.inspector.inspector import Inspector
    from oakum.model.job import JobQuery, State
    from oakum.run.app import Oakum

DEFAULT_STORE: Final = "sqlite:///oakum.db"
STATES: Final = (
    "available", "scheduled", "held", "running", "completed", "failed", "cancelled", "expired", "quarantined",
)  # fmt: skip


def add_store(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """--store or --app. `again`: in a subcommand, whose command has taken them already."""
    default = argparse.SUPPRESS if again else None
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--store",
        metavar="URL",
        default=default,
        help=f"where the jobs are (default: $OAKUM_STORE, or {DEFAULT_STORE})",
    )
    where.add_argument("--app", metavar="MODULE:APP", default=default, help="where this application keeps its jobs")


def add_format(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """--format. `again` as in `add_store`."""
    default = argparse.SUPPRESS if again else "text"
    parser.add_argument(
        "--format", choices=("text", "json"), default=default, help="text for people, json for programs"
    )


def add_filters(parser: argparse.ArgumentParser, states: str) -> None:
    """--state, --task, --queue, --tag. `states` says which ones are meant where --state is not given."""
    parser.add_argument(
        "--state", metavar="A,B", action="append", help=f"of {', '.join(STATES)} (default: {states}); may be repeated"
    )
    parser.add_argument("--task", metavar="NAME", help="only jobs of this task")
    parser.add_argument("--queue", metavar="NAME", help="only jobs of this queue")
    parser.add_argument("--tag", metavar="TAG", help="only jobs that bear this tag")


def store_url(args: argparse.Namespace) -> str:
    """The store that was chosen, as a URL."""
    if args.app is not None:
        return load_app(args.app).desk.url
    return str(args.store or os.environ.get("OAKUM_STORE") or DEFAULT_STORE)


@contextlib.contextmanager
def open_inspector(url: str) -> Iterator[Inspector]:
    """The store at `url`, to read and to act on. Raises UsageError where there is none: looking makes no store."""
    from oakum.clock import SystemClock
    from oakum.inspector.inspector import Inspector
    from oakum.store.open import open_store

    try:
        store = open_store(url, must_exist=True)
    except UsageError as error:
        raise UsageError(f"{error} (--store, --app or $OAKUM_STORE say which)") from error
    with contextlib.closing(store):
        yield Inspector(store, SystemClock())


def read_states(words: list[str] | None) -> tuple[State, ...]:
    """The states that --state names; none where it was not given. Raises UsageError for what is no state."""
    from oakum.model.job import State

    states: list[State] = []
    for word in ",".join(words or ()).split(","):
        name = word.strip().lower()
        if name and name not in STATES:
            raise UsageError(f"--state: {word!r} is none; there are {', '.join(STATES)}")
        if name:
            states.append(State[name.upper()])
    return tuple(states)


def read_query(args: argparse.Namespace) -> JobQuery:
    """What the filters say."""
    from oakum.model.job import JobQuery

    return JobQuery(states=read_states(args.state), task=args.task, queue=args.queue, tag=args.tag)


def load_app(target: str) -> Oakum:
    """Imports MODULE:APP. What it prints on the way goes to standard error: the command's own output stays clean.

    Raises UsageError where there is none, CannotRun with the place where its import fails.
    """
    from oakum.run.load import load

    with contextlib.redirect_stdout(sys.stderr):
        try:
            return load(target)
        except CannotRun as error:
            raise CannotRun(_one_line(f"{error}{_place(error.__cause__)}")) from error
        except SystemExit as error:
            raise CannotRun(f"app: importing {target} ends the process (exit status {error.code})") from error


def _place(error: BaseException | None) -> str:
    """The line at which an import failed: of code below the working directory, if any of it took part."""
    import traceback

    if error is None or isinstance(error, SyntaxError):  # which says its place itself
        return ""
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(os.getcwd() + os.sep)
    ]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def add_actions(
    parser: argparse.ArgumentParser,
    actions: Iterable[tuple[str, str]],
    add_changes: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Actions, each with its summary, upon things of given names; `list`, when none is said.

    `add_changes` adds the options of the action `set`.
    """
    parser.usage = f"{parser.prog} [options]\n       {parser.prog} ACTION [options] [NAME ...]"
    parser.set_defaults(action="list")
    add_format(parser)
    add_store(parser)
    subparsers = parser.add_subparsers(prog=parser.prog, metavar="ACTION", title="actions")
    for name, summary in actions:
        sub = subparsers.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        sub.set_defaults(action=name)
        if name != "list":
            sub.add_argument("name", metavar="NAME", nargs="+")
        if name == "set":
            add_changes(sub)
        add_format(sub, again=True)
        add_store(sub, again=True)
