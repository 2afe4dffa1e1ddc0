"""How often the rules are right: 50 troubled and 50 healthy made-up hosts of 48 hours, each with its hidden truth.

    script/bench watch_accuracy                  # the held-out hosts: the figures that are quoted
    script/bench watch_accuracy --set tuning     # the hosts that thresholds were chosen on
    script/bench watch_accuracy --as-log         # sizes only, as in a log of `ps`: no processor time, no host figures
    script/bench watch_accuracy --hours 12 --memory 2e9     # half a day of record, of a smaller host

Hidden in a troubled host: one to three cron jobs that hang now and then, leaks of 0.5 to 20 MB an hour, two more of 1
to 20 beneath a daily rhythm and a collector's saw-tooth. In every host: workers that are replaced in turn, caches that
warm up, logs that are rotated at midnight, allocators that keep their largest size, new levels, and up to two reboots.
Numbers of processes are used a second time.
"""

from __future__ import annotations

import argparse
import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator

from bench.watch_hosts import Host, Trouble

from oakum.model.finding import Finding
from oakum.watch.families import fold
from oakum.watch.history import History
from oakum.watch.rules import diagnose
from oakum.watch.rules.case import Case
from oakum.watch.series import Identity, ProcessKey

SETS = {"tuning": 10_000, "held-out": 400_000}  # seeds between were looked at while the rules were made
MEMORY = 16e9


def made_up(seed: int, *, troubled: bool, hours: float = 48) -> Host:
    """The host of a seed."""
    rng = random.Random(seed)
    reboots, disguises = rng.choices((0, 1, 2), (6, 3, 1))[0] if hours > 24 else 0, rng.randrange(3, 9)
    if not troubled:
        return Host(seed, hours, trouble=Trouble(reboots=reboots, disguises=disguises))
    leaks = tuple(round(10 ** rng.uniform(-0.3, 1.3), 2) for _ in range(3))
    veiled = tuple(round(10 ** rng.uniform(0, 1.3), 2) for _ in range(2))
    return Host(seed, hours, trouble=Trouble(rng.randrange(1, 4), leaks, reboots, veiled, disguises))


def history_of(host: Host, *, as_log: bool = False, memory: float = MEMORY) -> History:
    """What a recorder would have kept of it."""
    history, columns = History(), defaultdict(lambda: defaultdict(list))
    ticks: dict[ProcessKey, array[int]] = defaultdict(lambda: array("I"))
    used, texts, boots = array("q"), {}, {}
    for now_s, processes in host.ticks():
        boot = boots.setdefault(host.boot_s, len(boots))
        history.boot(str(host.boot_s), host.boot_s)
        tick = history.tick(now_s, 60)
        for process in processes:
            key = ProcessKey(boot, process.pid, process.start_s)
            if key not in ticks:
                history.process(key, Identity(process.ppid, process.user, process.comm, process.args))
            ticks[key].append(tick)
            row = columns[key]
            row["rss"].append(process.rss_kib * 1024)
            if not as_log:
                row["cpu_ms"].append(process.cpu_ms)
                row["wchan"].append(texts.setdefault(process.wchan, len(texts)))
        used.append(sum(process.rss_kib for process in processes) * 1024)
    for key, process in history.processes.items():
        process.extend(ticks[key], columns[key])
    history.texts += texts
    if not as_log:
        everywhere = range(len(used))
        total = int(memory)
        available = [max(total - size, total // 10) for size in used]
        history.host.extend(everywhere, {"mem_total": [total] * len(used), "mem_available": available})
    history.fold_churn(len(history.times) - 1)
    return history


def named(findings: list[Finding], code: str) -> set[str]:
    """The families, and the single commands within them, that a rule named."""
    return {
        word
        for finding in findings
        if finding.code == code
        for word in (finding.subject, *finding.evidence.get("commands", ()))
    }


def leak_kinds(host: Host) -> Iterator[tuple[str, str]]:
    """(family, kind) of each leak that was hidden."""
    reboots = f", {len(host.truth.reboots)} reboots" if host.truth.reboots else ""
    for number, (args, rate) in enumerate(host.truth.leaks.items()):
        veil = ("beneath a daily rhythm", "beneath a saw-tooth")[number - 3] if number >= 3 else "plain"
        size = "under 1 MB/h" if rate < 1 else "1 to 10 MB/h" if rate < 10 else "10 to 20 MB/h"
        yield fold(args), f"leak {size}, {veil}{reboots}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="held-out")
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--as-log", action="store_true")
    parser.add_argument("--hours", type=float, default=48)
    parser.add_argument("--memory", type=float, default=MEMORY, help="bytes")
    args = parser.parse_args()
    first = SETS[args.set]
    hidden: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for seed in range(first, first + args.hosts):
        host = made_up(seed, troubled=True, hours=args.hours)
        findings = diagnose(Case(history_of(host, as_log=args.as_log, memory=args.memory)))
        hung, growing = named(findings, "OAK102") | named(findings, "OAK103"), named(findings, "OAK101")
        for command in host.truth.hung:
            hidden["hung cron job"] += 1
            hits["hung cron job"] += command in hung
        for family, kind in leak_kinds(host):
            hidden[kind] += 1
            hits[kind] += family in growing
        true = {fold(command) for command in (*host.truth.hung, *host.truth.leaks)} | {"host memory"}
        for finding in findings:
            if finding.subject not in true:
                false["on troubled hosts"] += 1
                print(f"false, host {seed}: {finding.code} {finding.message}")
    for seed in range(first + 5_000, first + 5_000 + args.hosts):
        host = made_up(seed, troubled=False, hours=args.hours)
        for finding in diagnose(Case(history_of(host, as_log=args.as_log, memory=args.memory))):
            false["on healthy hosts"] += 1
            print(f"false, host {seed}: {finding.code} {finding.message}")
    print(f"{args.set} hosts, {args.hosts} troubled and {args.hosts} healthy")
    for kind in sorted(hidden):
        print(f"{hits[kind]:5d} of {hidden[kind]:4d} named: {kind}")
    for where in ("on troubled hosts", "on healthy hosts"):
        print(f"{false[where]:5d} false findings {where}")


if __name__ == "__main__":
    main()
