"""From a URL to a store, and to the care of one."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import unquote

from oakum.errors import UsageError
from oakum.store.base import Store

if TYPE_CHECKING:
    from oakum.store.care import Care, Tell
    from oakum.store.sqlite.library import Library


def open_store(url: str, *, must_exist: bool = False, alone: bool = False) -> Store:
    """The store that `url` names: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user@host/database`,
    `redis://host:6379/0` or `memory://`.

    `?library=sqlite3` after a SQLite file is for programs whose own tables are in that file, too, and whose connections to
    it are those of the `sqlite3` module, `?library=apsw` for those of apsw. Where `alone` says that no code but Oakum's
    runs in this process, it is opened with apsw whatever they are.

    Nothing is opened yet. `must_exist` is for those who only want to look: they make no store by looking. Raises
    UsageError for a URL that names none, and for a store that must exist and does not.
    """
    scheme, separator, _ = url.partition("://")
    if scheme == "sqlite" and separator:
        return _open_sqlite(url, must_exist, alone)
    if scheme in ("postgresql", "postgres") and separator:
        return _open_postgres(url, must_exist)
    if scheme in ("redis", "rediss") and separator:
        return _open_redis(url, must_exist)
    if scheme == "memory" and separator:
        if must_exist:
            raise UsageError("store: memory:// is seen by the process that made it, and by no other")
        from oakum.store.memory import MemoryStore

        return MemoryStore()
    raise UsageError(f"store: {url!r} is none that this Oakum knows; write it like 'sqlite:///work.db' or 'memory://'")


def open_care(url: str, tell: Tell, *, must_exist: bool = True) -> Care:
    """The care of the store at `url`; `tell` hears how far it has come.

    Without `must_exist` it can at least be surveyed. Raises UsageError where there is none, and for one that needs none.
    """
    with closing(open_store(url, must_exist=must_exist)):
        pass  # what is needed for it is installed
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from oakum.store.sqlite.care import SqliteCare

        return SqliteCare(sqlite_path(url), tell, _library(url, alone=True))
    if scheme.startswith("postgres"):
        from oakum.store.postgres.care import PostgresCare

        return PostgresCare(url, tell)
    if scheme.startswith("redis"):
        from oakum.store.redis.care import RedisCare

        return RedisCare(url, tell)
    raise UsageError(f"store: {scheme}:// needs no care")


def sqlite_path(url: str) -> str:
    """The file that a `sqlite://` URL names, "" where it names none."""
    return unquote(url.partition("://")[2].partition("?")[0]).removeprefix("/")


def _open_sqlite(url: str, must_exist: bool, alone: bool) -> Store:
    path = sqlite_path(url)
    if not path:
        raise UsageError(f"store: {url!r} names no file; write it like 'sqlite:///work.db'")
    library = _library(url, alone)
    if must_exist and not os.path.exists(path):
        raise UsageError(f"store: there is no file {os.path.abspath(path)}; a first job makes it")
    from oakum.store.sqlite.store import SqliteStore

    return SqliteStore(path, library)


def _library(url: str, alone: bool) -> Library:
    from oakum.store.sqlite.library import Apsw

    option = url.partition("?")[2]
    if option not in ("", "library=apsw", "library=sqlite3"):
        raise UsageError(
            f"store: {url!r}: {option!r} is none of its options; there are library=sqlite3 and library=apsw, and %3F for a ?"
        )
    if alone or option != "library=sqlite3":
        return Apsw(shared=bool(option))
    from oakum.store.sqlite.stdlib import Stdlib

    return Stdlib()


def _open_postgres(url: str, must_exist: bool) -> Store:
    try:
        from oakum.store.postgres.store import PostgresStore
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise UsageError("store: postgresql:// needs psycopg; install it with: pip install 'oakum[postgres]'") from None
    store = PostgresStore(url)
    if must_exist and not store.exists():
        raise UsageError("store: nothing of Oakum's is in that schema; a first job makes it")
    return store


def _open_redis(url: str, must_exist: bool) -> Store:
    try:
        from oakum.store.redis.store import RedisStore
    except ModuleNotFoundError as error:
        if error.name not in ("redis", "hiredis"):
            raise
        raise UsageError("store: redis:// needs redis-py; install it with: pip install 'oakum[redis]'") from None
    store = RedisStore(url)
    if must_exist and not store.exists():
        raise UsageError("store: nothing of Oakum's is there under that URL's prefix; a first job makes it")
    return store
