"""The reference store, `memory://`."""

from oakum.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
