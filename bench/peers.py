"""Oakum and other task engines for Python, each in an environment of its own, on the same no-op jobs: figures and ratios.

    script/bench peers [--on postgres,redis] [--only oakum:redis,huey] [--runs 3] [--appendfsync everysec] [--json FILE]

The first run makes the environments, with the newest releases, in var/bench; Oakum is this checkout. Servers are started anew
on free ports, and ended; what is missing is installed. All keep what they are given: SQLite at synchronous=FULL, PostgreSQL
with its default settings, synchronous_commit=on, Redis with an append-only file, synced once a second unless told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.rig.postgres import own_postgres
from bench.rig.redis import SYNCS, own_redis
from bench.rig.report import machine, number
from bench.rig.rival import Rival
from bench.rig.servers import Server

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOME = os.path.join(ROOT, "var", "bench")
PACKAGES = {
    "huey": ["huey", "redis", "hiredis"],
    "dramatiq": ["dramatiq[redis]", "hiredis"],
    "taskiq": ["taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"],
    "celery": ["celery[redis]", "hiredis"],
    "rq": ["rq", "redis", "hiredis"],
    "arq": ["arq", "hiredis"],
    "saq": ["saq[redis]", "typing_extensions", "hiredis", "uvloop"],
    "pgqueuer": ["pgqueuer[asyncpg]", "uvloop"],
    "procrastinate": ["procrastinate", "psycopg[binary,pool]"],
    "oban": ["oban", "uvloop"],
}
NEEDS = {"oban": "3.12"}  # the Python
PEERS = {
    "sqlite": ("huey:sqlite", "oakum:sqlite"),
    "postgres": ("pgqueuer", "procrastinate", "oban", "oakum:postgres"),
    "redis": ("huey", "dramatiq", "taskiq", "celery:fast", "celery", "rq", "rq:simple", "arq", "saq", "oakum:redis"),
}
ALL = tuple(name for names in PEERS.values() for name in names)
RATES = ("jobs/s", "one by one", "in bulk")
COLUMNS = ("jobs/s", "us/job", "one by one", "in bulk", "p50 ms", "p99 ms", "idle MiB", "bytes waiting")

Run = dict[str, float]


class Results:
    """What the engines were and did, a list of runs each; `failed` says what those lacked that could not be measured."""

    def __init__(self) -> None:
        self.about: dict[str, dict[str, str]] = {}
        self.runs: dict[str, list[Run]] = {}
        self.failed: dict[str, str] = {}

    def measure(self, name: str, servers: Mapping[str, Server]) -> None:
        """One run of an engine, unless an earlier one failed."""
        if name in self.failed:
            return
        try:
            with rival(name, servers) as one:
                self.about[name] = one.info
                self.runs.setdefault(name, []).append(one.figures())
        except (subprocess.SubprocessError, OSError) as error:
            self.failed[name] = str(error)
            self.runs.pop(name, None)

    def medians(self, names: tuple[str, ...]) -> dict[str, Run]:
        """Of all runs, by engine."""
        return {
            name: {column: statistics.median(run[column] for run in self.runs[name]) for column in COLUMNS}
            for name in names
            if name in self.runs
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--on", default=",".join(PEERS), metavar="A,B", help=f"stores, of {', '.join(PEERS)} (default: all)"
    )
    parser.add_argument("--only", default=",".join(ALL), metavar="A,B", help=f"engines, of {', '.join(ALL)}")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    parser.add_argument("--appendfsync", default="everysec", choices=SYNCS, help="of Redis (default: everysec)")
    parser.add_argument("--json", metavar="FILE", help="write every run's figures there")
    args = parser.parse_args()
    stores, only = args.on.split(","), args.only.split(",")
    for told, known in ((stores, PEERS), (only, ALL)):
        if unknown := set(told) - set(known):
            parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    results = Results()
    for store in stores:
        names = tuple(name for name in PEERS[store] if name in only)
        with servers_of(store, args.appendfsync) as servers:
            for turn in range(args.runs):  # in turns: the machine's mood changes
                for name in names:
                    print(f"{turn + 1}/{args.runs} {name}", file=sys.stderr, flush=True)
                    results.measure(name, servers)
            kept = servers[store].about if servers else "SQLite at synchronous=FULL"
            show(names, results, kept)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"about": results.about, "runs": results.runs, "failed": results.failed}, file, indent=1)
    return 0


@contextlib.contextmanager
def servers_of(store: str, appendfsync: str) -> Iterator[dict[str, Server]]:
    """The server that a store needs, if any, by the store's name."""
    with contextlib.ExitStack() as stack:
        if store == "postgres":
            yield {store: stack.enter_context(own_postgres())}
        elif store == "redis":
            yield {store: stack.enter_context(own_redis(appendfsync))}
        else:
            yield {}


@contextlib.contextmanager
def rival(spec: str, servers: Mapping[str, Server]) -> Iterator[Rival]:
    """An engine with files of its own, which are removed; its environment is made where it is missing."""
    name, _, variant = spec.partition(":")
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        one = Rival(name, variant, environment(name), directory, servers)
        try:
            yield one
        finally:
            one.close()


def environment(name: str) -> str:
    """The Python of an engine's environment. Raises OSError where it cannot be had."""
    if name not in PACKAGES:
        return sys.executable
    home = os.path.join(HOME, name)
    python = os.path.join(home, "bin", "python")
    if not os.path.exists(f"{home}/ready"):
        print(f"making the environment of {name}", file=sys.stderr, flush=True)
        subprocess.run([interpreter(NEEDS.get(name)), "-m", "venv", "--clear", home], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES[name]], check=True)
        open(f"{home}/ready", "w").close()
    return python


def interpreter(version: str | None) -> str:
    """This Python, or another `version` of it that pyenv keeps or that is in the PATH. Raises OSError where there is none."""
    if version is None:
        return sys.executable
    kept = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    found = next(map(str, kept), None) or shutil.which(
        f"python{version}"
    )  # where pyenv is, that may be its word for no
    if found is None:
        raise FileNotFoundError(f"it needs Python {version}, which is not here")
    return found


def show(names: tuple[str, ...], results: Results, kept: str) -> None:
    """The medians, how many times better Oakum is, then what each is and what it gives up, and what could not be measured."""
    print(f"{machine()}; {kept}; two processes of workers")
    medians = results.medians(names)
    print_table("", medians)
    own = next((medians.pop(name) for name in names if name.startswith("oakum") and name in medians), None)
    if own is not None and medians:
        times = {name: {each: better(each, own, other) for each in COLUMNS} for name, other in medians.items()}
        print_table("times better", times)
    for name in names:
        if name in results.failed:
            print(f"{name:15} not measured: {results.failed[name]}")
        else:
            print(f"{name:15} {results.about[name]['versions']}; gives up: {results.about[name]['gives_up']}")
    print(flush=True)


def better(column: str, own: Run, other: Run) -> float:
    """How many times more of a rate, or less of a cost, Oakum has."""
    return own[column] / other[column] if column in RATES else other[column] / own[column]


def print_table(title: str, rows: dict[str, Run]) -> None:
    """One line an engine, one column a figure."""
    print(f"{title:15}" + "".join(f"{column:>14}" for column in COLUMNS))
    for name, figures in rows.items():
        print(f"{name:15}" + "".join(f"{number(figures[column]):>14}" for column in COLUMNS))
    print()


if __name__ == "__main__":
    sys.exit(main())
