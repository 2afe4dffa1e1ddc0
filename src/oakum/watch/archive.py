"""Writes an archive: a directory of append-only files that thins itself and never outgrows its limit.

A block is kept in memory until it is long enough to be small, and is meanwhile written whole to `open.oak` every few
minutes. So a crash costs those minutes, a torn write the last block, and the files stay small.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
from typing import Final, Self

from oakum.errors import CannotRun, UsageError
from oakum.units import MIB, format_size
from oakum.watch.block import OpenBlock
from oakum.watch.codec import pack
from oakum.watch.names import Names
from oakum.watch.segments import OPEN_FILE, TIERS, Segment, blocks, segment, segments, stamp
from oakum.watch.thin import thin

DEFAULT_KEEP: Final = 64 * MIB
SMALLEST_KEEP: Final = 1 * MIB
FLUSH_S: Final = 300.0
_LONGEST_BLOCK_S: Final = 6 * 3600.0
_LARGEST_BLOCK: Final = 64_000  # samples: the longer a block the smaller, but it is held in memory while it is open
_LARGEST_SEGMENT: Final = 4 * MIB
_BYTES_A_SAMPLE: Final = 64  # of room, for each sample of the open block, which must fit many times over
_LOCK_FILE: Final = "lock"
_SEGMENTS_KEPT: Final = 16  # a segment is at most this part of the room: what is thinned or dropped at a time


class Archive:
    """The one writer of an archive. Use it as a context manager. Times are seconds since 1970.

    Raises UsageError for a limit that is too small, CannotRun where it cannot write or another recorder already does.
    """

    def __init__(self, directory: str, keep: int = DEFAULT_KEEP, flush_s: float = FLUSH_S) -> None:
        if keep < SMALLEST_KEEP:
            raise UsageError(f"--keep {format_size(keep)}: an archive needs at least {format_size(SMALLEST_KEEP)}")
        self.directory = directory
        self.keep = keep
        self.newest_s = 0.0
        self.block: OpenBlock | None = None
        self._segment: Segment | None = None
        self._names = Names()
        self._flush_s = flush_s
        self._flushed_s = 0.0
        self._largest_block = min(_LARGEST_BLOCK, keep // _BYTES_A_SAMPLE)
        self._lock = _lock(directory)
        self._recover()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, boot_id: str, boot_started_s: float, step_s: int, time_s: float) -> OpenBlock:
        """The block for a sample at `time_s`, with its tick begun. Its figures are added next; `commit` then keeps them.

        Raises ValueError for a time that is not after the newest.
        """
        if time_s <= self.newest_s:
            raise ValueError(f"a sample at {time_s} is not after the newest at {self.newest_s}")
        block = self.block
        if block is not None and (
            block.boot_id != boot_id
            or block.step_s != step_s
            or block.samples() >= self._largest_block
            or time_s - block.times_ms[0] / 1000 > _LONGEST_BLOCK_S
            or stamp(time_s)[:8] != stamp(self.newest_s)[:8]
        ):
            self.seal()
        if self.block is None:
            self.block = OpenBlock(boot_id, boot_started_s, step_s)
            self._flushed_s = time_s
        self.block.tick(time_s)
        return self.block

    def commit(self) -> None:
        """The newest tick is whole: it may be written from now on. Raises CannotRun when writing fails; call it again then."""
        if self.block is None:
            return
        self.newest_s = self.block.times_ms[-1] / 1000
        if self._flush_due(self.newest_s - self.block.times_ms[0] / 1000):
            self.flush()

    def flush(self) -> None:
        """Writes the open block to its own file: from now on a crash does not lose it."""
        if self.block is not None:
            frame = pack(self.block, Names())
            self._make_room(len(frame))
            self._replace(os.path.join(self.directory, OPEN_FILE), frame)
            self._flushed_s = self.newest_s

    def seal(self) -> None:
        """Ends the open block and appends it to its segment."""
        block = self.block
        if block is None:
            return
        self._append(block)
        self.block = None
        _unlink(os.path.join(self.directory, OPEN_FILE))
        self.tidy()

    def close(self) -> None:
        """Seals what is open and lets go of the archive."""
        try:
            self.seal()
        finally:
            os.close(self._lock)

    def size(self) -> int:
        """Bytes of all files."""
        opened = os.path.join(self.directory, OPEN_FILE)
        closed = sum(each.size for each in segments(self.directory))
        return closed + (os.path.getsize(opened) if os.path.exists(opened) else 0)

    def tidy(self) -> None:
        """Moves each segment that is too old for its tier, or for which its tier has no room, one tier on or out."""
        for number, tier in enumerate(TIERS):
            mine = [each for each in segments(self.directory) if each.tier == number]
            size = sum(each.size for each in mine)
            for each in mine:
                if each.end > stamp(self.newest_s - tier.age_s) and size <= tier.share * self.keep:
                    break
                size -= each.size
                self._retire(each)

    # Files

    def _flush_due(self, recorded_s: float) -> bool:
        """Each `flush_s`, and in a block's first minutes when it became twice as long: who begins sees something."""
        since_s = self.newest_s - self._flushed_s
        return self._flush_s < math.inf and since_s >= min(self._flush_s, recorded_s / 2)

    def _append(self, block: OpenBlock) -> None:
        begun = stamp(block.times_ms[0] / 1000)
        current = self._segment
        limit = min(_LARGEST_SEGMENT, self.keep // _SEGMENTS_KEPT)
        if current is None or current.stamp[:8] != begun[:8] or current.size >= limit:
            current, self._names = segment(self.directory, 0, begun), Names()
        self._segment = None  # until it is written: after a failure, a new file with names of its own
        frame = pack(block, self._names)
        self._make_room(len(frame))
        _write(current.path, frame, os.O_APPEND)
        _sync(self.directory)
        self._segment = current

    def _retire(self, old: Segment) -> None:
        """Thins a segment into the next tier; out of the last tier it goes for good."""
        if old == self._segment:
            self._segment = None
        if old.tier + 1 < len(TIERS):
            names, damage = Names(), list[str]()
            coarse = thin(blocks(old.path, Names(), damage), TIERS[old.tier + 1].step_s)
            frames = b"".join(pack(block, names) for block in coarse)
            self._replace(segment(self.directory, old.tier + 1, old.stamp).path, frames)
        _unlink(old.path)

    def _make_room(self, wanted: int) -> None:
        """Retires the oldest segments until `wanted` more bytes fit: the limit holds whatever is recorded."""
        while self.size() + wanted > self.keep and (there := segments(self.directory)):
            self._retire(there[0])

    def _replace(self, path: str, data: bytes) -> None:
        """Puts a whole file in place of another: either is there, never a part."""
        made = f"{path}.new"
        _write(made, data, os.O_TRUNC)
        os.replace(made, path)
        _sync(self.directory)

    def _recover(self) -> None:
        """Clears away what a crash left half done, and goes on where the recorder before this one ended."""
        there = segments(self.directory)
        whole = {os.path.basename(each.path) for each in there} | {OPEN_FILE, _LOCK_FILE}
        for name in os.listdir(self.directory):
            if name.endswith((".oak", ".new")) and name not in whole:
                _unlink(os.path.join(self.directory, name))
        for each in reversed(there):
            if not self.newest_s:  # a crash may have left the last file without a single sound block
                self._take_up(each)
        opened = os.path.join(self.directory, OPEN_FILE)
        if os.path.exists(opened):
            times = [time_s for block in blocks(opened, Names(), []) for time_s in block.times_s]
            if times and times[-1] > self.newest_s:
                found = segment(self.directory, 0, stamp(times[0]))
                os.replace(opened, found.path)  # an open block is a file by itself: it becomes a segment as it is
                self._take_up(found)
            else:
                _unlink(opened)  # it had been sealed already

    def _take_up(self, last: Segment) -> None:
        names, damage = Names(), list[str]()
        for block in blocks(last.path, names, damage):
            self.newest_s = max(self.newest_s, block.times_s[-1])
        if last.tier == 0 and not damage:  # after damage a new file begins, with names of its own
            self._segment, self._names = last, names


def _lock(directory: str) -> int:
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        fd = os.open(os.path.join(directory, _LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRun(f"{directory}: {error.strerror}; name an archive that you may write with --archive") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise CannotRun(f"{directory}: another recorder writes it; end that one or name another --archive") from error
    return fd


def _write(path: str, data: bytes, flags: int) -> None:
    """Writes `data` and has it on the disk before it returns. Raises CannotRun."""
    try:
        fd = os.open(path, flags | os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise CannotRun(f"{os.path.dirname(path)}: {error.strerror}") from error


def _sync(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
