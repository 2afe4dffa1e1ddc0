"""From a URL to a store."""

from __future__ import annotations

from urllib.parse import unquote

from oakum.errors import UsageError
from oakum.store.base import Store


def open_store(url: str) -> Store:
    """The store that `url` names: `sqlite:///relative.db`, `sqlite:////absolute.db` or `memory://`.

    Nothing is opened yet. Raises UsageError for a URL that names none.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator:
        path = unquote(rest).removeprefix("/")
        if path:
            from oakum.store.sqlite.store import SqliteStore

            return SqliteStore(path)
        raise UsageError(f"store: {url!r} names no file; write it like 'sqlite:///work.db'")
    if scheme == "memory" and separator:
        from oakum.store.memory import MemoryStore

        return MemoryStore()
    raise UsageError(f"store: {url!r} is none that this Oakum knows; write it like 'sqlite:///work.db' or 'memory://'")
