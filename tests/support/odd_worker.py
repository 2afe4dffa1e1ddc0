"""`oakum worker` in a world that a test rules: clocks that it moves, a disk that it fills."""

from __future__ import annotations

import argparse
import sys
import time

from tests.support.small_disk import SmallDisk

from oakum.clock import SystemClock
from oakum.run.child.template import plant
from oakum.units import parse_size


class MovedClock(SystemClock):
    """The host's clocks, off by as many seconds as stand in a file: the wall clock, and the time since boot where the host slept."""

    def __init__(self, file: str) -> None:
        self._file = file

    def wall(self) -> float:
        return time.time() + self._off()[0]

    def boot(self) -> float:
        return super().boot() + self._off()[1]

    def _off(self) -> tuple[float, float]:
        try:
            with open(self._file) as file:
                wall, boot = (file.read() or "0 0").split()
                return float(wall), float(boot)
        except FileNotFoundError:
            return 0.0, 0.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    parser.add_argument("--memory")
    parser.add_argument("--slots", type=int)
    parser.add_argument("--clock", default="")
    parser.add_argument("--disk", nargs=2, metavar=("DIRECTORY", "BYTES"))
    args = parser.parse_args()
    planted = plant(args.app)
    from oakum.run.worker.life import Settings, Worker

    if args.disk is not None:
        SmallDisk(args.disk[0], int(args.disk[1]))
    settings = Settings(args.app, parse_size(args.memory), args.slots, queues=("default",), grace_s=1.0)
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    return Worker(settings, planted, say, MovedClock(args.clock) if args.clock else None).run()


if __name__ == "__main__":
    sys.exit(main())
