"""A program that enqueues, one by one, and prints its resident bytes after so many: `FEW MANY`."""

from __future__ import annotations

import gc
import os
import sys

from bench.rig.tasks import app

from oakum.host.tree import resident


def main() -> None:
    noop = app.find_task("noop")
    done = 0
    for upto in map(int, sys.argv[1:]):
        for _ in range(upto - done):
            noop.enqueue()
        done = upto
        gc.collect()
        print(resident(os.getpid()))


if __name__ == "__main__":
    main()
