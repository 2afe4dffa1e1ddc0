"""How the reference store is carried to another one: another door to the same tables. See `oakum.store.moving`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from oakum.model.bounds import KINDS
from oakum.model.job import State
from oakum.model.stats import TaskStats
from oakum.store.base import TOPICS
from oakum.store.memory import rows
from oakum.store.memory.rows import Row
from oakum.store.memory.tables import Tables
from oakum.store.moving import AT_ONCE, NOTICE, Estate, Kept, Key, Notice, Spent, check_arriving, first_batch


class MemoryMoving:
    """See `oakum.store.moving.Moving`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def notice(self) -> Notice | None:
        with self._tables.locked():
            return self._tables.notice

    def shut(self, notice: Notice | None) -> None:
        with self._tables.locked():
            self._tables.notice = notice
        self._tables.ring(*TOPICS)

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        after = b""
        while True:
            with self._tables.locked():
                found = [
                    row
                    for row in self._tables.rows.values()
                    if row.new.id > after and row.state is not State.RUNNING and row.state.terminal == ended
                ]
                batch = [_kept(row) for row in first_batch(sorted(found, key=lambda row: row.new.id), _weigh)]
            if not batch:
                return
            after = batch[-1].new.id
            yield batch

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        tables = self._tables
        with tables.locked():
            refs = tables.refs
            unique = [Key("unique", key, owner, refs.get(owner, 0)) for key, owner in tables.unique.items()]
            idempotency = [
                Key("idempotency", key, held.id, refs.get(held.id, 0), held.until_ms)
                for key, held in tables.idempotency.items()
            ]
        every = [*unique, *idempotency]
        for first in range(0, len(every), AT_ONCE):
            yield every[first : first + AT_ONCE]

    def estate(self) -> Estate:
        tables = self._tables
        with tables.locked():
            return Estate(
                rules={kind: dict(tables.rules.known(kind)) for kind in KINDS},
                spent=tuple(
                    Spent("task" if kind == "task" else "queue", name, key or None, arrival)
                    for (kind, name, key), arrival in tables.rules.spent.items()
                ),
                schedules=tuple(tables.schedules.values()),
                memos={name: value for name, value in tables.memos.items() if name != NOTICE},
                stats={task: stats.encode() for task, stats in tables.stats.items()},
                paused=frozenset(tables.paused),
                gone=dict(tables.gone),
            )

    def restore(self, jobs: Sequence[Kept]) -> int:
        tables = self._tables
        with tables.locked():
            check_arriving(tables.notice, "memory://")
            new = [each for each in jobs if each.new.id not in tables.refs]
            for each in new:
                tables.rows[each.ref], tables.refs[each.new.id] = _row(each), each.ref
                tables.last_ref = max(tables.last_ref, each.ref)
            return len(new)

    def restore_keys(self, keys: Sequence[Key]) -> None:
        tables = self._tables
        with tables.locked():
            check_arriving(tables.notice, "memory://")
            for each in keys:
                if each.kind == "unique":
                    tables.unique[each.key] = each.id
                else:
                    tables.idempotency[each.key] = rows.Key(each.id, each.until_ms)

    def furnish(self, estate: Estate) -> None:
        tables = self._tables
        with tables.locked():
            check_arriving(tables.notice, "memory://")
            for kind, ruled in estate.rules.items():
                for name, each in ruled.items():
                    tables.rules.declare(kind, name, each.declared)
                    tables.rules.override(kind, name, each.override)
            tables.rules.spend({
                ("key" if each.key is not None else each.kind, each.name, each.key or ""): each.arrival_ms
                for each in estate.spent
            })  # fmt: skip
            tables.schedules = {each.name: each for each in estate.schedules}
            tables.memos |= estate.memos
            tables.stats = {task: TaskStats.decode(stats) for task, stats in estate.stats.items()}
            tables.paused = set(estate.paused)
            tables.gone = Counter(estate.gone)


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
