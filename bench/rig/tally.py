"""What tasks counted of themselves with `hits`, added up."""

from __future__ import annotations

import os
import struct


class Tally:
    """The files of one directory, which is made."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.mkdir(directory)

    def count(self) -> int:
        """How many jobs have run."""
        total = 0
        for name in os.listdir(self.directory):
            if name.startswith("hit."):
                with open(f"{self.directory}/{name}", "rb") as file:
                    total += int.from_bytes(file.read(8), "little")
        return total

    def delays_ms(self) -> list[float]:
        """The delays that `late` noted, in order of size."""
        delays: list[float] = []
        for name in os.listdir(self.directory):
            if name.startswith("lat."):
                with open(f"{self.directory}/{name}", "rb") as file:
                    delays += [nanoseconds / 1e6 for (nanoseconds,) in struct.iter_unpack("<q", file.read())]
        return sorted(delays)

    def clear(self) -> None:
        """Forgets all."""
        for name in os.listdir(self.directory):
            os.unlink(f"{self.directory}/{name}")
