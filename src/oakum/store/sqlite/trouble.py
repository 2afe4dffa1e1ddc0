"""What can go wrong with the file, in Oakum's words: what, where, the remedy."""

from __future__ import annotations

from types import TracebackType

import apsw

from oakum.errors import NotAStore, StoreError, StoreFull


class translated:  # noqa: N801  # a verb of the with statement, as `suppress` is
    """Raises SQLite's errors, and the system's, as StoreError, StoreFull or NotAStore.

    No generator, since one stands around every transaction, and a processor that was idle pays for each step of it.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, apsw.Error | OSError):
            raise _told(self._path, error) from error


def _told(path: str, error: apsw.Error | OSError) -> StoreError:
    match error:
        case apsw.FullError():
            return _full(path)
        case apsw.NotADBError():
            return NotAStore(f"{path}: this file is not a SQLite database; give the store a file of its own")
        case apsw.CorruptError():
            return StoreError(f"{path}: the database is damaged ({error}); restore it from a backup")
        case apsw.CantOpenError():
            return StoreError(f"{path}: cannot open it ({error}); check that the directory exists and may be written")
        case apsw.ReadOnlyError():
            return StoreError(f"{path}: it may only be read; give this user write access to the file and its directory")
        case apsw.BusyError():
            return StoreError(f"{path}: another program holds its lock; find it with `fuser {path}`")
        case apsw.IOError():
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:  # shared memory is a file, too
                return _full(path)
            return StoreError(f"{path}: the disk failed ({error})")
        case apsw.Error():
            return StoreError(f"{path}: {type(error).__name__}: {error}")
        case _:
            return StoreError(
                f"{error.filename or path}: {error.strerror}; whoever uses the store must be able to write {path} and"
                " the directory beside it"
            )


def _full(path: str) -> StoreFull:
    return StoreFull(f"{path}: the disk is full; free some room there, nothing was lost")
