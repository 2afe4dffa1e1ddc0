"""The bound of a whole store: seen, changed while it is used, given back to the code."""

from __future__ import annotations

from msgspec import Struct

from oakum.model.bounds import Ruled, Rules
from oakum.store.base import Store
from oakum.units import Size, parse_size


class BoundRow(Struct, frozen=True):
    """Bytes. `used` of `limit`, from which on new jobs are refused; None: nobody can say from here, or there is none.

    `max_store` is what was said of it, by hand or in the code; None: the store's own default holds. `set_by_hand`:
    whether it is not what the code declares, which is `declared` then.
    """

    used: int
    limit: int | None
    max_store: int | None
    set_by_hand: bool
    declared: int | None

    @property
    def part(self) -> float | None:
        """Which part of its limit the store has used."""
        return None if self.limit is None else self.used / self.limit


class Bound:
    """The bound of one store. All verbs raise StoreError when the store fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def show(self) -> BoundRow:
        """What is used of what there is."""
        ruled, space = self._store.rules("store").get("", Ruled()), self._store.space()
        return BoundRow(
            space.used, space.limit, ruled.rules.max_bytes, ruled.override is not None, ruled.declared.max_bytes
        )

    def set(self, size: Size) -> BoundRow:
        """Bounds the store, whatever the code declares, until `reset`. Raises UsageError for what is no size."""
        self._store.override("store", "", Rules(max_bytes=parse_size(size, name="bound set")))
        return self.show()

    def reset(self) -> BoundRow:
        """Puts what the code declares in force again, or the store's own default."""
        self._store.override("store", "", None)
        return self.show()
