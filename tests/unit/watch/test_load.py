"""From an archive to a history: windows, commands that became others, probes of tomorrow, lost names."""

from __future__ import annotations

from pathlib import Path

import pytest

from oakum.errors import CannotRun
from oakum.watch.archive import Archive
from oakum.watch.history import CronJob
from oakum.watch.load import load, newest_s
from oakum.watch.tables import CGROUPS, CRONTABS, HOST, PROCESSES, UNKNOWN, Column, Entity, Table

START = 1_767_225_600.0
MIB = 1024 * 1024
QUEUES = Table("queues", (), ("queue",), (Column("waiting", "gauge"), Column("state", "text")))


def process(pid: int, args: str, user: str = "app") -> Entity:
    return Entity((pid, pid * 100, 1), (user, args.split(maxsplit=1)[0], args, "/app.slice"))


def figures(rss: int, wchan: int = UNKNOWN) -> tuple[int, ...]:
    return (rss, UNKNOWN, 10, 3, 4, ord("S"), wchan, UNKNOWN)


def record(directory: Path, ticks: list[dict[Entity, int]], start_s: float = START) -> None:
    with Archive(str(directory)) as archive:
        for minute, sizes in enumerate(ticks):
            block = archive.begin("boot", START - 5000.0, 60, start_s + 60 * minute)
            for entity, rss in sizes.items():
                block.table(PROCESSES).add(minute, entity, figures(rss, block.text("do_poll")))
            archive.commit()


def test_a_process_comes_back_with_all_its_figures(tmp_path: Path) -> None:
    record(tmp_path, [{process(7, "web --all"): minute * MIB} for minute in range(3)])
    history = load(str(tmp_path))
    ((key, web),) = history.processes.items()
    assert (key.pid, key.start_s) == (7, int(START - 5000 + 7))
    assert (web.identity.user, web.identity.cgroup, web.name) == ("app", "/app.slice", "web --all")
    assert list(web.rss) == [0, MIB, 2 * MIB]
    assert [web.at(name, 1) for name in ("cpu_ms", "threads", "fds", "pss")] == [10, 3, 4, None]
    assert chr(web.at("state", 0) or 0) == "S"
    assert history.texts[web.at("wchan", 0) or 0] == "do_poll"


def test_only_the_window_is_loaded(tmp_path: Path) -> None:
    record(tmp_path, [{process(7, "web"): minute * MIB} for minute in range(20)])
    history = load(str(tmp_path), START + 5 * 60, START + 8 * 60)
    (web,) = history.processes.values()
    assert list(web.rss) == [5 * MIB, 6 * MIB, 7 * MIB, 8 * MIB]
    assert list(history.times_of(web)) == [START + 60 * minute for minute in (5, 6, 7, 8)]
    assert not load(str(tmp_path), START + DAY).processes


def test_a_command_that_became_another_is_one_series(tmp_path: Path) -> None:
    shell, python = process(9, "sh -c job"), Entity((9, 900, 1), ("app", "python", "python job.py", ""))
    cron = process(1, "cron")
    record(tmp_path, [{cron: MIB, who: minute} for minute, who in enumerate((shell, python, python, shell, python))])
    history = load(str(tmp_path))
    job = next(process for process in history.processes.values() if process.key.pid == 9)
    assert (list(job.ticks), job.name, len(history.processes)) == ([0, 1, 2, 3, 4], "python job.py", 2)


def test_cron_children_are_counted(tmp_path: Path) -> None:
    ticks = [{process(1, "cron"): MIB} for _ in range(30)]
    for minute in range(0, 30, 5):
        ticks[minute][process(100 + minute, f"poll --id {minute}")] = minute * MIB
    record(tmp_path, ticks)
    history = load(str(tmp_path))
    assert {key.pid for key in history.processes} == {1}
    assert history.churn["poll --id *"].total == 6
    assert max(history.churn["poll --id *"].rss_high) == 25 * MIB


def test_the_host_cgroups_and_the_tables_of_other_probes(tmp_path: Path) -> None:
    with Archive(str(tmp_path)) as archive:
        for minute in range(3):
            block = archive.begin("boot", START, 60, START + 60 * (minute + 1))
            host = tuple(minute * 1024 if column.name == "mem_available" else UNKNOWN for column in HOST.columns)
            block.table(HOST).add(minute, Entity((), ("host",)), host)
            block.table(CGROUPS).add(minute, Entity((), ("/web",)), (512 * MIB, minute * MIB, UNKNOWN, minute))
            block.table(QUEUES).add(minute, Entity((), ("mail",)), (minute * 10, block.text("paused")))
            archive.commit()
    history = load(str(tmp_path))
    assert list(history.host.column("mem_available") or ()) == [0, 1024, 2048]
    assert history.host.column("mem_total") is None
    assert list(history.cgroups["/web"].columns["oom_kills"]) == [0, 1, 2]
    queue = history.tables["queues"]["mail"]
    assert list(queue.columns["waiting"]) == [0, 10, 20]
    assert history.texts[queue.columns["state"][2]] == "paused"


def test_names_that_were_lost_with_a_block_lose_only_their_own_samples(tmp_path: Path) -> None:
    web, mail, late = process(7, "web"), process(8, "mail"), process(9, "late")
    for part, sizes in enumerate(({web: MIB}, {web: MIB, mail: MIB}, {web: MIB, mail: MIB, late: MIB})):
        record(tmp_path, [sizes, sizes], START + 600 * part)
    (path,) = tmp_path.glob("raw-*")
    data = path.read_bytes()
    second = data.index(b"OAK\x01", 4)
    path.write_bytes(data[: second + 20] + b"\0\0" + data[second + 22 :])
    history = load(str(tmp_path))
    assert {process.name: len(process) for process in history.processes.values()} == {"web": 4, "late": 2}
    assert len(history.damage) == 1


def test_no_archive_and_an_empty_one_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="--archive"):
        load(str(tmp_path / "nowhere"))
    with pytest.raises(CannotRun, match="nothing is recorded"):
        newest_s(str(tmp_path))


DAY = 86_400.0


def test_the_crontabs_as_they_were_read_last(tmp_path: Path) -> None:
    kept, gone = (
        Entity((), (path, "*/5 * * * *", "app", command))
        for path, command in (("/etc/crontab", "a"), ("/etc/cron.d/b", "b"))
    )
    with Archive(str(tmp_path)) as archive:
        for minute, jobs in enumerate(({kept: 2, gone: 7}, {kept: 3}, {})):
            block = archive.begin("boot", START - 5000.0, 60, START + 60 * minute)
            block.table(HOST).add(minute, Entity((), ("host",)), (UNKNOWN,) * len(HOST.columns))
            for entity, line in jobs.items():
                block.table(CRONTABS).add(minute, entity, (line,))
            archive.commit()
    assert load(str(tmp_path)).cron_jobs == [CronJob("/etc/crontab", 3, "*/5 * * * *", "app", "a")]
