"""How `oakum check` looks: tasks, queues, schedules, what is wrong, the store, what to do now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from oakum.cli import show
from oakum.cli.queue_view import a_key, bound
from oakum.inspector.queues import rules_row
from oakum.inspector.tasks import task_rules
from oakum.model.bounds import NO_RULES, Rules
from oakum.model.schedule.spec import Schedule
from oakum.model.task import Manifest, TaskSpec
from oakum.store.care import Survey
from oakum.store.shown import shown_url
from oakum.units import format_duration, format_size


def check_view(
    declared: Manifest, schedules: Mapping[str, Schedule], seconds: float, warnings: Sequence[str], now_ms: int
) -> Iterator[RenderableType]:
    """What is declared, a part at a time. `seconds` are those that the import took."""
    store, count = shown_url(declared.store), len(declared.tasks)
    tasks = "1 task" if count == 1 else f"{count} tasks"
    most = declared.rules.get("store", {}).get("", NO_RULES).max_bytes
    at_most = "" if most is None else f" (at most {format_size(most)})"
    yield f"{declared.app}: {tasks} on {store}{at_most}, imported in {format_duration(seconds)}"
    if declared.tasks:
        yield ""
        yield _tasks(declared.tasks, declared.rules.get("task", {}))
        yield ""
    if queues := declared.rules.get("queue"):
        yield _queues(queues)
        yield ""
    if schedules:
        yield _schedules(schedules, now_ms)
        yield ""
    for warning in warnings:
        yield Text(f"! {warning}", "yellow")


def store_view(survey: Survey | None, trouble: str) -> Iterator[RenderableType]:
    """What survives in the store, and what endangers it; or why no worker can use it."""
    if trouble:
        yield Text(f"! {trouble}", "red")
    if survey is not None:
        there = "not there yet" if survey.version is None else f"there, version {survey.version}"
        yield f"store: {there}; {survey.durability}"
        for finding in survey.findings:
            yield Text(f"! {show.clean(finding.message)}; {show.clean(finding.remedy)}", "yellow")


def _tasks(tasks: Sequence[TaskSpec], rules: Mapping[str, Rules]) -> Table:
    limited = any(each != NO_RULES for each in rules.values())
    heads = ["AT ONCE", "RATE"] if limited else []
    table = show.table("TASK", "QUEUE", "MEMORY", "TIMEOUT", "RETRIES", *heads, left=2)
    table.columns[0].no_wrap = False
    for task in tasks:
        limits = task_rules(rules.get(task.name, NO_RULES))
        cells = [show.count(limits.limit), limits.rate or show.UNKNOWN] if limited else []
        table.add_row(Text.assemble(task.name, (task.signature, "bright_black")), *_cells(task), *cells)
    return table


def _cells(task: TaskSpec) -> tuple[str, str, str, str]:
    memory = "learned" if task.memory is None else format_size(task.memory)
    if task.memory_max is not None:
        memory += f" to {format_size(task.memory_max)}"
    timeout = format_duration(task.timeout_s) if task.timeout_s else "none"
    retries = max(rule.count for rule in task.retry)
    return task.queue, memory, timeout, str(retries) if retries else "-"


def _queues(queues: Mapping[str, Rules]) -> Table:
    table = show.table("QUEUE", "BOUND", "AT ONCE", "RATE", "A KEY", left=2)
    for name, rules in sorted(queues.items()):
        row = rules_row(rules)
        table.add_row(name, bound(row), show.count(row.limit), row.rate or show.UNKNOWN, a_key(row))
    return table


def _schedules(schedules: Mapping[str, Schedule], now_ms: int) -> Table:
    table = show.table("SCHEDULE", "TICKS", "TASK", "NEXT", left=4)
    for name, schedule in sorted(schedules.items()):
        tick = schedule.after(now_ms)
        table.add_row(
            name, str(schedule.timing), schedule.job.task, "never again" if tick is None else show.moment(tick)
        )
    return table


def next_step(declared: Manifest) -> str:
    """What to do now."""
    if not declared.tasks:
        return "declare one: put @app.task above a function"
    return f"run it: oakum worker {declared.app}"
