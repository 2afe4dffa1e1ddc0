"""Moves a store to another place while it is used: no job lost, none run twice, and each step may be taken again.

The ended jobs go first, while all goes on. Then the source is shut, what runs is settled, and the rest follows. Both
stores are shut until the counts of both agree; a move that was interrupted is ended by the same call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from oakum.clock import Clock
from oakum.errors import CannotRun, UsageError
from oakum.model.job import ENDED, WAITING, State
from oakum.model.task import TaskSpec
from oakum.run.worker.recovery import Recovery
from oakum.run.worker.supervisor import LEASE_MS
from oakum.store.base import Count, Instant, Store
from oakum.store.care import Step, Tell
from oakum.store.moving import Notice
from oakum.store.open import open_store
from oakum.store.shown import address

LOOK_S: Final = 1.0  # between two looks at what still runs
ORIGIN: Final = "store.origin"
"""The memo of a store that was filled by a move: from where. It tells a move that was cut short at its end that all is there."""

_Pair = tuple[str, str]


class Place(NamedTuple):
    """A store and its address, without a password."""

    store: Store
    address: str


class Load(Struct, frozen=True):
    """What there is to move: `ended` jobs, and those that wait and run; their bytes, schedules, and workers at work."""

    source: str
    target: str
    ended: int
    waiting: int
    running: int
    bytes: int
    schedules: int
    workers: int


class Moved(Struct, frozen=True):
    """What a move has brought: all jobs that are kept, and those of them that wait."""

    source: str
    target: str
    jobs: int
    waiting: int


@contextmanager
def open_move(source: str, target: str, clock: Clock, tell: Tell, *, look: bool = False) -> Iterator[Move]:
    """A move between the stores at two URLs. `look`: only to look, so that no store is made where `target` is.

    Raises UsageError for a source that is not there, and for a target that is the source.
    """
    if address(source) == address(target):
        raise UsageError(f"{address(source)}: this is one store, not two; say where it is to go")
    with closing(open_store(source, must_exist=True)) as before, closing(open_store(target)) as after:
        there = after if not look or _exists(target) else open_store("memory://")
        yield Move(Place(before, address(source)), Place(there, address(target)), clock, tell)


def _exists(url: str) -> bool:
    try:
        open_store(url, must_exist=True).close()
    except UsageError:
        return False
    return True


class Move:
    """One move from `source` to `target`, two different stores. `tell` hears of each batch and of each look at what runs."""

    def __init__(self, source: Place, target: Place, clock: Clock, tell: Tell) -> None:
        self._source, self._target, self._clock, self._tell = source, target, clock, tell

    def load(self) -> Load:
        """What `run` would move now; it changes nothing. Raises UsageError where it would refuse."""
        self._check()
        store = self._source.store
        counts = store.counts()
        return Load(
            self._source.address,
            self._target.address,
            _jobs(counts, ENDED),
            _jobs(counts, WAITING),
            _jobs(counts, {State.RUNNING}),
            sum(count.bytes for count in counts),
            len(store.moving.estate().schedules),
            sum(not holder.fenced for holder in store.holders()),
        )

    def run(self) -> Moved:
        """Moves everything, or ends what another call has begun. May be interrupted at any moment.

        Raises UsageError where source or target are not what they have to be, CannotRun where they don't agree in the end.
        """
        source, target = self._source.store.moving, self._target.store.moving
        if self._check():
            target.shut(Notice("arriving", self._source.address))
            if not self._is_all_there():  # another mover may have ended it in this moment
                self._bring()
            target.shut(None)
        source.shut(Notice("left", self._target.address))
        counts = self._target.store.counts()
        return Moved(self._source.address, self._target.address, _jobs(counts, tuple(State)), _jobs(counts, WAITING))

    def _bring(self) -> None:
        """Copies everything, and notes in the target that it has arrived."""
        source, target = self._source.store.moving, self._target.store.moving
        target.furnish(replace(source.estate(), gone={}))
        self._copy("ended jobs", ended=True)
        source.shut(Notice("leaving", self._target.address))
        self._settle()
        target.furnish(replace(source.estate(), gone={}))
        waiting = self._copy("jobs that wait", ended=False)
        ended = self._copy("jobs that ended meanwhile", ended=True)
        for keys in source.dump_keys():
            target.restore_keys(keys)
        target.furnish(replace(source.estate(), gone=self._compare(waiting, ended)))
        self._target.store.keep_memo(ORIGIN, self._source.address.encode())

    def undo(self) -> None:
        """Opens the source of an unfinished move again; what has been brought to the target must not be used any more.

        Raises UsageError where there is no such move, CannotRun where the target is open already.
        """
        source, target = self._source, self._target
        left, came = source.store.moving.notice(), target.store.moving.notice()
        begun = left == Notice("leaving", target.address)
        filling = came is not None and came.role in ("arriving", "abandoned") and came.other == source.address
        if not begun and (left is not None or not filling):
            raise UsageError(f"{source.address}: no move to {target.address} is under way from here")
        if self._has_arrived():
            raise CannotRun(
                f"{target.address}: all has arrived there and may have been worked on; end the move with `oakum store move`"
            )
        if filling:
            target.store.moving.shut(Notice("abandoned", source.address))
        source.store.moving.shut(None)

    def is_under_way(self) -> bool:
        """Whether the source is shut for a move that has not come to its end."""
        notice = self._source.store.moving.notice()
        return notice is not None and notice.role == "leaving"

    def _check(self) -> bool:
        """Whether there is anything to copy: not so when all has arrived. Raises UsageError where the move can't be."""
        source, target = self._source, self._target
        left, came = source.store.moving.notice(), target.store.moving.notice()
        if left is not None and (left.role not in ("leaving", "left") or left.other != target.address):
            raise UsageError(str(left.refusal(source.address)))
        if left is not None and (left.role == "left" or self._has_arrived()):
            return False
        if came is not None and came != Notice("arriving", source.address):
            raise UsageError(str(came.refusal(target.address)))
        if came is None and (target.store.counts() or target.store.flows() or target.store.holders()):
            raise UsageError(
                f"{target.address}: this store is in use; move into one that has never had a job or a worker"
            )
        return True

    def _has_arrived(self) -> bool:
        return self._target.store.moving.notice() is None and self._is_all_there()

    def _is_all_there(self) -> bool:
        return self._target.store.memo(ORIGIN) == self._source.address.encode()

    def _copy(self, what: str, *, ended: bool) -> Counter[_Pair]:
        """Copies all that has ended, or that waits; how many there were."""
        found: Counter[_Pair] = Counter()
        done, total = 0, _jobs(self._source.store.counts(), ENDED if ended else WAITING)
        if total:
            self._tell(Step(what, done, total))
        for batch in self._source.store.moving.dump(ended=ended):
            self._target.store.moving.restore(batch)
            found.update((each.new.queue, each.new.task) for each in batch)
            done += len(batch)
            self._tell(Step(what, done, total))
        return found

    def _settle(self) -> None:
        """Returns when nothing runs: the living workers have settled it, and those that are no more were swept."""
        store = self._source.store
        recovery = Recovery(store, TaskSpec, LEASE_MS)
        most = 0
        bell = store.listen("results")
        try:
            while running := _jobs(store.counts(), {State.RUNNING}):
                most = max(most, running)
                self._tell(Step("jobs that run are settled", most - running, most))
                recovery.sweep(0, Instant.read(self._clock))
                bell.wait(LOOK_S)
        finally:
            bell.close()

    def _compare(self, waiting: Counter[_Pair], ended: Counter[_Pair]) -> Mapping[_Pair, int]:
        """How many pruned jobs the target is to count. Raises CannotRun where a job is missing there, or is too many."""
        source, target = self._source.store, self._target.store
        waits, over = _by_pair(target.counts(), WAITING), _by_pair(target.counts(), ENDED)
        for pair in sorted(waiting.keys() | waits.keys() | ended.keys()):
            if waits[pair] != waiting[pair]:
                raise CannotRun(self._difference(pair, waiting[pair], waits[pair]))
            if over[pair] < ended[pair]:  # there may be more: some that went first were pruned here meanwhile
                raise CannotRun(self._difference(pair, ended[pair], over[pair]))
        gone = Counter(source.moving.estate().gone)
        gone.subtract({pair: jobs - ended[pair] for pair, jobs in over.items()})
        return {pair: jobs for pair, jobs in gone.items() if jobs > 0}

    def _difference(self, pair: _Pair, ours: int, theirs: int) -> str:
        return (
            f"queue {pair[0]}, task {pair[1]}: {ours} jobs are in {self._source.address} and {theirs} in"
            f" {self._target.address}; both stay shut: move again, or with --undo"
        )


def _jobs(counts: Iterable[Count], states: Container[State]) -> int:
    return sum(count.jobs for count in counts if count.state in states)


def _by_pair(counts: Iterable[Count], states: Container[State]) -> Counter[_Pair]:
    found: Counter[_Pair] = Counter()
    for count in counts:
        if count.state in states:
            found[count.queue, count.task] += count.jobs
    return found
