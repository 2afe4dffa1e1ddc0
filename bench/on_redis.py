"""Measures the engine on a Redis server of the benchmark's own, which keeps an append-only file.

    script/bench on_redis [--only rate,enqueue] [--runs 3] [--appendfsync everysec] [--jobs 100000] [--rows 1000000]

Installs redis-server where it is missing. Server, worker, children and producer share the machine.
"""

from __future__ import annotations

import sys

from bench.measures import on_server
from bench.measures.served import Aims
from bench.rig.redis import SYNCS, own_redis

AIMS = Aims(jobs=15_000, many=60_000, p99_ms=3, waiting=320)


def main() -> int:
    parser = on_server.parser(__doc__, on_server.MEASURES)
    parser.add_argument("--appendfsync", default="everysec", choices=SYNCS, help="of its file (default: everysec)")
    args = parser.parse_args()
    with own_redis(args.appendfsync) as server:
        return on_server.run(on_server.MEASURES, args, server, AIMS)


if __name__ == "__main__":
    sys.exit(main())
