"""Lines of a file, a compressed file or a pipe, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Final, Protocol, cast

from oakum.errors import CannotRun, UsageError
from oakum.units import KIB, MIB

_CHUNK: Final = 1 * MIB
LONGEST_LINE: Final = 64 * KIB
BROKEN_OFF: Final = b"(the compressed file breaks off here)"
_GZIP: Final = b"\x1f\x8b"


class Log(Protocol):
    """What a log is read from: a file, a pipe, a compressed file."""

    def read1(self, size: int, /) -> bytes: ...
    def fileno(self) -> int: ...


@contextmanager
def open_log(path: str) -> Iterator[Log]:
    """The file's bytes, unpacked where it is gzip; "-" is standard input. Raises UsageError, CannotRun."""
    with _open(path) as file:
        packed = file.peek(len(_GZIP)).startswith(_GZIP)
        yield gzip.GzipFile(fileobj=file) if packed else file


def _open(path: str) -> BufferedReader:
    try:
        return cast(BufferedReader, open(0 if path == "-" else path, "rb", buffering=_CHUNK, closefd=path != "-"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error


def chunks_of_lines(file: Log) -> Iterator[list[bytes]]:
    """Lists of whole lines without their ends, about a mebibyte at a time.

    The last list holds what follows the last newline: b"" where the log ends as it should. A line longer than
    LONGEST_LINE is cut, and what follows is a line again. A compressed log that breaks off ends with `BROKEN_OFF`.
    """
    carry = b""
    try:
        while chunk := file.read1(_CHUNK):
            lines = (carry + chunk).split(b"\n")
            carry = lines.pop()
            while len(carry) > LONGEST_LINE:
                lines.append(carry[:LONGEST_LINE])
                carry = carry[LONGEST_LINE:]
            yield lines
    except (EOFError, zlib.error, gzip.BadGzipFile):
        carry = BROKEN_OFF
    yield [carry]
