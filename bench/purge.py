"""Deletes a million rows in several ways while a second connection writes; prints time, memory, locks, the writer's waits.

    python bench/purge.py [--rows 1000000] [--databases sqlite,postgres,mysql] [--cases cascade,plain,celery] [--ways ...] [--rounds 3]

PostgreSQL and MariaDB are those of OAKUM_TEST_POSTGRES and OAKUM_TEST_MYSQL: eval "$(script/servers start)". A cascade beside the loop
of 1,000 ids, alone: --databases sqlite --cases cascade --ways ids,purge.
Each way runs in a process of its own on tables filled anew (a SQLite file is filled once and then copied), all ways in turn, round by
round; the medians stand beside that of the first way. "settled" is the time until InnoDB has also taken the rows out of its trees,
which it does after the commit; elsewhere it is the same. Memory is VmHWM, reset just before, less what was resident.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUTOFF = NOW - timedelta(days=90)
YOUNG = 10_000  # rows that stay
CASES = {  # models to fill, the first one is purged by its column; the ways to do it
    "cascade": (["purge_site.Session", "purge_site.Command"], "date_start", ["delete", "ids", "purge"]),
    "plain": (["purge_site.Event"], "date_start", ["bare", "ids", "purge", "table"]),
    "celery": (["django_celery_results.TaskResult"], "date_done", ["own", "purge"]),
}
WRITE_EVERY = 0.005  # seconds
HISTORY_AT_REST = 20  # transactions that InnoDB's purge threads have not dealt with, where nothing but the writer runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--databases", default="sqlite,postgres,mysql")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--ways", default="")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--step", nargs=3, metavar=("DATABASE", "CASE", "WHAT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        step(*args.step, args.rows)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("PURGE_BENCH_DIR")) as directory:
        os.environ["PURGE_BENCH_SQLITE"] = os.path.join(directory, "bench.db")
        print(f"{args.rows:,} rows. Writer: one insert in {WRITE_EVERY * 1000:.0f} ms, its waits in ms")
        print(
            f"{'':26}{'s':>8}{'settled':>9}{'own CPU':>9}{'MiB added':>11}{'lock ms':>9}{'writes':>8}{'p50':>8}{'p99':>9}{'longest':>9}"
        )
        for database in args.databases.split(","):
            for case in args.cases.split(","):
                ways = args.ways.split(",") if args.ways else CASES[case][2]
                rounds = [[compare(database, case, way, args.rows) for way in ways] for _ in range(args.rounds)]
                medians = [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]
                for way, seconds in zip(ways[1:], medians[1:], strict=True):
                    print(f"{database:10}{case:9}{way:7}{seconds / medians[0]:8.2f} times {ways[0]}", flush=True)


def compare(database: str, case: str, way: str, rows: int) -> float:
    """Fills the tables, deletes in one way while a writer inserts, prints what it took: the seconds."""
    fill(database, case, rows)
    writer = run(database, case, "write", rows)
    try:
        assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
        purge = json.loads(run(database, case, way, rows).communicate()[0])
    finally:
        writer.terminate()
        written = writer.communicate()[0]
    waits = sorted(json.loads(written))
    lock = f"{purge['lock'] * 1000:9.0f}" if purge["lock"] is not None else f"{'':9}"
    p50, p99, longest = (waits[min(len(waits) - 1, int(len(waits) * share))] * 1000 for share in (0.5, 0.99, 1))
    print(
        f"{database:10}{case:9}{way:7}{purge['seconds']:8.1f}{purge['settled']:9.1f}{purge['cpu']:9.1f}{purge['peak'] / 2**20:11.1f}{lock}"
        f"{len(waits):8}{p50:8.1f}{p99:9.1f}{longest:9.1f}",
        flush=True,
    )
    assert purge["left"] == 0, purge
    return float(purge["seconds"])


def fill(database: str, case: str, rows: int) -> None:
    """Fills the tables anew: on SQLite by a copy of the file that was filled first."""
    file = os.environ["PURGE_BENCH_SQLITE"]
    filled = f"{file}.{case}"
    if not os.path.exists(filled):
        run(database, case, "fill", rows).wait()
        if database == "sqlite":
            os.rename(file, filled)
    if database == "sqlite":
        shutil.copyfile(filled, file)
        with open(file, "rb") as copy:
            os.fsync(copy.fileno())


def run(database: str, case: str, what: str, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--rows", str(rows), "--step", database, case, what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def step(database: str, case: str, what: str, rows: int) -> None:
    """One process of the benchmark: fills the tables, writes along, or deletes and prints what it took."""
    set_up(database)
    if what == "fill":
        from purge_site.fill import make

        make(CASES[case][0], rows, YOUNG, CUTOFF - timedelta(days=1), NOW)
    elif what == "write":
        write(case)
    else:
        print(json.dumps(delete(database, case, what)))


def set_up(database: str) -> None:
    import django
    from django.conf import settings

    if database == "sqlite":
        import sqlite3

        address = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["PURGE_BENCH_SQLITE"],
            "OPTIONS": {"timeout": 300},
        }
        sqlite3.connect(address["NAME"]).execute("PRAGMA journal_mode = WAL")
    else:
        url = urlsplit(os.environ[f"OAKUM_TEST_{database.upper()}"])
        engine = {"postgres": "postgresql", "mysql": "mysql"}[database]
        address = {"ENGINE": f"django.db.backends.{engine}", "NAME": url.path[1:], "USER": url.username}
        address |= {"HOST": url.hostname, "PORT": url.port}
        if engine == "mysql":
            import pymysql

            pymysql.version_info = (2, 2, 7, "final", 0)
            pymysql.install_as_MySQLdb()
    settings.configure(
        DATABASES={"default": address},
        INSTALLED_APPS=["purge_site", "django_celery_results"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def write(case: str) -> None:
    """Inserts young rows until it is told to end; prints how long each insert took."""
    import signal

    from django.apps import apps

    model, column = apps.get_model(CASES[case][0][0]), CASES[case][1]
    waits: list[float] = []
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    print("writing", flush=True)
    while not ended:
        began = time.monotonic()
        if case == "celery":
            model.objects.create(task_id=f"young-{len(waits)}", date_done=NOW)
        else:
            model.objects.create(account="writer", comment="", **{column: NOW})
        waits.append(time.monotonic() - began)
        time.sleep(WRITE_EVERY)
    print(json.dumps(waits))


def delete(database: str, case: str, way: str) -> dict[str, float | None]:
    from django.apps import apps
    from django.db import connection
    from django.db.models.signals import post_delete

    from oakum import purge

    model, column = apps.get_model(CASES[case][0][0]), CASES[case][1]
    rows = model.objects.filter(**{f"{column}__lt": CUTOFF})
    seen: list[int] = [0]

    def count(**_: object) -> None:
        seen[0] += 1

    if case == "cascade":
        post_delete.connect(count, weak=False)  # without a sender, as the incident's project has it
    rows.first()
    options = purge.Options()
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    resident, began, spent, lock = memory("VmRSS"), time.monotonic(), time.process_time(), None
    if way in {"delete", "own"}:
        rows.delete() if way == "delete" else model.objects.delete_expired(timedelta(days=90))
    elif way == "bare":
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {model._meta.db_table} WHERE {column} < %s",
                [connection.ops.adapt_datetimefield_value(CUTOFF)],
            )
    elif way == "ids":
        while ids := list(rows.values_list("pk", flat=True)[:1000]):
            model.objects.filter(pk__in=ids).delete()
    elif way == "purge":
        lock = purge.queryset(rows, options=options).longest_lock
    else:
        url = (
            f"sqlite:///{os.environ['PURGE_BENCH_SQLITE']}"
            if database == "sqlite"
            else os.environ[f"OAKUM_TEST_{database.upper()}"]
        )
        where = [f"{column}<{CUTOFF:%Y-%m-%d %H:%M:%S}"]
        lock = purge.table(url, model._meta.db_table, where=where, options=options).longest_lock
    seconds, cpu, peak = time.monotonic() - began, time.process_time() - spent, memory("VmHWM") - resident
    if database == "mysql":
        await_purge_threads()
    settled = time.monotonic() - began
    return {"seconds": seconds, "settled": settled, "cpu": cpu, "peak": peak, "lock": lock, "left": rows.count()}


def await_purge_threads() -> None:
    """Waits until InnoDB has taken what was deleted out of its trees, which it does after the commit."""
    from django.db import connection

    with connection.cursor() as cursor:
        while True:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")
            if int(cursor.fetchone()[1]) < HISTORY_AT_REST:
                return
            time.sleep(0.05)


def memory(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))


if __name__ == "__main__":
    main()
