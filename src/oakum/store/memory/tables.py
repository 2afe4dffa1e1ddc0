"""What the store in memory holds, and the one lock around it."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from oakum.errors import StoreError
from oakum.model.stats import TaskStats
from oakum.store.base import Holder, Topic
from oakum.store.kept import Scheduled
from oakum.store.memory.rows import Key, MemoryBell, Row
from oakum.store.memory.rulebook import RuleBook
from oakum.store.moving import Notice


class Tables:
    """Rows by ref, refs by id, keys with their owners, and the rest. To be touched within `locked` or `open` alone."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self.last_ref = self.last_holder = 0
        self.rows: dict[int, Row] = {}
        self.refs: dict[bytes, int] = {}
        self.unique: dict[bytes, bytes] = {}
        self.idempotency: dict[bytes, Key] = {}
        self.holders: dict[int, Holder] = {}
        self.stats: dict[str, TaskStats] = {}
        self.paused: set[str] = set()
        self.schedules: dict[str, Scheduled] = {}
        self.memos: dict[str, bytes] = {}
        self.rules = RuleBook()
        self.gone: Counter[tuple[str, str]] = Counter()
        self.bells: list[MemoryBell] = []
        self.notice: Notice | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The one lock, around a whole verb."""
        if os.getpid() != self._pid:
            raise StoreError("memory://: it belongs to the process that this was forked from; use sqlite:///work.db")
        with self._lock:
            yield

    @contextmanager
    def open(self) -> Iterator[None]:
        """The lock for what a store that is shut refuses."""
        with self.locked():
            if self.notice is not None:
                raise self.notice.refusal("memory://")
            yield

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """All or none, where a bound may refuse in the middle."""
        if not self.rules.bounding:
            yield
            return
        rows = {ref: row.copy() for ref, row in self.rows.items()}
        tables = dict(self.refs), dict(self.unique), {k: dataclasses.replace(v) for k, v in self.idempotency.items()}
        try:
            yield
        except StoreError:
            self.rows, (self.refs, self.unique, self.idempotency) = rows, tables
            raise

    def find(self, ids: Iterable[bytes]) -> list[Row]:
        """The rows of those that are kept."""
        return [self.rows[self.refs[each]] for each in ids if each in self.refs]

    def ring(self, *topics: Topic) -> None:
        """Tells those who listen."""
        for bell in list(self.bells):
            if bell.topic in topics:
                bell.ring()
