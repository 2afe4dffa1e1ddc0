"""The files of an archive: which there are, in what order, how fine, and what is in them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from oakum.errors import CannotRun
from oakum.watch.block import Block
from oakum.watch.codec import BrokenBlock, frames, unpack
from oakum.watch.names import Names

OPEN_FILE: Final = "open.oak"  # the block that is still being recorded, replaced as a whole every few minutes


class Tier(NamedTuple):
    """How finely samples of some age are kept: one in `step_s` (0: all), for `age_s`, in at most `share` of the room."""

    name: str
    step_s: int
    age_s: float
    share: float


# The shares leave a tenth for the open block and for the new file that stands beside the old one while it is thinned.
TIERS: Final = (
    Tier("raw", 0, 48 * 3600.0, 0.5),
    Tier("5m", 300, 30 * 86400.0, 0.25),
    Tier("1h", 3600, 365 * 86400.0, 0.15),
)

_NAME = re.compile(r"(raw|5m|1h)-(\d{8}T\d{6})\.oak")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file: blocks of one tier, from `stamp` (UTC) on, all of the same day."""

    stamp: str
    tier: int
    path: str

    @property
    def end(self) -> str:
        """The stamp of the last second of its day: no sample in it is later."""
        return f"{self.stamp[:8]}T235959"

    @property
    def size(self) -> int:
        """Bytes on disk; 0 when it is gone."""
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0


def stamp(time_s: float) -> str:
    """The name of a moment in file names."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(time_s))


def segment(directory: str, tier: int, stamp: str) -> Segment:
    """The segment of a tier that begins at `stamp`."""
    return Segment(stamp, tier, os.path.join(directory, f"{TIERS[tier].name}-{stamp}.oak"))


def segments(directory: str) -> list[Segment]:
    """All segments in order of time. Where thinning was cut short, the finer file is whole and stands; raises CannotRun."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise CannotRun(f"{directory}: {error.strerror}; name an archive with --archive") from error
    tiers = [tier.name for tier in TIERS]
    finest: dict[str, Segment] = {}
    for match in filter(None, map(_NAME.fullmatch, names)):
        found = segment(directory, tiers.index(match[1]), match[2])
        if match[2] not in finest or found.tier < finest[match[2]].tier:
            finest[match[2]] = found
    return sorted(finest.values())


def blocks(path: str, names: Names, damage: list[str]) -> Iterator[Block]:
    """The sound blocks of a file, in order; what is broken is said in `damage` and passed over. Raises FileNotFoundError."""
    with open(path, "rb") as file:
        data = file.read()
    for frame in frames(data):
        if isinstance(frame, int):
            damage.append(f"{path}: {frame} bytes are damaged and were passed over")
            continue
        try:
            yield unpack(frame, names)
        except BrokenBlock as error:
            damage.append(f"{path}: a block of {len(frame)} bytes makes no sense ({error}) and was passed over")
