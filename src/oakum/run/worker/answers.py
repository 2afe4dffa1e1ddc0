"""Storing what running jobs enqueue, and the answer to each."""

from __future__ import annotations

from collections.abc import Sequence

from oakum.errors import DuplicateJob, QueueFull, StoreError
from oakum.run.link.calls import Answer, Call, Stored, refusal
from oakum.store.base import Instant, Store


def answer(store: Store, calls: Sequence[Call], now: Instant) -> list[Answer]:
    """Stores what all of them want in one commit; where one of them is refused there, each in its own."""
    try:
        marks = {mark.place: mark.id for mark in store.insert([job for call in calls for job in call.jobs], now)}
    except StoreError as error:
        if len(calls) > 1 and isinstance(error, (QueueFull, DuplicateJob)):
            return [each for call in calls for each in answer(store, [call], now)]
        return [refusal(error) for _ in calls]
    answers: list[Answer] = []
    first = 0
    for call in calls:
        places = range(first, first + len(call.jobs))
        answers.append(Stored([(place - first, marks[place]) for place in places if place in marks]))
        first += len(call.jobs)
    return answers
