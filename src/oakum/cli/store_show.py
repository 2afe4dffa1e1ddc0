"""What `oakum store` shows: a bar for each step on a terminal, lines elsewhere, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oakum.cli import show
from oakum.store.shown import address
from oakum.units import format_size

if TYPE_CHECKING:
    from oakum.inspector.move import Load, Moved
    from oakum.store.care import Look, Room, Step, Tell


@contextmanager
def progress() -> Iterator[Tell]:
    """What is to hear of each step; it writes to standard error."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, rich.TaskID] = {}

        def tell(step: Step) -> None:
            if step.what not in tasks:
                tasks[step.what] = bar.add_task(step.what)
            total = max(step.total, step.done)  # it may have grown since it was counted
            bar.update(tasks[step.what], completed=step.done, total=total)

        yield tell


class _Lines:
    """A line when a step begins, one at each tenth of it, and one at its end."""

    def __init__(self) -> None:
        self._what, self._tenth = "", -1

    def tell(self, step: Step) -> None:
        tenth = 10 if step.done >= step.total else 10 * step.done // step.total
        if (step.what, tenth) != (self._what, self._tenth):
            self._what, self._tenth = step.what, tenth
            print(
                f"oakum store: {step.what}: {step.done:,} of {max(step.total, step.done):,}",
                file=sys.stderr,
                flush=True,
            )


def print_look(look: Look) -> None:
    """What was looked at, and each finding with its remedy: as soon as it is known."""
    verdict = "not sound" if look.findings else look.note or "sound"
    print(f"{look.what}: {verdict}", flush=True)
    for finding in look.findings:
        print(f"  {show.clean(finding.message)}; {show.clean(finding.remedy)}", flush=True)


def print_looks(looks: Sequence[Look]) -> None:
    """All of it, for programs."""
    show.print_json({"sound": not any(look.findings for look in looks), "looks": looks})


def print_backup(to: str, size: int, form: str) -> None:
    """Where the copy is."""
    if form == "json":
        show.print_json({"file": to, "bytes": size})
    else:
        print(f"{to}: {format_size(size)}, checked and on the disk")


def print_room(room: Room, form: str) -> None:
    """What was won."""
    if form == "json":
        show.print_json({"before": room.before, "after": room.after})
    else:
        print(f"{format_size(room.before)} before, {format_size(room.after)} now")


def print_move(done: Load | Moved | None, source: str, form: str) -> None:
    """What was moved, or would be; None: the move was undone."""
    if form == "json":
        show.print_json({"open": address(source)} if done is None else done)
    elif done is None:
        print(f"{address(source)}: open again; what was brought to the other store is not to be used")
    else:
        print(_sentence(done))


def _sentence(done: Load | Moved) -> str:
    from oakum.inspector.move import Load

    where = f"from {done.source} to {done.target}"
    if not isinstance(done, Load):
        return f"moved {show.jobs(done.jobs)} {where}, {done.waiting:,} of them waiting; workers and publishers go on there"
    runs = f"; {done.running:,} that run on {done.workers:,} workers would be waited for" if done.running else ""
    return (
        f"would move {show.jobs(done.waiting + done.running + done.ended)} ({done.ended:,} have ended,"
        f" {format_size(done.bytes)}) and {done.schedules:,} schedules {where}{runs} (dry run: nothing was touched)"
    )
