"""What `oakum purge` shows: a bar with rate and remaining time on a terminal, log lines elsewhere, and a line at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oakum.units import format_duration, format_size

if TYPE_CHECKING:
    from oakum.purge import Progress, Report


@contextmanager
def progress() -> Iterator[Callable[[Progress], None] | None]:
    """What is to hear of progress: a bar on a terminal; None elsewhere, where log lines go to standard error."""
    if not sys.stderr.isatty():
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
        yield None
        return
    from rich import progress as rich
    from rich.console import Console
    from rich.markup import escape

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TextColumn("{task.fields[said]}"))
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, rich.TaskID] = {}

        def tell(now: Progress) -> None:
            if now.label not in tasks:
                tasks[now.label] = bar.add_task(escape(now.label), total=now.total, said="")
            bar.update(tasks[now.label], completed=now.done, said=f"{now.amount}, {now.pace}")

        yield tell


def line(report: Report) -> str:
    """The report in one line."""
    if report.would is not None:
        return f"{report.label}: {report.would:,} {report.unit} would go (dry run: nothing was touched)"
    parts = [f"{report.rows:,} {report.unit} deleted in {format_duration(report.seconds)}"]
    if report.seconds > 0:
        parts.append(f"{report.rows / report.seconds:,.0f}/s")
    if report.longest_lock:
        parts.append(f"longest lock {format_duration(report.longest_lock)}")
    if report.freed:
        parts.append(f"{format_size(report.freed)} freed")
    if report.skipped:
        parts.append(f"{report.skipped:,} left alone")
    if not report.complete:
        parts.append(f"ended early ({report.ended}): the same command goes on from there")
    return f"{report.label}: " + ", ".join(parts)
