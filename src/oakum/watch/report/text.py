"""The report for a terminal: findings first, then who grew, with the last days in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from oakum.model.finding import Finding, Severity
from oakum.units import format_duration, format_size
from oakum.watch.report.moments import moment, stretch
from oakum.watch.report.summary import Report

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH: Final = 24
_NARROW: Final = 100  # columns: in fewer the sparklines of families are half as wide
_INDENTED: Final = (0, 0, 0, 2)
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def sparkline(figures: Sequence[float | None], width: int = _SPARK_WIDTH) -> str:
    """One line of bars from zero to the largest figure; a blank where nothing is known."""
    step = max(len(figures) / width, 1.0)
    parts = [
        figures[int(n * step) : max(int((n + 1) * step), int(n * step) + 1)] for n in range(round(len(figures) / step))
    ]
    highs = [max((figure for figure in part if figure is not None), default=None) for part in parts]
    top = max((high for high in highs if high is not None), default=0.0) or 1.0
    return "".join(" " if high is None else _BARS[round(max(high, 0.0) / top * (len(_BARS) - 1))] for high in highs)


def print_report(report: Report, console: Console, most_families: int) -> None:
    """Prints the report; `most_families` lines of families at the most."""
    for line in _head(report):
        console.print(line)
    console.print()
    _print_findings(report.findings, console)
    console.print(_families(report, most_families, _SPARK_WIDTH if console.width >= _NARROW else _SPARK_WIDTH // 2))
    left = len(report.families) + report.families_left_out - most_families
    if left > 0:
        console.print(f"[dim]and {left} more families; --top shows more[/dim]")
    if report.runs:
        console.print()
        console.print(_runs(report))
    for note in (*report.notes, *report.damage):
        console.print(f"[dim]note: {escape(note)}[/dim]")


def _head(report: Report) -> Iterator[str]:
    yield (
        f"[bold]{moment(report.begin_s)} to {moment(report.end_s)} UTC[/bold] ({stretch(report.hours)}): "
        f"{report.samples:,} samples of {report.processes:,} processes, a look every {format_duration(report.step_s)}"
    )
    known = [figure for figure in report.used_bytes if figure is not None]
    if known:
        of = f" of {format_size(report.total_bytes)}" if report.total_bytes is not None else ""
        yield (
            f"memory in use {sparkline(report.used_bytes, 48)} "
            f"{format_size(known[0])} then, {format_size(known[-1])} now, {format_size(max(known))} at most{of}"
        )
    if report.boots_s:
        yield f"booted {', '.join(moment(boot) for boot in report.boots_s[-5:])} UTC"
    silent = [gap for gap in report.gaps if not gap.reboot]
    if silent:
        lost = sum(gap.end_s - gap.start_s for gap in silent)
        yield f"not looked at for {format_duration(lost)}, in {len(silent)} gaps; the longest begins {_longest(report)} UTC"


def _longest(report: Report) -> str:
    gap = max((gap for gap in report.gaps if not gap.reboot), key=lambda gap: gap.end_s - gap.start_s)
    return moment(gap.start_s)


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    if not findings:
        console.print("[green]nothing found[/green]: no process grows for more than a day, piles up or hangs\n")
        return
    for finding in findings:
        colour = _COLOURS[finding.severity]
        console.print(f"[{colour}]{finding.severity} {finding.code} {finding.name}[/{colour}]")
        for text in (escape(finding.message), f"[dim]{escape(finding.mend)}[/dim]"):
            console.print(Padding(text, _INDENTED, expand=False))
        console.print()


def _families(report: Report, most: int, spark_width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)  # or the figures give way to long names
    table.add_column("FAMILY OF COMMANDS", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("ALIVE", "NOW", "GAINED", "AN HOUR"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"LAST {stretch(report.hours).upper()}", no_wrap=True, min_width=spark_width)
    for family in report.families[:most]:
        table.add_row(
            escape(family.name),
            str(family.living),
            format_size(family.now_bytes),
            f"{'+' if family.gained_bytes > 0 else ''}{format_size(family.gained_bytes)}",
            f"{'+' if family.bytes_per_hour > 0 else ''}{format_size(family.bytes_per_hour)}",
            sparkline(family.memory, spark_width),
        )
    return table


def _runs(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("RUN BY oakum run", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in (
        "RUNS",
        "WELL",
        "FAILED",
        "TIMED OUT",
        "OVER MEMORY",
        "SKIPPED",
        "UNENDED",
        "MEDIAN",
        "LONGEST",
        "PEAK",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for line in report.runs:
        counts = (line.runs, line.well, line.failed, line.timed_out, line.over_memory, line.skipped, line.unended)
        durations = (format_duration(line.median_seconds), format_duration(line.longest_seconds))
        table.add_row(escape(line.name), *map(str, counts), *durations, format_size(line.peak_bytes))
    return table
