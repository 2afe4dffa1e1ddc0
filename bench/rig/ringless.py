"""`oakum worker` without the kernel's ring, so that the meter can be measured by itself."""

from __future__ import annotations

import argparse
import sys

from oakum.run.child.template import plant
from oakum.units import parse_size


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    parser.add_argument("--slots", type=int)
    parser.add_argument("--memory")
    args = parser.parse_args()
    planted = plant(args.app)
    from oakum.run.worker.life import Settings, Worker

    settings = Settings(args.app, parse_size(args.memory), args.slots, kernel_ring=False)
    return Worker(settings, planted, lambda line: print(line, file=sys.stderr, flush=True)).run()


if __name__ == "__main__":
    sys.exit(main())
