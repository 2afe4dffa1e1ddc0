"""The care of the store on its server: is it kept, are its counts right, and what gives memory back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from oakum.errors import StoreError, UsageError
from oakum.model.job import State
from oakum.store.care import (
    Counted,
    Finding,
    Key,
    Look,
    Room,
    Step,
    Survey,
    Tell,
    compare,
    orphans,
    stuck,
    whether_open,
)
from oakum.store.moving import NOTICE, Notice
from oakum.store.redis import read, schema, server
from oakum.store.redis.address import Durability, parse
from oakum.store.redis.connection import Connection
from oakum.store.redis.moving import RedisMoving
from oakum.store.redis.records import decode_names
from oakum.store.redis.wire import blob

_PAGES_AT_ONCE: Final = 32  # some 2,000 jobs: a few milliseconds of the server's time
_TRIES: Final = 3
_NEARLY_FULL: Final = 0.9


class RedisCare:
    """See `oakum.store.care.Care`."""

    def __init__(self, url: str, tell: Tell) -> None:
        self._address, self._tell = parse(url), tell
        self._connection = Connection(self._address)

    def survey(self) -> Survey:
        return self._connection.look(self._survey)

    def _survey(self, ask: server.Ask) -> Survey:
        promised = server.check(ask, self._address)
        found, shut = ask("HMGET", self._connection.key + "meta", "version", NOTICE)
        version = None if found is None else schema.number(found)
        if version is not None:
            schema.refuse_newer(version, self._address.shown)
        if shut is not None:
            raise Notice.decode(shut).refusal(self._address.shown)
        findings = *_persistence(ask, promised), *_memory(ask)
        return Survey(version, server.promise(promised), findings)

    def looks(self) -> Iterator[Look]:
        ask = self._connection.ask
        yield whether_open(RedisMoving(self._connection).notice())
        yield Look("persistence", tuple(_persistence(ask, self._connection.durability)))
        yield Look("memory", tuple(_memory(ask)))
        for _ in range(_TRIES):
            before = self._kept()
            found = self._census()
            if before == self._kept():
                break
        else:
            yield Look(
                "counts, leases and keys", note="not told: jobs came and went meanwhile; look again when it is quiet"
            )
            return
        yield Look("counts", tuple(compare(before, found.counts)))
        yield Look("leases", (orphans(found.orphans),) if found.orphans else ())
        yield Look("keys", tuple(stuck(*pair, held) for pair, held in sorted(found.stuck.items())))

    def compact(self, *, block: bool = False) -> Room:
        if block:
            raise UsageError("--block: nobody has to wait where the store is on Redis; leave it away")
        before = server.space(self._connection.ask).used
        above, done = b"-", 0
        total = int(self._connection.ask("ZCARD", self._connection.key + "pages"))
        while True:
            last = self._connection.call("pack_pages", blob(above), _PAGES_AT_ONCE)
            done += _PAGES_AT_ONCE
            self._tell(Step("pages are packed", min(done, total), total))
            if last is None:
                break
            above = b"[" + last
        self._connection.ask("MEMORY", "PURGE")
        with suppress(StoreError):  # one is under way, or the server keeps no such file
            self._connection.ask("BGREWRITEAOF")
        return Room(before, server.space(self._connection.ask).used)

    def backup(self, to: str) -> int:
        raise UsageError(f"the server's own snapshot is the backup: redis-cli -u {self._address.shown} --rdb {to}")

    def close(self) -> None:
        self._connection.close()

    def _kept(self) -> dict[Key, tuple[int, int]]:
        counts = read.counts(*self._connection.call("counts"))
        return {(count.queue, count.task, count.state): (count.jobs, count.bytes) for count in counts}

    def _census(self) -> _Census:
        """All jobs counted one by one, some pages at a time."""
        jobs: Counter[Key] = Counter()
        sizes: Counter[Key] = Counter()
        held: Counter[tuple[str, str]] = Counter()
        lost = 0
        above: bytes | None = b"-"
        while above is not None:
            last, numbered, found, orphaned, locked = self._connection.call("census", blob(above), _PAGES_AT_ONCE)
            names = decode_names(numbered)
            for field, number, size in found:
                queue, task, state = map(int, field.split(b":"))
                key = names[queue], names[task], State(state)
                jobs[key] += number
                sizes[key] += size
            held.update((names[queue], key.decode()) for queue, key in locked)
            lost += orphaned
            above = None if last is None else b"(" + last
        return _Census({key: (jobs[key], sizes[key]) for key in jobs}, lost, held)


def _persistence(ask: server.Ask, promised: Durability) -> Iterator[Finding]:
    if promised in ("none", "no"):
        yield Finding(server.promise(promised), "CONFIG SET appendonly yes, appendfsync everysec, and in redis.conf")
    told = server.info(ask, "persistence")
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"):
        if told.get(name, "ok") != "ok":
            yield Finding(f"{name} is {told[name]}: the server can't write its files", "see its log and its disk")


def _memory(ask: server.Ask) -> Iterator[Finding]:
    policy = server.info(ask, "memory").get("maxmemory_policy", "noeviction")  # a managed server may tell no settings
    if policy != "noeviction":
        yield Finding(
            f"maxmemory-policy is {policy}: short of memory, the server deletes jobs",
            "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
        )
    space = server.space(ask)
    if space.limit and space.used > _NEARLY_FULL * space.limit:
        share = 100 * space.used // space.limit
        yield Finding(
            f"{share} % of the server's memory is in use", "raise maxmemory, or let ended jobs go: oakum purge own"
        )


class _Census(NamedTuple):
    """All jobs counted; how many run for nobody; how many are held behind a key, by queue and key, that nobody has."""

    counts: Counted
    orphans: int
    stuck: Counter[tuple[str, str]]
