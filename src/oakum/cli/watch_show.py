"""`oakum watch show`: what the record has to say, as text, JSON or one HTML page."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from oakum.errors import CannotRun, UsageError

if TYPE_CHECKING:
    from oakum.model.finding import Finding
    from oakum.watch.report.summary import Report

_DEFAULT_WINDOW: Final = "48h"
_SEVERITIES: Final = ("info", "warning", "error")
_WIDEST: Final = 160  # columns, where there is no terminal to ask


def configure(parser: argparse.ArgumentParser) -> None:
    """Which time, in which form, and when to exit with 1."""
    add = parser.add_argument
    add("--since", default=_DEFAULT_WINDOW, metavar="WHEN", help="from then on: '7d' (before the newest sample) or "
        "'2025-12-21 11:15' (default: %(default)s)")  # fmt: skip
    add("--until", metavar="WHEN", help="up to then (default: the newest sample)")
    add("--format", choices=("text", "json", "html"), default="text", help="(default: %(default)s)")
    add("--output", metavar="FILE", help="write it there instead of to standard output")
    add("--top", type=int, default=15, metavar="N", help="how many families the text lists (default: %(default)s)")
    add("--fail-on", choices=_SEVERITIES, metavar="SEVERITY", help="exit with 1 if there is a finding of this severity "
        "or above: info, warning, error")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the report; 1 where `--fail-on` says so."""
    if args.top < 1:
        raise UsageError(f"--top: {args.top} is less than one line")
    report = _report(args)
    text = _render(report, args.format, args.top, to_file=args.output is not None)
    if args.output is None:
        sys.stdout.write(text)
    else:
        try:
            with open(args.output, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CannotRun(f"--output: {args.output}: {error.strerror}") from error
    return 1 if args.fail_on is not None and _reaches(report.findings, args.fail_on) else 0


def _report(args: argparse.Namespace) -> Report:
    from oakum.watch.guard.runlog import RunLog
    from oakum.watch.load import load, newest_s
    from oakum.watch.places import default_archive
    from oakum.watch.report.summary import summarise
    from oakum.watch.rules import diagnose
    from oakum.watch.rules.case import Case
    from oakum.watch.when import parse_when

    directory = args.archive or default_archive()
    newest = newest_s(directory)
    since = parse_when(args.since, newest, name="--since")
    until = parse_when(args.until, newest, name="--until") if args.until is not None else float("inf")
    history = load(directory, since, until)
    if not history.times:
        raise CannotRun(
            f"{directory}: nothing was recorded between --since {args.since} and --until {args.until or 'now'}"
        )
    runs = [run for run in RunLog(directory).read() if since <= run.at <= until]
    return summarise(history, diagnose(Case(history, runs)), runs)


def _render(report: Report, form: str, top: int, *, to_file: bool) -> str:
    if form == "json":
        import json

        from oakum.watch.report.as_json import as_json

        return json.dumps(as_json(report), indent=1) + "\n"
    if form == "html":
        from oakum.watch.report.html import as_html

        return as_html(report)
    import io

    from rich.console import Console

    from oakum.watch.report.text import print_report

    terminal = sys.stdout.isatty() and not to_file
    console = Console(file=io.StringIO(), force_terminal=terminal, width=None if terminal else _WIDEST, highlight=False)
    with console.capture() as captured:
        print_report(report, console, top)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _reaches(findings: tuple[Finding, ...], severity: str) -> bool:
    from oakum.model.finding import Severity

    return any(finding.severity.rank >= Severity(severity).rank for finding in findings)
