"""`oakum purge`: deletes millions of rows or files in a few megabytes."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from oakum.purge import Options, Progress, Report

EXIT_INCOMPLETE: Final = 3
_MAX_LOCK: Final = "250ms"

_EPILOG: Final = """\
examples:
  oakum purge table sqlite:///work.db events --older-than 90d --column created --dry-run
  oakum purge queryset terminal.Session --where date_start__lt=2024-01-01 --settings mysite.settings
  oakum purge files /var/replays --older-than 90d --match '*.gz'
  oakum purge own --store sqlite:///work.db
  oakum purge ready django-celery-results --older-than 7d --settings mysite.settings

Ctrl-C, SIGTERM and every limit end it after the batch under way; the same command goes on from there."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    limits = _limits()
    old = _option("--older-than", metavar="TIME", help="what is older than this: 90d, 12h")
    column = _option("--column", metavar="NAME", help="the column that says how old a row is")
    where = _option("--where", metavar="CONDITION", action="append", default=[], help="may be given several times")
    every = _option("--all", action="store_true", help="yes, every row or file")
    django = _option("--settings", metavar="MODULE", help="Django's settings (DJANGO_SETTINGS_MODULE)")
    lock = _option(
        "--max-lock", metavar="TIME", default=_MAX_LOCK, help="size batches so that no lock is longer (%(default)s)"
    )
    position = _option(
        "--position", metavar="FILE", help="keeps how far it came; by default below ~/.local/state/oakum"
    )
    rows = [old, column, where, every, lock, position, limits]
    parser.set_defaults(all=False, max_lock=_MAX_LOCK, position=None)

    add = kinds.add_parser("table", parents=rows, help="rows of a plain table",
        description="Deletes rows of a table in SQLite, PostgreSQL, MySQL or MariaDB. Conditions read like "
        "status=done, created<2024-01-01 or 'owner is null'.").add_argument  # fmt: skip
    add("url", metavar="URL", help="sqlite:///file.db, postgresql://user@host/db or mysql://user@host/db")
    add("table", metavar="TABLE", help="its name, with its schema in front where that is needed")

    add = kinds.add_parser("queryset", parents=[*rows, django], help="rows of a Django model",
        description="Deletes rows of a Django model as its delete() would, with cascades and signals. Conditions are "
        "Django's lookups, like date_start__lt=2024-01-01.").add_argument  # fmt: skip
    add("model", metavar="APP.MODEL", help="like terminal.Session")
    add("--mode", choices=("auto", "fast"), default="auto", help="fast: only if nothing need be loaded (%(default)s)")
    add("--database", metavar="ALIAS", help="one of Django's DATABASES; by default where the model is written")

    add = kinds.add_parser("files", parents=[old, every, limits], help="files below a directory",
        description="Deletes files below a directory, and directories that are then empty. Follows no link and enters no "
        "other file system.").add_argument  # fmt: skip
    add("directory", metavar="DIR")
    add("--match", metavar="PATTERN", action="append", default=[], help="names like '*.gz'; may be given several times")

    add = kinds.add_parser("own", parents=[lock, limits], help="Oakum's own history",
        description="Deletes ended jobs past their retention: what a worker does as it goes, at once.").add_argument  # fmt: skip
    add("--store", metavar="URL", required=True, help="like sqlite:///work.db")

    from oakum.purge.ready import READY

    listing = "\n".join(f"  {name:22} {one.summary}" for name, one in READY.items())
    add = kinds.add_parser("ready", parents=[old, django, lock, position, limits],
        help="what many people have: sessions, logs, results",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"names:\n{listing}").add_argument  # fmt: skip
    add("name", metavar="NAME", choices=list(READY))
    add("source", metavar="SOURCE", nargs="?", default="", help="a URL or directory, where the purge needs one")


def _option(name: str, **settings: Any) -> argparse.ArgumentParser:
    """A parent for the kinds that have this option."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(name, **settings)
    return parser


def _limits() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    add = parser.add_argument_group("limits and ways").add_argument
    add("--dry-run", action="store_true", help="count what would go, exactly, and delete nothing")
    add("--max-rows", metavar="N", type=int, help="stop after N rows or files")
    add("--max-time", metavar="TIME", help="stop after this time")
    add("--max-memory", metavar="SIZE", help="stop when the process has grown by this much")
    add("--pause", metavar="TIME", help="between two batches; by default as long as others need to get in")
    add("--format", choices=("text", "json"), default="text", help="of the report (%(default)s)")
    return parser


def run(args: argparse.Namespace) -> int:
    from oakum.cli import purge_show

    with _stoppable() as caught, purge_show.progress() as tell:
        reports = _purge(args, _options(args, caught, tell))
    if args.format == "json":
        print(json.dumps([asdict(report) for report in reports]))
    else:
        for report in reports:
            print(purge_show.line(report))
    if caught:
        return 128 + caught[0]
    complete = all(report.ended not in {"disk full", "locked"} and not report.skipped for report in reports)
    return 0 if complete else EXIT_INCOMPLETE


def _purge(args: argparse.Namespace, options: Options) -> list[Report]:
    from oakum import purge
    from oakum.errors import UsageError
    from oakum.purge.ready import READY

    if args.kind == "table":
        return [
            purge.table(
                args.url, args.table, column=args.column, older_than=args.older_than, where=args.where, options=options
            )
        ]
    if args.kind == "files":
        return [purge.files(args.directory, older_than=args.older_than, match=args.match, options=options)]
    if args.kind == "own":
        return [purge.own(args.store, options=options)]
    if args.kind == "queryset":
        with _django(args.settings):
            return [purge.queryset(_rows(args, options.clock.wall()), mode=args.mode, options=options)]
    ready = READY[args.name]
    if args.older_than is None:
        raise UsageError(f"{args.name}: say --older-than, like --older-than 90d")
    if ready.source and not args.source:
        raise UsageError(f"{args.name}: give {ready.source} as the second word")
    with _django(args.settings) if ready.django else nullcontext():
        return ready.run(args.source, args.older_than, options)


def _rows(args: argparse.Namespace, wall: float) -> QuerySet[Any]:
    from oakum.errors import UsageError
    from oakum.purge.orm.lookups import older_than, rows_of
    from oakum.units import parse_duration

    if (args.column is None) != (args.older_than is None):
        raise UsageError("--older-than and --column go together: say how old, and by which column")
    rows = rows_of(args.model, args.where, args.database)
    if args.column is None:
        return rows
    return older_than(rows, args.column, wall - parse_duration(args.older_than, name="--older-than", zero=True))


@contextmanager
def _django(settings: str | None) -> Iterator[None]:
    """Sets Django up, and says in a line what it raises: a protected row, a table that is not there, a server that has gone."""
    from oakum.errors import CannotRun, UsageError

    if settings:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise UsageError("which Django project? say --settings mysite.settings or set DJANGO_SETTINGS_MODULE")
    sys.path.insert(0, os.getcwd())
    try:
        import django

        django.setup()
        from django.db import Error
    except ImportError as error:
        raise CannotRun(f"cannot set Django up: {error}; run it in the project's directory and environment") from error
    try:
        yield
    except Error as error:
        reason = str(error.args[0] if error.args else error).strip().partition("\n")[0]
        raise CannotRun(f"{reason}; what is deleted stays deleted") from error


def _options(args: argparse.Namespace, caught: list[int], tell: Callable[[Progress], None] | None) -> Options:
    from oakum.purge import LogLines, Options

    return Options(
        dry_run=args.dry_run,
        all=args.all,
        count=tell is not None,
        max_rows=args.max_rows,
        max_time=args.max_time,
        max_memory=args.max_memory,
        max_lock=args.max_lock,
        pause=args.pause,
        position=args.position or _position(args),
        stop=lambda: bool(caught),
        progress=tell or LogLines(),
        note=lambda text: print(text, file=sys.stderr),
    )


def _position(args: argparse.Namespace) -> str | None:
    """Where this purge's position is kept: a file of its own for each thing that is purged."""
    if args.kind in {"files", "own"}:
        return None
    what = [
        getattr(args, name, None)
        for name in ("kind", "url", "table", "settings", "model", "database", "name", "source")
    ]
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "oakum", "purge", hashlib.sha256(repr(what).encode()).hexdigest()[:32])


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGINT while it lasts. A second one ends the process as it would have ended it before."""
    caught: list[int] = []
    before: dict[int, Any] = {}

    def catch(number: int, _: object) -> None:
        caught.append(number)
        signal.signal(number, before[number])

    for number in (int(signal.SIGTERM), int(signal.SIGINT)):
        before[number] = signal.signal(number, catch)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
