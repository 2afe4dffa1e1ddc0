"""Makes up hosts whose troubles are known: the ground truth for the recorder's figures and for the rules' accuracy.

    python -m bench.watch_hosts --seed 1 --hours 48 > host.log       # in the format of `ps -eo pid,ppid,user,lstart,...`

Everything follows from the seed. `Host(seed).ticks()` yields one list of living processes a minute; `Host.truth` tells
what was hidden among them.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MINUTE = 60
HOUR = 3600
KIB_PER_MB = 1000_000 / 1024
START_S = 1_766_315_700  # 2025-12-21 11:15:00 UTC
PID_MAX = 32_768

Behaviour = Callable[[random.Random, float, int], int]  # (random, minutes alive, rss now in KiB) -> rss in KiB


@dataclass(slots=True)
class Process:
    """One made-up process, as a recorder sees it."""

    pid: int
    ppid: int
    user: str
    start_s: int
    comm: str
    args: str
    rss_kib: int
    behave: Behaviour | None = None  # None: its memory never changes
    cpu_ms: int = 0
    busy_ms: float = 0.0  # CPU time that it takes in a minute, on average
    threads: int = 1
    fds: int = 8
    wchan: str = "do_epoll_wait"
    ends_s: float = float("inf")
    restart: Callable[[Host], Process] | None = None  # what takes its place when it ends


@dataclass(slots=True)
class Truth:
    """What is wrong with the host, by command line."""

    hung: list[str] = field(default_factory=list)
    leaks: dict[str, float] = field(default_factory=dict)  # MB (10**6 bytes) an hour
    reboots: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to hide in a host. A healthy one has none of it."""

    hung_crons: int = 0
    leaks_mb_h: tuple[float, ...] = ()
    reboots: int = 0
    veiled_leaks_mb_h: tuple[float, ...] = ()  # beneath a daily rhythm or a collector's saw-tooth
    disguises: int = 0  # healthy services that look like leaks for a while


class Host:
    """A server of about `size` processes, most of them idle, with cron jobs, restarts and the given troubles."""

    def __init__(self, seed: int, hours: float = 48, size: int = 200, trouble: Trouble = Trouble()) -> None:
        self.random = random.Random(seed)
        self.hours = hours
        self.size = size
        self.trouble = trouble
        self.now_s = START_S
        self.boot_s = START_S - self.random.randrange(2, 60) * 86_400
        self.processes: list[Process] = []
        self._next_pid = 300
        self._passing: list[Process] = []
        self._crons: list[tuple[int, int, str, str]] = []  # every, minute, user, command
        self._hanging: list[tuple[str, float]] = []  # a cron's command, chance that a run hangs
        self._services: list[Callable[[], Process]] = []
        self.truth = Truth()
        self._plan()
        self._boot()

    def ticks(self) -> Iterator[tuple[int, list[Process]]]:
        """(seconds since 1970, the living processes) once a minute; nothing while the host is down."""
        rng = self.random
        total = int(self.hours * 60)
        reboots = sorted(rng.sample(range(total // 4, total - 30), self.trouble.reboots))
        minute = 0
        while minute < total:
            if reboots and minute >= reboots[0]:
                reboots.pop(0)
                down = rng.randrange(1, 12)
                minute += down
                self.now_s = START_S + minute * MINUTE
                self.boot_s = self.now_s - rng.randrange(20, 50)
                self.truth.reboots.append(self.boot_s)
                self._boot()
            self.now_s = START_S + minute * MINUTE
            self._advance(minute)
            yield self.now_s, self.processes + self._passing
            minute += 1

    # What happens in a minute

    def _advance(self, minute: int) -> None:
        rng = self.random
        for index, process in enumerate(self.processes):
            if process.ends_s <= self.now_s and process.restart is not None:
                self.processes[index] = process = process.restart(self)
            if process.behave is not None:
                process.rss_kib = process.behave(rng, (self.now_s - process.start_s) / MINUTE, process.rss_kib) & ~3
            if process.busy_ms:
                process.cpu_ms += int(rng.expovariate(1 / process.busy_ms))
        self._passing = list(self._cron_children(minute))

    def _cron_children(self, minute: int) -> Iterator[Process]:
        rng = self.random
        yield self._new(
            "root", "ps", "ps -eo pid,ppid,user,lstart,etimes,rss,comm,args --sort=-rss,ppid,pid", 4100, ppid=612
        )
        for every, at, user, command in self._crons:
            if minute % every != at or rng.random() < 0.3:  # the rest ended before the sample was taken
                continue
            shell = self._new(user, "sh", f"/bin/sh -c {command}", 1700, ppid=612)
            rss = rng.randrange(18_000, 30_000)
            child = self._new(user, command.split()[0][:15], command, rss, ppid=shell.pid)
            yield shell
            yield child
        for command, chance in self._hanging:
            if minute % 5 == 1 and rng.random() < chance:
                # It waits in an HTTP request that has no timeout. It has never ended when the host is looked at.
                rss = rng.randrange(48_000, 54_000)
                self.processes.append(self._new("www-data", "python", command, rss, ppid=612, wchan="wait_woken"))

    # How the host is made

    def _plan(self) -> None:
        rng = self.random
        users = ("www-data", "app", "postgres", "redis", "deploy")
        kernel = self.size * 2 // 5
        for number in range(kernel):
            name = rng.choice(("kworker/{}:1", "ksoftirqd/{}", "migration/{}", "cpuhp/{}", "scsi_eh_{}", "irq/{}-ahci"))
            name = name.format(number)
            self._services.append(lambda n=name: self._new("root", n, f"[{n}]", 0, ppid=2, wchan="kthread"))
        for number in range(self.size - kernel - len(self.trouble.leaks_mb_h) - 2):
            kind = rng.choices(("idle", "plateau", "sawtooth", "cache", "daily"), (35, 40, 14, 6, 5))[0]
            self._plan_service(kind, number, rng.choice(users))
        for number, rate in enumerate(self.trouble.leaks_mb_h):
            args = f"/srv/billing/bin/consumer-{chr(97 + number)} --queue invoices"
            self.truth.leaks[args] = rate
            rss, noise = rng.randrange(30_000, 200_000), rng.choice((0, 40, 200))
            self._services.append(
                lambda args=args, rate=rate, rss=rss, noise=noise: self._new(
                    "app", "consumer", args, rss, behave=leaking(rate, noise), busy_ms=300
                )
            )
        for number, rate in enumerate(self.trouble.veiled_leaks_mb_h):
            args = f"/srv/shop/bin/web-{chr(97 + number)} --port {8000 + number}"
            self.truth.leaks[args] = rate
            self._services.append(self._veiled_leak(args, rate, ("daily", "collected")[number % 2]))
        for number in range(self.trouble.disguises):
            kind = ("warming", "slow cache", "rotated", "ratchet", "steps", "collected")[number % 6]
            self._services.append(
                self._disguise(kind, f"/srv/calm/{kind.replace(' ', '-')}d --shard {chr(97 + number)}")
            )
        for number in range(rng.randrange(3, 7)):
            every = rng.choice((1, 5, 5, 10, 15, 60))
            self._crons.append((every, rng.randrange(every), "root", f"/usr/local/bin/task-{chr(97 + number)} --quiet"))
        for _ in range(self.trouble.hung_crons):
            command = f"python manage.py crontab run {rng.getrandbits(128):032x}"
            self._hanging.append((command, rng.uniform(0.02, 0.1)))
            self.truth.hung.append(command)

    def _plan_service(self, kind: str, number: int, user: str) -> None:
        rng = self.random
        rss = int(rng.lognormvariate(9.3, 1.0))
        name = f"{rng.choice(('sync', 'mail', 'auth', 'feed', 'geo', 'log', 'push', 'scan'))}d"
        args = (
            f"/usr/lib/{name}/{name} --config /etc/{name}/{name}-{chr(97 + number % 26)}{chr(97 + number // 26)}.conf"
        )
        threads, fds = rng.choice((1, 1, 1, 2, 4, 16)), rng.randrange(4, 60)
        if kind == "idle":
            make = lambda: self._new(user, name, args, rss, threads=threads, fds=fds)  # noqa: E731
        elif kind == "plateau":
            make = lambda: self._new(  # noqa: E731
                user, name, args, rss, behave=plateau(rss), busy_ms=40, threads=threads, fds=fds
            )
        elif kind == "cache":
            top, minutes = rng.randrange(50_000, 400_000), rng.uniform(60, 500)
            make = lambda: self._new(  # noqa: E731
                user, name, args, rss, behave=warming(rss, rss + top, minutes), busy_ms=120, threads=threads, fds=fds
            )
        elif kind == "daily":
            swing = rng.randrange(5_000, 60_000)
            make = lambda: self._new(  # noqa: E731
                user, name, args, rss, behave=daily(rss + swing, swing, self.now_s), busy_ms=200, threads=threads
            )
        else:
            rate, hours = rng.uniform(2, 60), rng.uniform(0.5, 5)
            make = lambda: self._recycled(user, name, args, rss, rate, hours)  # noqa: E731
        self._services.append(make)

    def _veiled_leak(self, args: str, rate_mb_h: float, veil: str) -> Callable[[], Process]:
        rng = self.random
        rss, swing = rng.randrange(60_000, 300_000), rng.randrange(5_000, 60_000)

        def make() -> Process:
            above = daily(swing, swing, self.now_s) if veil == "daily" else collected(swing, rng.uniform(0.3, 3))
            return self._new("app", "web", args, rss, behave=added(leaking(rate_mb_h, 40), above), busy_ms=900)

        return make

    def _disguise(self, kind: str, args: str) -> Callable[[], Process]:
        """A service without a leak whose memory rises, some of it for many hours."""
        rng = self.random
        rss, top = rng.randrange(20_000, 200_000), rng.randrange(40_000, 400_000)

        def make() -> Process:
            if kind == "warming":  # restarted by a deployment within the record, it fills its cache anew
                process = self._new("app", "calm", args, rss, behave=warming(rss, rss + top, rng.uniform(60, 500)))
                process.ends_s = self.now_s + rng.uniform(0.05, 0.95) * self.hours * HOUR
                process.restart = lambda host: make()
                return process
            behave = {
                "slow cache": warming(rss, rss + top, rng.uniform(600, 1_600)),
                "rotated": rotated(rss, rng.uniform(1, 8), self.now_s),
                "ratchet": ratchet(rss, top // 4),
                "steps": steps(rss, top // 2),
                "collected": added(plateau(rss), collected(top, rng.uniform(0.5, 9))),
            }[kind]
            return self._new("app", "calm", args, rss, behave=behave, busy_ms=400)

        return make

    def _recycled(self, user: str, name: str, args: str, rss: int, rate_mb_h: float, hours: float) -> Process:
        """A worker that grows and is replaced by its supervisor before it hurts: a saw-tooth, not a leak."""
        process = self._new(user, name, args, rss, behave=leaking(rate_mb_h, 40), busy_ms=600)
        process.ends_s = self.now_s + hours * HOUR * self.random.uniform(0.9, 1.1)
        process.restart = lambda host: host._recycled(user, name, args, rss, rate_mb_h, hours)
        return process

    def _boot(self) -> None:
        self._next_pid = 300
        init = Process(1, 0, "root", self.boot_s, "systemd", "/sbin/init", 11_800, fds=90)
        cron = Process(612, 1, "root", self.boot_s + 4, "cron", "/usr/sbin/cron -f", 2_900)
        self.processes = [init, cron]
        for make in self._services:
            process = make()
            process.start_s = min(self.boot_s + self.random.randrange(3, 15), self.now_s)
            self.processes.append(process)

    def _new(self, user: str, comm: str, args: str, rss: int, ppid: int = 1, **more: object) -> Process:
        used = {process.pid for process in self.processes} if self._next_pid >= PID_MAX - 1 else ()
        self._next_pid += 1 if self.now_s - self.boot_s < 120 else self.random.randrange(1, 60)
        if self._next_pid >= PID_MAX:  # the kernel begins again at 300: numbers are used a second time
            self._next_pid = 300
        while self._next_pid in used or self._next_pid == 612:
            self._next_pid += 1
        start = self.now_s - (1 if ppid == 612 else 0)
        return Process(self._next_pid, ppid, user, start, comm[:15], args, rss & ~3, **more)  # type: ignore[arg-type]


def leaking(mb_h: float, noise_kib: int) -> Behaviour:
    """Grows by `mb_h` an hour for ever, in steps of pages, with noise above the line."""
    per_minute, owed = mb_h * KIB_PER_MB / 60, 0.0

    def behave(rng: random.Random, _minutes: float, rss: int) -> int:
        nonlocal owed
        owed += rng.uniform(0, 2 * per_minute)
        if noise_kib and rng.random() < 0.3:
            owed += rng.randrange(-noise_kib, noise_kib + 1)
        if owed < 4 and owed > -noise_kib - 4:
            return rss
        whole, owed = owed, 0.0
        return max(rss + int(whole), 1000)

    return behave


def plateau(base_kib: int) -> Behaviour:
    """Wavers about a level that it keeps for long, and sometimes settles on another one nearby."""
    level = base_kib

    def behave(rng: random.Random, _minutes: float, rss: int) -> int:
        nonlocal level
        chance = rng.random()
        if chance < 0.002:
            level = max(1000, base_kib + rng.randrange(-base_kib // 10, base_kib // 10 + 1))
        if chance < 0.1:
            return level + rng.randrange(0, 60)
        return rss

    return behave


def warming(base_kib: int, top_kib: int, minutes: float) -> Behaviour:
    """A cache that fills: fast at first, then level. Every trend test calls its first hours a leak."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        if rng.random() < 0.6:
            return rss
        target = top_kib - (top_kib - base_kib) * 2 ** (-alive / minutes * 2)
        return max(rss, int(target))

    return behave


def daily(middle_kib: int, swing_kib: int, since_s: int) -> Behaviour:
    """Follows the sun: up in the day, down at night."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        if rng.random() < 0.5:
            return rss
        hour = (since_s / HOUR + alive / 60) % 24
        return int(middle_kib + swing_kib * (1 - abs(hour - 12) / 6) + rng.randrange(0, 100))

    return behave


def collected(height_kib: int, hours: float) -> Behaviour:
    """Rises until a collector runs every `hours`, and falls back: what lies between is no growth."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        return int(height_kib * ((alive / 60 / hours) % 1.0)) + rng.randrange(0, 200)

    return behave


def rotated(base_kib: int, mb_h: float, since_s: int) -> Behaviour:
    """Grows all day and is back where it was when its log is rotated at midnight."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        minutes = min(alive, (since_s / MINUTE + alive) % 1440)
        return base_kib + int(minutes * mb_h * KIB_PER_MB / 60) + rng.randrange(0, 100)

    return behave


def ratchet(base_kib: int, spread_kib: int) -> Behaviour:
    """An allocator that keeps the largest it ever needed: it rises ever more seldom."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        return max(rss, base_kib + int(rng.expovariate(6) * spread_kib)) if rng.random() < 0.05 else rss

    return behave


def steps(base_kib: int, height_kib: int) -> Behaviour:
    """Settles on a higher level once or twice in two days: a new setting, a larger customer."""

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        return rss + rng.randrange(height_kib) if rng.random() < 1 / 1800 else rss

    return behave


def added(below: Behaviour, above: Behaviour) -> Behaviour:
    """One behaviour on top of another."""
    base = top = 0

    def behave(rng: random.Random, alive: float, rss: int) -> int:
        nonlocal base, top
        base = below(rng, alive, base or rss)
        top = above(rng, alive, top)
        return base + top

    return behave


def ps_block(now_s: int, processes: list[Process]) -> str:
    """One block of the log, as `ps -eo pid,ppid,user,lstart,etimes,rss,comm,args --sort=-rss,ppid,pid` prints it."""
    lines = [
        time.strftime("===== %Y-%m-%d %H:%M:%S =====", time.localtime(now_s)),
        "    PID    PPID USER                      STARTED ELAPSED   RSS COMMAND         COMMAND",
    ]
    for p in sorted(processes, key=lambda p: (-p.rss_kib, p.ppid, p.pid)):
        user = p.user if len(p.user) <= 8 else f"{p.user[:7]}+"
        started = time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(p.start_s))
        lines.append(
            f"{p.pid:7d} {p.ppid:7d} {user:8s} {started} {now_s - p.start_s:7d} {p.rss_kib:5d} {p.comm:15s} {p.args}"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=48)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--hung-crons", type=int, default=1)
    parser.add_argument("--leaks", default="4", help="MB an hour, separated by commas")
    parser.add_argument("--reboots", type=int, default=0)
    args = parser.parse_args()
    leaks = tuple(float(rate) for rate in args.leaks.split(",") if rate)
    host = Host(args.seed, args.hours, args.size, Trouble(args.hung_crons, leaks, args.reboots))
    for now_s, processes in host.ticks():
        sys.stdout.write(ps_block(now_s, processes))
    print(host.truth, file=sys.stderr)


if __name__ == "__main__":
    main()
