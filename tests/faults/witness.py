"""A store that writes down what it was asked and what it answered, and a checker of what was written down.

The history is of the seam: jobs put in, starts handed out, ends written, rights taken away. From it alone follows whether
a job was lost, invented, settled twice, in two hands at once, started too often, or before one that had come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from oakum.errors import EnqueueUnknown, StoreAway
from oakum.model.ids import id_text
from oakum.model.job import Claimed, JobView, NewJob, State
from oakum.model.lifecycle import Settlement
from oakum.model.outcome import Failed, Lost, OverBudget, TimedOut, decode_record
from oakum.store.base import Instant, Mark, Store, Want


class Put(NamedTuple):
    """A job was acknowledged. `order` is (priority, time): what comes first has the smaller; None for one put off."""

    job: bytes
    queue: str
    order: tuple[int, int] | None
    key: str | None = None


class Started(NamedTuple):
    """A job was handed out."""

    job: bytes
    token: int
    holder: int


class Ended(NamedTuple):
    """The end of a start was written, `in_time` or not; `charged` to one of the job's budgets, or not its fault."""

    job: bytes
    token: int
    holder: int
    state: State
    in_time: bool = True
    charged: bool = False


class Fenced(NamedTuple):
    """A holder lost its rights."""

    holder: int


class ClockSet(NamedTuple):
    """Somebody set the wall clock: what is put in from here on may come before what was put in until now."""


Event = Put | Started | Ended | Fenced | ClockSet
MOST_ASKED = 20
CHARGED = Failed, TimedOut, Lost, OverBudget
BUDGET = 2 + 2 + 2 + 1  # tries, crashes and starts over its memory that a job of the simulation survives, and its last


class Witness:
    """See `oakum.store.base.Store`. It passes on what it does not write down, and asks again where no answer came."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.history: list[Event] = []
        self.acknowledged: dict[bytes, Put] = {}
        self.unanswered = 0
        self._ids: dict[int, bytes] = {}

    def __getattr__(self, verb: str) -> Any:
        return partial(self._ask, verb)

    def _ask(self, verb: str, *args: Any) -> Any:
        for _ in range(MOST_ASKED):
            try:
                return getattr(self._store, verb)(*args)
            except (StoreAway, EnqueueUnknown):
                self.unanswered += 1
        raise AssertionError(f"{verb}: no answer came, {MOST_ASKED} times over")

    def insert(self, jobs: Sequence[NewJob], now: Instant) -> Sequence[Mark]:
        marks = self._ask("insert", jobs, now)
        refused = {mark.place for mark in marks}
        for place, job in enumerate(jobs):
            if place not in refused and job.id not in self.acknowledged:
                order = None if job.run_at_ms > now.wall_ms else (-job.priority, job.run_at_ms or now.wall_ms)
                self._put(Put(job.id, job.queue, order, job.key))
        return marks

    def retry(self, ids: Mapping[bytes, bytes], now: Instant) -> Mapping[bytes, bytes]:
        copies = self._ask("retry", ids, now)
        for old, copy in copies.items():
            self._put(self.acknowledged[old]._replace(job=copy, order=None))
        return copies

    def _put(self, event: Put) -> None:
        self.acknowledged[event.job] = event
        self.history.append(event)

    def claim(self, want: Want, now: Instant) -> Sequence[Claimed]:
        claimed = self._ask("claim", want, now)
        for job in claimed:
            self._ids[job.ref] = job.id
            self.history.append(Started(job.id, job.token, want.holder))
        return claimed

    def settle(self, settlements: Sequence[Settlement], holder: int, now: Instant) -> Sequence[int]:
        late = self._ask("settle", settlements, holder, now)
        for place, each in enumerate(settlements):
            charged = each.record is not None and isinstance(decode_record(each.record).outcome, CHARGED)
            end = Ended(self._ids[each.ref], each.token, holder, each.state, place not in late, charged)
            self.history.append(end)
        return late

    def fence(self, holder: int, seen_lease_ms: int) -> bool:
        fenced = self._ask("fence", holder, seen_lease_ms)
        if fenced:
            self.history.append(Fenced(holder))
        return fenced


@dataclass
class _Job:
    """What is known of a job so far."""

    put: Put
    place: int
    token: int = 0
    holders: dict[int, int] = field(default_factory=dict)  # by token, of starts whose end was not written
    ended: int = 0
    charged: int = 0
    first: int = 0  # which of all starts was its first


def faults(history: Iterable[Event], rows: Iterable[JobView]) -> list[str]:
    """Everything in a history that must not be, each in one line; `rows` is what the store has in the end."""
    check = _Check()
    found = [fault for event in history for fault in check.event(event)]
    return found + list(check.end(list(rows)))


class _Check:
    def __init__(self) -> None:
        self._jobs: dict[bytes, _Job] = {}
        self._lines: dict[tuple[int, str, str | None], list[_Job]] = {}
        self._by_key: dict[tuple[str, str], list[_Job]] = {}
        self._clocks = 0
        self._fenced: set[int] = set()
        self._starts = 0

    def event(self, event: Event) -> Iterator[str]:
        """What is wrong with the next event."""
        if isinstance(event, Put):
            job = self._jobs[event.job] = _Job(event, len(self._jobs))
            if event.key is not None:
                self._by_key.setdefault((event.queue, event.key), []).append(job)
            if event.order is not None:
                self._lines.setdefault((self._clocks, event.queue, event.key), []).append(job)
        elif isinstance(event, ClockSet):
            self._clocks += 1
        elif isinstance(event, Fenced):
            self._fenced.add(event.holder)
        elif event.job not in self._jobs:
            yield f"{id_text(event.job)}: nobody enqueued it"
        elif isinstance(event, Started):
            yield from self._start(event, self._jobs[event.job])
        else:
            yield from self._settle(event, self._jobs[event.job])

    def _start(self, event: Started, job: _Job) -> Iterator[str]:
        name = id_text(event.job)
        if event.token <= job.token:
            yield f"{name}: token {event.token} after {job.token}"
        if job.ended:
            yield f"{name}: started after its end"
        if any(holder not in self._fenced for holder in job.holders.values()):
            yield f"{name}: two valid leases at once"
        elif job.holders:
            yield f"{name}: started again before anybody gave it back"
        if job.put.key is not None:
            for other in self._by_key[job.put.queue, job.put.key]:
                if other is not job and other.holders:
                    yield f"{name}: started beside {id_text(other.put.job)} of its key"
        self._starts += 1
        job.first = job.first or self._starts
        job.token = event.token
        job.holders[event.token] = event.holder

    def _settle(self, event: Ended, job: _Job) -> Iterator[str]:
        if not event.in_time:
            return
        name = id_text(event.job)
        if job.holders.pop(event.token, None) != event.holder:
            yield f"{name}: settled by {event.holder}, which did not have it"
        job.charged += event.charged
        if job.charged > BUDGET:
            yield f"{name}: started too often: {job.charged} starts were charged to it"
        job.ended += event.state.terminal
        if job.ended > 1:
            yield f"{name}: settled {job.ended} times"

    def _out_of_order(self) -> Iterator[str]:
        """First starts of one queue, or of one key in it, before those of jobs that were there and came first.

        Of a key it is judged only where no job was put off or comes again: whether that one came first is a matter of taste.
        """
        for (_, queue, key), jobs in self._lines.items():
            mates = [] if key is None else self._by_key[queue, key]
            if len(mates) > len(jobs):
                continue
            line = sorted((job for job in jobs if job.first), key=lambda job: (job.put.order or (), job.place))
            for job, later in pairwise(line):
                if job.place < later.place and job.first > later.first:
                    yield f"{id_text(later.put.job)}: started before {id_text(job.put.job)}, which came first"

    def end(self, rows: list[JobView]) -> Iterator[str]:
        """What is wrong when all is over."""
        yield from self._out_of_order()
        there = Counter(row.id for row in rows)
        yield from (f"{id_text(each)}: acknowledged, and not in the store" for each in self._jobs.keys() - there.keys())
        yield from (f"{id_text(each)}: nobody enqueued it" for each in there.keys() - self._jobs.keys())
        yield from (f"{id_text(each)}: {times} rows" for each, times in there.items() if times > 1)
        for row in rows:
            job = self._jobs.get(row.id)
            if not row.state.terminal:
                yield f"{id_text(row.id)}: never ended, is {row.state.label}"
            if row.state is State.COMPLETED and (job is None or job.ended != 1):
                yield f"{id_text(row.id)}: completed, and no worker settled it"
