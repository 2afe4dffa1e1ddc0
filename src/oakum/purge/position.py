"""Where a purge stopped, kept in a small file, so that the next run need not look again at what it passed.

The position is a help and never a promise: a purge that starts in the middle goes round to the beginning afterwards, so a
lost, stale or foreign position costs time and no row.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from oakum.errors import CannotRun

Key = tuple[Any, ...]

_RECORD_BYTES: Final = 4096  # always written whole, over the same block: a disk that is full by now has room for it
_LONGEST_BYTES: Final = 1 << 20
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "int": int, "float": float, "str": str, "bool": bool,
    "UUID": UUID, "datetime": datetime.fromisoformat, "date": date.fromisoformat, "Decimal": Decimal,
    "bytes": base64.b64decode,
}  # fmt: skip


def common(after: Key | None, upto: Key | None) -> Key:
    """The values with which both keys begin, the last one never among them."""
    if after is None or upto is None:
        return ()
    same = 0
    while same < len(upto) - 1 and after[same] == upto[same]:
        same += 1
    return upto[:same]


class Position:
    """The key of the last row that a purge has passed. `about` tells one purge's position from another's."""

    def __init__(self, path: str | os.PathLike[str], about: str) -> None:
        self._path, self._about = os.fspath(path), about

    def load(self) -> Key | None:
        """The key that was kept for this purge, None where there is none or it can't be read."""
        try:
            with open(self._path, "rb") as file:
                record = json.loads(file.read(_LONGEST_BYTES))
            if record["about"] != self._about:
                return None
            return tuple(_READ[kind](value) for kind, value in record["key"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot("read", error) from error
        except (ValueError, KeyError, TypeError, ArithmeticError):
            return None

    def save(self, key: Key) -> None:
        """Keeps `key`. A key of a type that has no text form is not kept."""
        parts = [(type(part).__name__, _text(part)) for part in key]
        if not all(kind in _READ for kind, _ in parts):
            return
        record = json.dumps({"about": self._about, "key": parts}).encode()
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), mode=0o700, exist_ok=True)
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                written = os.pwrite(fd, record.ljust(_RECORD_BYTES), 0)
                os.ftruncate(fd, written)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._cannot("write", error) from error

    def clear(self) -> None:
        """The purge is through: nothing is kept any more."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass

    def _cannot(self, verb: str, error: OSError) -> CannotRun:
        return CannotRun(f"cannot {verb} the purge's position in {self._path}: {error.strerror}; name another file")


def _text(part: Any) -> Any:
    if isinstance(part, bytes):
        return base64.b64encode(part).decode()
    return part if isinstance(part, (int, float, str)) else part.isoformat() if isinstance(part, date) else str(part)
