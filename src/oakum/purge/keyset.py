"""Walks the rows of a table along a key, one range after another, so that no row is looked at twice."""

from __future__ import annotations

from typing import Final, Protocol

from oakum.errors import UsageError
from oakum.purge.lock import LockTime
from oakum.purge.options import Options
from oakum.purge.position import Key, Position
from oakum.purge.target import Batch
from oakum.purge.trouble import told_apart

_DENSE: Final = 0.8


class Rows(Protocol):
    """The rows of one table that match a condition, in the order of a key. A key is a tuple of values."""

    @property
    def label(self) -> str: ...
    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's columns."""

    @property
    def shuts_out(self) -> bool:
        """Whether a batch keeps every other writer of the database out."""

    @property
    def loads(self) -> bool:
        """Whether a batch brings rows into memory, so that `upto` bounds it by more than its size."""

    def count(self) -> int:
        """How many rows match."""

    def has_others(self) -> bool:
        """Whether the table has a row that does not match."""

    def upto(self, after: Key | None, until: Key | None, size: int) -> Key | None:
        """The key of the `size`-th matching row after `after` (the last one, if fewer) and not after `until`."""

    def delete(self, after: Key | None, upto: Key, lock: LockTime) -> int:
        """Deletes what still matches in (`after`, `upto`] in one transaction: how many rows.

        Tells `lock` when it takes its locks, and when it has given them back.
        """


class KeyRanges:
    """A purge's target over `rows`. Starts at the kept position, then goes round, so that nothing is left out.

    Raises UsageError where the condition matches every row and the caller did not say `all`.
    """

    unit = "rows"

    def __init__(self, rows: Rows, options: Options) -> None:
        self._rows, self._clock = rows, options.clock
        if not options.all and not rows.has_others() and rows.upto(None, None, 1) is not None:
            raise UsageError(f"{rows.label}: the condition matches every row; say --all (all=True) if you mean that")
        self._position = (
            None if options.position is None else Position(options.position, f"{rows.label} by {', '.join(rows.key)}")
        )
        self._start = self._position.load() if self._position else None
        self._after: Key | None = self._start
        self._until: Key | None = None
        self._dense = False

    @property
    def label(self) -> str:
        return self._rows.label

    def count(self) -> int:
        return self._rows.count()

    def delete(self, size: int) -> Batch | None:
        with told_apart():
            upto = self._next(size)
            if upto is None:
                if self._position:
                    self._position.clear()
                return None
            lock = LockTime(self._clock)
            rows = self._rows.delete(self._after, upto, lock)
        self._dense = not self._rows.loads and self._until is None and _is_dense(self._after, upto, rows)
        self._after = upto
        if self._position:
            self._position.save(upto)
        return Batch(rows, lock.seconds, shuts_out=self._rows.shuts_out, free=lock.free)

    def _next(self, size: int) -> Key | None:
        if self._dense and self._after:
            return (self._after[0] + size,)  # can't hold more than `size` rows: no need to read them twice
        upto = self._rows.upto(self._after, self._until, size)
        if upto is None and self._start is not None:  # the end, but the walk began in the middle
            self._after, self._until, self._start = None, self._start, None
            upto = self._rows.upto(self._after, self._until, size)
        return upto


def _is_dense(after: Key | None, upto: Key, rows: int) -> bool:
    """Whether (`after`, `upto`], a range of whole numbers, held a row at most of them."""
    if after is None or len(upto) != 1 or type(upto[0]) is not int:
        return False
    return bool(rows >= _DENSE * (upto[0] - after[0]))
