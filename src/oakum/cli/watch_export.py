"""`oakum watch export`: what was recorded, for other tools."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from oakum.errors import CannotRun, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """The format, the window, the file."""
    parser.add_argument("--format", choices=("csv", "parquet", "prometheus"), default="csv", help="(default: csv)")
    parser.add_argument(
        "--table", default="processes", help="processes, churn, host, cgroups, crontabs (default: processes)"
    )
    parser.add_argument(
        "--since", metavar="WHEN", help="2h (ago), or 2025-12-21T11:15; prometheus: without it the newest sample"
    )
    parser.add_argument("--until", metavar="WHEN", help="the same")
    parser.add_argument("--output", metavar="FILE", help="put in place when it is whole (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Writes the figures."""
    from oakum.watch.export.csv import write_csv
    from oakum.watch.export.parquet import write_parquet
    from oakum.watch.export.prometheus import write_prometheus
    from oakum.watch.export.rows import Window
    from oakum.watch.load import load, newest_s
    from oakum.watch.places import default_archive
    from oakum.watch.when import parse_when

    directory = args.archive or default_archive()
    newest = newest_s(directory)
    since = parse_when(args.since, newest, name="--since") if args.since else 0.0
    until = parse_when(args.until, newest, name="--until") if args.until else newest
    if args.format == "parquet" and args.output is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: name a file with --output")
    with _output(args.output, binary=args.format == "parquet") as out:
        if args.format == "parquet":
            write_parquet(Window(directory, args.table, since, until), out)
        elif args.format == "csv":
            write_csv(Window(directory, args.table, since, until), out)
        else:
            newest_only = not args.since and not args.until
            history = load(directory, newest if newest_only else since, until)
            write_prometheus(history, out, newest_only=newest_only)
    return 0


@contextmanager
def _output(path: str | None, *, binary: bool) -> Iterator[IO[Any]]:
    """Standard output, or a file that is put in place when all of it is written: nobody reads half of one."""
    if path is None:
        yield sys.stdout.buffer if binary else sys.stdout
        return
    made = f"{path}.new"
    try:
        with open(made, "wb" if binary else "w", encoding=None if binary else "utf-8") as file:
            yield file
        os.replace(made, path)
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
