"""`oakum check`: imports an application and says what it declares, or what is wrong with it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oakum.cli import options
from oakum.store.shown import shown_url
from oakum.units import format_duration, format_size

if TYPE_CHECKING:
    from oakum.model.schedule.spec import Schedule
    from oakum.model.task import Manifest, TaskSpec


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="MODULE:APP", help="where the application is, like shop.tasks:app")
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    begun = time.monotonic()
    app = options.load_app(args.app)
    seconds = time.monotonic() - begun
    from oakum.cli import show
    from oakum.run.load import manifest

    declared = manifest(app, args.app)
    if args.format == "json":
        show.print_json(_as_json(declared, app.schedules, seconds))
    else:
        _print(declared, app.schedules, seconds)
    return 0


def _as_json(declared: Manifest, schedules: Mapping[str, Schedule], seconds: float) -> dict[str, Any]:
    return {
        "app": declared.app,
        "store": shown_url(declared.store),
        "import_s": round(seconds, 3),
        "tasks": declared.tasks,
        "schedules": [_schedule_as_json(name, schedule) for name, schedule in sorted(schedules.items())],
        "warnings": _warnings(declared),
    }


def _schedule_as_json(name: str, schedule: Schedule) -> dict[str, Any]:
    task, tick = schedule.job.task, _next_tick(schedule)
    return {"name": name, "timing": str(schedule.timing), "task": task, "overlap": schedule.overlap, "next_ms": tick}


def _next_tick(schedule: Schedule) -> int | None:
    return schedule.after(int(time.time() * 1000))


def _print(declared: Manifest, schedules: Mapping[str, Schedule], seconds: float) -> None:
    from rich.text import Text

    from oakum.cli import show

    console = show.console()
    store = shown_url(declared.store)
    tasks = "1 task" if len(declared.tasks) == 1 else f"{len(declared.tasks)} tasks"
    console.print(f"{declared.app}: {tasks} on {store}, imported in {format_duration(seconds)}", soft_wrap=True)
    if declared.tasks:
        table = show.table("TASK", "QUEUE", "MEMORY", "TIMEOUT", "RETRIES", left=2)
        table.columns[0].no_wrap = False
        for task in declared.tasks:
            table.add_row(Text.assemble(task.name, (task.signature, "bright_black")), *_cells(task))
        console.print("", table, "", sep="\n")
    if schedules:
        table = show.table("SCHEDULE", "TICKS", "TASK", "NEXT", left=4)
        for name, schedule in sorted(schedules.items()):
            tick = _next_tick(schedule)
            coming = "never again" if tick is None else show.moment(tick)
            table.add_row(name, str(schedule.timing), schedule.job.task, coming)
        console.print(table, "", sep="\n")
    for warning in _warnings(declared):
        console.print(Text(f"! {warning}", "yellow"), soft_wrap=True)
    console.print(_next(declared), soft_wrap=True)


def _cells(task: TaskSpec) -> tuple[str, str, str, str]:
    memory = "learned" if task.memory is None else format_size(task.memory)
    if task.memory_max is not None:
        memory += f" to {format_size(task.memory_max)}"
    timeout = format_duration(task.timeout_s) if task.timeout_s else "none"
    retries = max(rule.count for rule in task.retry)
    return task.queue, memory, timeout, str(retries) if retries else "-"


def _warnings(declared: Manifest) -> list[str]:
    spawn = [f"children are started anew instead of forked: {declared.spawn}"] if declared.spawn else []
    return [*declared.warnings, *spawn]


def _next(declared: Manifest) -> str:
    """What to do now."""
    if not declared.tasks:
        return "declare one: put @app.task above a function"
    return f"run it: oakum worker {declared.app}"
