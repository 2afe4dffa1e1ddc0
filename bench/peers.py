"""Oakum and other task engines for Python, each in an environment of its own, on the same no-op jobs: figures and ratios.

    script/bench peers [--only huey:sqlite,oakum] [--runs 3] [--aof] [--json FILE]

The first run makes the environments, with the newest releases, in var/bench; Oakum is this checkout. Needs redis-server (apt-get install
redis-server); it is started anew on a free port, and ended. As it comes it keeps nothing on the disk: with --aof it writes a
log, synced once a second. SQLite is at synchronous=FULL.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from bench.rig.rival import Rival

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOME = os.path.join(ROOT, "var", "bench")
PACKAGES = {
    "huey": ["huey", "redis", "hiredis"],
    "dramatiq": ["dramatiq[redis]", "hiredis"],
    "taskiq": ["taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"],
    "celery": ["celery[redis]", "hiredis"],
}
OWN = "oakum"
PEERS = ("huey:sqlite", "huey", "dramatiq", "taskiq", "celery:fast", "celery", OWN)
RATES = ("jobs/s", "one by one", "in bulk")
COLUMNS = ("jobs/s", "us/job", "one by one", "in bulk", "p50 ms", "p99 ms", "idle MiB", "bytes waiting")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PEERS), metavar="A,B", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    parser.add_argument("--aof", action="store_true", help="have Redis keep a log, synced once a second")
    parser.add_argument("--json", metavar="FILE", help="write every run's figures there")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := set(names) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if shutil.which("redis-server") is None:
        parser.error("redis-server is missing; install it with: apt-get install redis-server")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    about: dict[str, dict[str, str]] = {}
    with redis(args.aof) as port:
        for number in range(args.runs):  # in turns: the machine's mood changes
            for name in names:
                with rival(name, port) as one:
                    about[name] = one.info
                    results[name].append(one.figures())
                print(f"{number + 1}/{args.runs} {name}", file=sys.stderr, flush=True)
    show(results, about, "every second" if args.aof else "never")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"about": about, "runs": results}, file, indent=1)
    return 0


@contextlib.contextmanager
def rival(spec: str, port: int) -> Iterator[Rival]:
    """A peer with files of its own, which are removed; its environment is made where it is missing."""
    name, _, variant = spec.partition(":")
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        one = Rival(name, variant, environment(name), directory, port)
        try:
            yield one
        finally:
            one.close()


def environment(name: str) -> str:
    """The Python of a peer's environment."""
    if name == OWN:
        return sys.executable
    python = os.path.join(HOME, name, "bin", "python")
    if not os.path.exists(f"{HOME}/{name}/ready"):
        print(f"making the environment of {name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", f"{HOME}/{name}"], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES[name]], check=True)
        open(f"{HOME}/{name}/ready", "w").close()
    return python


@contextlib.contextmanager
def redis(aof: bool) -> Iterator[int]:
    """A Redis of our own; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        keep = ["--appendonly", "yes" if aof else "no", "--appendfsync", "everysec", "--save", ""]
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, *keep]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while server.poll() is None:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()
            server.wait()


def show(results: dict[str, list[dict[str, float]]], about: dict[str, dict[str, str]], synced: str) -> None:
    """The medians, how many times better Oakum is, then what each is and what it gives up."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"{os.cpu_count()} processors, load {load}; two processes of workers; SQLite at synchronous=FULL, Redis synced {synced}"
    )
    medians = {
        name: {column: statistics.median(run[column] for run in runs) for column in COLUMNS}
        for name, runs in results.items()
    }
    print_table("", medians)
    if OWN in medians:
        own = medians.pop(OWN)
        print_table(
            "times better",
            {name: {each: better(each, own, other) for each in COLUMNS} for name, other in medians.items()},
        )
    for name in results:
        print(f"{name:12}{about[name]['versions']}; gives up: {about[name]['gives_up']}")


def better(column: str, own: dict[str, float], other: dict[str, float]) -> float:
    """How many times more of a rate, or less of a cost, Oakum has."""
    return own[column] / other[column] if column in RATES else other[column] / own[column]


def print_table(title: str, rows: dict[str, dict[str, float]]) -> None:
    """One line a peer, one column a figure."""
    print(f"{title:12}" + "".join(f"{column:>14}" for column in COLUMNS))
    for name, figures in rows.items():
        print(f"{name:12}" + "".join(f"{number(figures[column]):>14}" for column in COLUMNS))
    print()


def number(value: float) -> str:
    """Three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
