"""Measures the engine on a Redis server of the benchmark's own, which keeps an append-only file.

    script/bench on_redis [--only rate,enqueue] [--runs 3] [--appendfsync everysec] [--jobs 100000] [--rows 1000000]

Installs redis-server where it is missing. Server, worker, children and producer share the machine.
"""

from __future__ import annotations

import sys
from statistics import median

from bench.measures import on_server
from bench.measures.served import Aims, Stage
from bench.measures.stored import FEW, SHARE
from bench.rig.figure import Figure, share
from bench.rig.redis import SYNCS, own_redis
from bench.rig.scene import scene

AIMS = Aims(jobs=15_000, many=60_000, p99_ms=3, waiting=320)
BLOCK, BLOCKS = 200, 20


def turns(stage: Stage) -> list[Figure]:
    """One enqueue after the other beside so many waiting jobs and beside 10,000, in turns: two stores of the same server."""
    url, rows = stage.server.fresh(), stage.rows[0]
    with scene(url=url) as few, scene(url=f"{url}?prefix=many") as many:
        few.fill(FEW)
        many.fill(rows)
        stage.server.settle()
        rates = [(many.fill_singly(BLOCK), few.fill_singly(BLOCK)) for _ in range(BLOCKS)]
    beside_many, beside_few = map(median, zip(*rates, strict=True))
    return [Figure(f"enqueue at {rows:,} waiting, in turns", "1/s", beside_many, beside_few, share(SHARE))]


MEASURES: on_server.Measures = {**on_server.MEASURES, "turns": turns}


def main() -> int:
    parser = on_server.parser(__doc__, MEASURES)
    parser.add_argument("--appendfsync", default="everysec", choices=SYNCS, help="of its file (default: everysec)")
    args = parser.parse_args()
    with own_redis(args.appendfsync) as server:
        return on_server.run(MEASURES, args, server, AIMS)


if __name__ == "__main__":
    sys.exit(main())
