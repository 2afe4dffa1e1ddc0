"""What is odd about the rules that an application declares: one that another makes pointless, a name that was misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from oakum.model.bounds import NO_RULES, Rate, RuleKind, Rules
from oakum.model.task import TaskSpec
from oakum.run.rules import write_rate


def odd_rules(declared: Mapping[RuleKind, Mapping[str, Rules]], tasks: Iterable[TaskSpec]) -> Iterator[str]:
    """A sentence for each."""
    queues, limits = declared.get("queue", {}), declared.get("task", {})
    tasks = list(tasks)
    for name, rules in sorted(queues.items()):
        yield from _of_queue(f"queue {name}", rules)
    for task in tasks:
        yield from _of_task(task, limits.get(task.name, NO_RULES), queues.get(task.queue, NO_RULES))
    yield from _misspelt(queues, {task.queue for task in tasks})


def _of_queue(where: str, rules: Rules) -> Iterator[str]:
    if rules.limit is not None and rules.key_limit > rules.limit:
        yield f"{where}: key_limit={rules.key_limit:,} is above its limit={rules.limit:,}, and never reached"
    if rules.key_rate is not None and rules.rate is not None and _faster(rules.key_rate, rules.rate):
        key_rate, rate = write_rate(rules.key_rate), write_rate(rules.rate)
        yield f"{where}: key_rate={key_rate} is above its rate={rate}, and never reached"


def _of_task(task: TaskSpec, rules: Rules, queue: Rules) -> Iterator[str]:
    where, there = f"task {task.name}", f"of its queue {task.queue}"
    if rules.limit is not None and queue.limit is not None and rules.limit > queue.limit:
        yield f"{where}: limit={rules.limit:,} is above limit={queue.limit:,} {there}, and never reached"
    if rules.rate is not None and queue.rate is not None and _faster(rules.rate, queue.rate):
        yield f"{where}: rate={write_rate(rules.rate)} is above rate={write_rate(queue.rate)} {there}, and never reached"


def _misspelt(queues: Mapping[str, Rules], used: set[str]) -> Iterator[str]:
    """Queues that are declared and not used, beside ones of nearly that name that are used and not declared."""
    strange, idle = sorted(used - queues.keys()), sorted(queues.keys() - used)
    if not strange or not idle:
        return
    import difflib  # seldom needed, and each child would have it

    for name in idle:
        for near in difflib.get_close_matches(name, strange, n=1, cutoff=0.8):
            yield f"queue {name} is declared and no task goes there, but to {near}, which is not declared: is that one name?"


def _faster(one: Rate, other: Rate) -> bool:
    """Whether a rate allows more in the long run, and no less at once."""
    return one.count * other.period_ms > other.count * one.period_ms and one.count >= other.count
