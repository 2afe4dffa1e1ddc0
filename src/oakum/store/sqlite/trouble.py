"""What can go wrong with the file, in Oakum's words: what, where, the remedy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import apsw

from oakum.errors import NotAStore, StoreError, StoreFull


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Raises SQLite's errors, and the system's, as StoreError, StoreFull or NotAStore."""
    try:
        yield
    except apsw.FullError as error:
        raise _full(path) from error
    except apsw.NotADBError as error:
        raise NotAStore(f"{path}: this file is not a SQLite database; give the store a file of its own") from error
    except apsw.CorruptError as error:
        raise StoreError(f"{path}: the database is damaged ({error}); restore it from a backup") from error
    except apsw.CantOpenError as error:
        raise StoreError(
            f"{path}: cannot open it ({error}); check that the directory exists and may be written"
        ) from error
    except apsw.ReadOnlyError as error:
        raise StoreError(
            f"{path}: it may only be read; give this user write access to the file and its directory"
        ) from error
    except apsw.BusyError as error:
        raise StoreError(f"{path}: another program holds its lock; find it with `fuser {path}`") from error
    except apsw.IOError as error:
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:  # shared memory is a file, too
            raise _full(path) from error
        raise StoreError(f"{path}: the disk failed ({error})") from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise StoreError(
            f"{error.filename or path}: {error.strerror}; whoever uses the store must be able to write {path} and"
            " the directory beside it"
        ) from error


def _full(path: str) -> StoreFull:
    return StoreFull(f"{path}: the disk is full; free some room there, nothing was lost")
