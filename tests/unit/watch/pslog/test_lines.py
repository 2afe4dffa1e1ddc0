"""Lines from files, compressed files and endless ones."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from oakum.errors import CannotRun, UsageError
from oakum.watch.pslog.lines import LONGEST_LINE, chunks_of_lines, open_log


def lines_of(data: bytes) -> list[bytes]:
    return [line for lines in chunks_of_lines(io.BytesIO(data)) for line in lines]


def test_the_last_of_all_is_what_follows_the_last_newline() -> None:
    assert lines_of(b"a\nb\n") == [b"a", b"b", b""]
    assert lines_of(b"a\nb") == [b"a", b"b"]
    assert lines_of(b"") == [b""]


def test_a_file_without_a_newline_is_read_in_pieces() -> None:
    data = b"x" * (5 * 1024 * 1024)
    lines = lines_of(data)
    assert b"".join(lines) == data
    assert max(map(len, lines)) <= LONGEST_LINE


def test_plain_and_compressed_files_read_alike(tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % number for number in range(200_000))
    (tmp_path / "plain").write_bytes(data)
    (tmp_path / "packed").write_bytes(gzip.compress(data, 1))
    for name in ("plain", "packed"):
        with open_log(str(tmp_path / name)) as file:
            assert b"\n".join(line for lines in chunks_of_lines(file) for line in lines) == data


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"), open_log(str(tmp_path / "missing")):
        pass
    with pytest.raises(CannotRun, match="directory"), open_log(str(tmp_path)):
        pass
