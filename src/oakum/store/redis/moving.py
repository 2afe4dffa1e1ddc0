"""How the store is carried to another one, and how another is carried here: see `oakum.store.moving`."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final, Literal

import msgspec

from oakum.model.bounds import KINDS, NO_RULES, Ruled, RuleKind, Rules
from oakum.store.kept import Start
from oakum.store.moving import BYTES_AT_ONCE, Estate, Kept, Key, Notice, Spent
from oakum.store.redis import schedules
from oakum.store.redis.connection import Connection
from oakum.store.redis.records import Batch, Names, decode, decode_names
from oakum.store.redis.wire import blob, encode

_KEY_KINDS: Final[tuple[Literal["unique", "idempotency"], ...]] = ("unique", "idempotency")
_FIRST_ID: Final = bytes(16)
_ENDED: Final = struct.Struct(">Q")
_decode_rules: Final = msgspec.msgpack.Decoder(Rules).decode


class RedisMoving:
    """See `oakum.store.moving.Moving`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def notice(self) -> Notice | None:
        line = self._ask("HGET", "meta", "store.notice")
        return None if line is None else Notice.decode(line)

    def shut(self, notice: Notice | None) -> None:
        self._connection.call("shut", blob(None if notice is None else notice.encode()))

    def dump(self, *, ended: bool) -> Iterator[Sequence[Kept]]:
        after = _FIRST_ID
        while (answer := self._connection.call("dump", blob(after), ended, BYTES_AT_ONCE)) is not None:
            after, numbered, found = answer
            names = decode_names(numbered)
            if found:
                yield [_kept(names, *row) for row in found]

    def dump_keys(self) -> Iterator[Sequence[Key]]:
        for kind in _KEY_KINDS:
            cursor = b"0"
            while True:
                cursor, found = self._connection.call("given_keys", kind, int(cursor))
                if found:
                    yield [Key(kind, key, owner, ref, back and int(back)) for key, owner, ref, back in found]
                if int(cursor) == 0:
                    break

    def estate(self) -> Estate:
        names = decode_names(self._ask("HGETALL", "text"))
        return Estate(
            rules={kind: self._rules(kind) for kind in KINDS},
            spent=tuple(
                _spent(names, field, float(arrival))
                for field, arrival in _pairs(self._ask("ZRANGE", "arrivals", 0, -1, "WITHSCORES"))
            ),
            schedules=tuple(schedules.decode_all(self._ask("HGETALL", "schedule"))),
            memos={name.decode(): value for name, value in _pairs(self._ask("HGETALL", "memo"))},
            stats={task.decode(): stats for task, stats in _pairs(self._ask("HGETALL", "stats"))},
            paused=frozenset(queue.decode() for queue in self._ask("SMEMBERS", "paused")),
            gone={
                (names[int(queue)], names[int(task)]): int(jobs)
                for field, jobs in _pairs(self._ask("HGETALL", "gone"))
                for queue, task in [field.split(b":")]
            },
        )

    def _rules(self, kind: RuleKind) -> dict[str, Ruled]:
        declared, override = (
            {name.decode(): _decode_rules(packed) for name, packed in _pairs(self._ask("HGETALL", f"{which}:{kind}"))}
            for which in ("declared", "override")
        )
        names = declared.keys() | override.keys()
        return {name: Ruled(declared.get(name, NO_RULES), override.get(name)) for name in names}

    def restore(self, jobs: Sequence[Kept]) -> int:
        batch = Batch()
        rows = [(*batch.row(each.new), *_row(each)) for each in jobs]
        return int(self._connection.call("restore", batch.names, rows))

    def restore_keys(self, keys: Sequence[Key]) -> None:
        rows = [(each.kind, blob(each.key), blob(each.id), each.until_ms) for each in keys]
        self._connection.call("restore_keys", rows)

    def furnish(self, estate: Estate) -> None:
        rules = [
            (kind, name, _packed(each.declared if each.declared != NO_RULES else None), _packed(each.override))
            for kind, ruled in estate.rules.items()
            for name, each in ruled.items()
        ]
        self._connection.call(
            "furnish",
            rules,
            [(each.kind, each.name, each.key, each.arrival_ms) for each in estate.spent],
            [schedules.row(each) for each in estate.schedules],
            list(chain.from_iterable((name, blob(value)) for name, value in estate.memos.items())),
            list(chain.from_iterable((task, blob(stats)) for task, stats in estate.stats.items())),
            list(estate.paused),
            [(queue, task, jobs) for (queue, task), jobs in estate.gone.items()],
        )

    def _ask(self, command: str, key: str, *args: Any) -> Any:
        return self._connection.ask(command, self._connection.key + key, *args)


def _kept(names: Names, id: bytes, raw: bytes, keep: bytes | None, placed: int, story: Sequence[bytes]) -> Kept:
    job = decode(id, raw)
    starts: list[Start] = []
    logs: list[tuple[int, bytes]] = []
    for field, value in _pairs(story):
        kind, _, token = field.partition(b":")
        if kind == b"log":
            logs.append((int(token), value))
        else:
            starts.append(Start(int(token), _ENDED.unpack_from(value)[0], value[_ENDED.size :]))
    keyed = job.bonds.key is not None and not job.state.terminal
    return Kept(
        job.ref, job.new(names), job.state, job.token, job.tries, job.crashes, job.over, job.suspect,
        bool(placed) if keyed else None, job.ended_ms, None if keep is None else int(keep), job.last,
        tuple(sorted(starts, key=lambda start: start.token)), tuple(sorted(logs)),
    )  # fmt: skip


def _row(each: Kept) -> tuple[Any, ...]:
    """What `restore.lua` takes beside the call."""
    return (
        each.state, each.ref, each.token, each.tries, each.crashes, each.over, each.suspect, bool(each.placed),
        each.ended_ms, each.keep_until_ms, blob(each.record),
        [(start.token, start.ended_ms, blob(start.record)) for start in each.starts],
        [(token, blob(text)) for token, text in each.logs],
    )  # fmt: skip


def _spent(names: Names, field: bytes, arrival_ms: float) -> Spent:
    kind, _, rest = field.decode().partition(":")
    number, _, key = rest.partition(":")
    name = names[int(number)]
    if kind == "key":
        return Spent("queue", name, key, arrival_ms)
    return Spent("queue" if kind == "queue" else "task", name, None, arrival_ms)


def _packed(rules: Rules | None) -> Any:
    return blob(None if rules is None else encode(rules))


def _pairs(items: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Of an answer that goes key, value, key, value."""
    return zip(items[::2], items[1::2], strict=True)
