"""How the reference store is carried to another one: the other door to the same tables. See `oakum.store.moving`."""

# ruff: noqa: SLF001  # a second room of the one store, beside the first

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from oakum.model.bounds import KINDS
from oakum.model.job import State
from oakum.model.stats import TaskStats
from oakum.store.base import TOPICS
from oakum.store.memory import rows
from oakum.store.memory.rows import Row
from oakum.store.moving import AT_ONCE, NOTICE, Estate, Kept, Key, Notice, Spent, check_arriving, first_batch

if TYPE_CHECKING:
    from oakum.store.memory.store import MemoryStore


class MemoryMoving:
    """See `oakum.store.moving.Moving`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def notice(self) -> Notice | None:
        with self._store._all():
            return self._store._notice

    def shut(self, notice: Notice | None) -> None:
        with self._store._all():
            self._store._notice = notice
        self._store._ring(*TOPICS)

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        after = b""
        while True:
            with self._store._all():
                found = [
                    row
                    for row in self._store._rows.values()
                    if row.new.id > after and row.state is not State.RUNNING and row.state.terminal == ended
                ]
                batch = [_kept(row) for row in first_batch(sorted(found, key=lambda row: row.new.id), _weigh)]
            if not batch:
                return
            after = batch[-1].new.id
            yield batch

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        store = self._store
        with store._all():
            refs = store._refs
            unique = [Key("unique", key, owner, refs.get(owner, 0)) for key, owner in store._unique.items()]
            idempotency = [
                Key("idempotency", key, held.id, refs.get(held.id, 0), held.until_ms)
                for key, held in store._idempotency.items()
            ]
        every = [*unique, *idempotency]
        for first in range(0, len(every), AT_ONCE):
            yield every[first : first + AT_ONCE]

    def estate(self) -> Estate:
        store = self._store
        with store._all():
            return Estate(
                rules={kind: dict(store._rules.known(kind)) for kind in KINDS},
                spent=tuple(
                    Spent("task" if kind == "task" else "queue", name, key or None, arrival)
                    for (kind, name, key), arrival in store._rules.spent.items()
                ),
                schedules=tuple(store._schedules.values()),
                memos={name: value for name, value in store._memos.items() if name != NOTICE},
                stats={task: stats.encode() for task, stats in store._stats.items()},
                paused=frozenset(store._paused),
                gone=dict(store._gone),
            )

    def restore(self, jobs: Sequence[Kept]) -> int:
        store = self._store
        with store._all():
            check_arriving(store._notice, "memory://")
            new = [each for each in jobs if each.new.id not in store._refs]
            for each in new:
                store._rows[each.ref], store._refs[each.new.id] = _row(each), each.ref
                store._last_ref = max(store._last_ref, each.ref)
            return len(new)

    def restore_keys(self, keys: Sequence[Key]) -> None:
        store = self._store
        with store._all():
            check_arriving(store._notice, "memory://")
            for each in keys:
                if each.kind == "unique":
                    store._unique[each.key] = each.id
                else:
                    store._idempotency[each.key] = rows.Key(each.id, each.until_ms)

    def furnish(self, estate: Estate) -> None:
        store = self._store
        with store._all():
            check_arriving(store._notice, "memory://")
            for kind, ruled in estate.rules.items():
                for name, each in ruled.items():
                    store._rules.declare(kind, name, each.declared)
                    store._rules.override(kind, name, each.override)
            store._rules.spend({
                ("key" if each.key is not None else each.kind, each.name, each.key or ""): each.arrival_ms
                for each in estate.spent
            })  # fmt: skip
            store._schedules = {each.name: each for each in estate.schedules}
            store._memos |= estate.memos
            store._stats = {task: TaskStats.decode(stats) for task, stats in estate.stats.items()}
            store._paused = set(estate.paused)
            store._gone = Counter(estate.gone)


def _weigh(row: Row) -> int:
    return len(row.new.payload) + len(row.record or b"")


def _kept(row: Row) -> Kept:
    return Kept(
        row.ref, replace(row.new, run_at_ms=row.run_at_ms), row.state, row.token, row.tries, row.crashes, row.over,
        row.suspect, row.placed if row.new.key is not None and not row.state.terminal else None, row.ended_ms,
        row.keep_until_ms, row.record, tuple(row.starts), tuple(row.logs.items()),
    )  # fmt: skip


def _row(each: Kept) -> Row:
    return Row(
        each.ref, each.new, each.state, each.new.run_at_ms, token=each.token, tries=each.tries, crashes=each.crashes,
        over=each.over, suspect=each.suspect, ended_ms=each.ended_ms, keep_until_ms=each.keep_until_ms,
        record=each.record, placed=bool(each.placed), starts=list(each.starts), logs=dict(each.logs),
    )  # fmt: skip
