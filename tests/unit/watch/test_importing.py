"""Logs as they are found, against what is known to be in them."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from bench.watch_hosts import Host, Trouble, ps_block
from tests.support.messy_log import messy_log

from oakum.errors import UsageError
from oakum.watch.archive import Archive
from oakum.watch.history import History
from oakum.watch.importing import Imported, import_log
from oakum.watch.load import load
from oakum.watch.pslog.lines import open_log


def imported(text: bytes, directory: Path) -> tuple[Imported, History]:
    with Archive(str(directory), flush_s=float("inf")) as archive:
        done = import_log(io.BytesIO(text), archive)
    return done, load(str(directory))


@pytest.mark.parametrize("seed", range(12))
def test_all_that_is_sound_in_a_messy_log_is_read(seed: int, tmp_path: Path) -> None:
    log = messy_log(seed)
    assert log.torn > 3
    assert log.bad_lines > 3
    done, history = imported(log.text, tmp_path)
    assert list(history.times) == log.times
    assert (done.torn, done.reboots, done.bad.counts.total()) == (log.torn, log.reboots, log.bad_lines)
    assert len(history.boots) == log.reboots + 1
    read = [
        (
            process.key.pid,
            process.name,
            [(int(time_s), rss // 1024) for time_s, rss in zip(history.times_of(process), process.rss, strict=True)],
        )
        for process in history.processes.values()
    ]
    lasting = [
        (pid, args, samples)
        for (pid, _, args), samples in log.seen.items()
        if len(samples) > 1 or samples[0][0] == log.times[-1]
    ]
    assert sorted(read) == sorted(lasting)
    assert sum(churn.total for churn in history.churn.values()) == len(log.seen) - len(lasting)


def test_a_gap_in_the_log_is_a_gap(tmp_path: Path) -> None:
    blocks = [ps_block(now_s, list(processes)) for now_s, processes in Host(3, 3, 30).ticks()]
    done, history = imported("".join(blocks[:60] + blocks[120:]).encode(), tmp_path)
    (gap,) = history.gaps()
    assert (gap.end_s - gap.start_s, gap.reboot, done.step_s) == (61 * 60, False, 60)


def test_the_log_of_every_fifth_minute_has_that_step(tmp_path: Path) -> None:
    blocks = [ps_block(now_s, list(processes)) for now_s, processes in Host(3, 8, 30).ticks()]
    done, history = imported("".join(blocks[::5]).encode(), tmp_path)
    assert (done.step_s, set(history.steps), history.gaps()) == (300, {300}, [])


def test_a_clock_that_was_set_keeps_processes_and_boot(tmp_path: Path) -> None:
    blocks = []
    for minute, (now_s, processes) in enumerate(Host(5, 1, 30).ticks()):
        step = 5000 if minute >= 30 else 0
        for process in processes:
            process.start_s += step
        blocks.append(ps_block(now_s + step, processes))
        for process in processes:
            process.start_s -= step
    done, history = imported("".join(blocks).encode(), tmp_path)
    assert (done.clock_steps, done.reboots, len(history.boots)) == (1, 0, 1)
    init = next(process for process in history.processes.values() if process.key.pid == 1)
    assert len(init) == 60


def test_a_number_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    line = "===== 2025-12-21 11:{m:02d}:00 =====\n 1 0 root Sun Dec 21 11:00:00 2025 60 4000 init /sbin/init\n"
    job = " 77 1 app Sun Dec 21 11:{s:02d}:00 2025 60 {rss} python python job.py\n"
    text = "".join(line.format(m=m) + job.format(s=10 if m < 20 else 19, rss=m * 100) for m in range(12, 30))
    _, history = imported(text.encode(), tmp_path)
    jobs = [process for process in history.processes.values() if process.key.pid == 77]
    assert [len(process) for process in jobs] == [8, 10]
    assert history.ended(jobs[0])


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    text = "".join(ps_block(now_s, processes) for now_s, processes in Host(3, 1, 30).ticks()).encode()
    imported(text, tmp_path)
    done, history = imported(text, tmp_path)
    assert (done.samples, done.repeated, len(history.times)) == (0, 60, 60)


def test_a_series_of_ps_aux(tmp_path: Path) -> None:
    header = "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n"
    rows = (
        "root           1  0.0  0.1 168000 11000 ?        Ss   {old}   0:0{n} /sbin/init splash\n"
        "www-data     812  0.3  1.0 300000 {rss} ?        Sl   {new}   1:2{n} python manage.py runserver 0.0.0.0:8000\n"
    )
    text = ""
    for n in range(5):
        text += f"2025-12-22 00:0{n}:00\n" + header
        text += rows.format(
            n=n, rss=50_000 + n * 40, old="Dec21" if n > 1 else "23:10", new="Dec21" if n > 1 else "23:59"
        )
    done, history = imported(text.encode(), tmp_path)
    assert (done.samples, done.reboots, done.processes, done.bad.counts.total()) == (5, 0, 2, 0)
    web = next(process for process in history.processes.values() if process.key.pid == 812)
    assert [rss // 1024 for rss in web.rss] == [50_000, 50_040, 50_080, 50_120, 50_160]
    assert list(web.columns["cpu_ms"]) == [80_000, 81_000, 82_000, 83_000, 84_000]
    assert (chr(web.at("state", 0) or 0), web.identity.comm, web.identity.user) == ("S", "python", "www-data")


def test_a_command_that_became_another_is_one_process(tmp_path: Path) -> None:
    head = "===== 2025-12-21 11:{m:02d}:00 =====\n 1 0 root Sun Dec 21 11:00:00 2025 60 4000 init /sbin/init\n"
    job = " 77 1 app Sun Dec 21 11:10:00 2025 60 4000 {comm:15} {args}\n"
    names = [("cron", "CRON"), ("sh", "/bin/sh -c job"), ("python", "python job.py"), ("python", "python job.py")]
    text = "".join(head.format(m=m + 11) + job.format(comm=comm, args=args) for m, (comm, args) in enumerate(names))
    done, history = imported(text.encode(), tmp_path)
    process = next(process for process in history.processes.values() if process.key.pid == 77)
    assert (len(process), process.name, done.processes) == (4, "python job.py", 2)


def test_a_damaged_number_costs_its_line(tmp_path: Path) -> None:
    text = (
        "===== 2025-12-21 11:15:00 =====\n 1 0 root Sun Dec 21 11:00:00 2025 60 4000 init /sbin/init\n"
        " 77 1 app Sun Dec 21 11:10:00 2025 60 4x00 python python job.py\n 78 1 app Sun Dec 21 11:10:00 2025 60 4000 mail mail\n"
    )
    done, history = imported(text.encode(), tmp_path)
    assert {process.key.pid for process in history.processes.values()} == {1, 78}
    ((number, reason, shown),) = done.bad.examples
    assert (number, reason.partition(",")[0], "4x00" in shown) == (1, "a number is damaged", True)


@pytest.mark.parametrize("text", [b"", b"\n\n", b"hello\nworld\n", b"===== 2025-12-21 11:15:00 =====\n"])
def test_a_file_that_is_no_log_is_told_what_one_looks_like(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing in it reads as a sample"):
        imported(text, tmp_path)


def test_compressed_logs_and_those_that_break_off(tmp_path: Path) -> None:
    text = "".join(ps_block(now_s, processes) for now_s, processes in Host(3, 2, 30).ticks()).encode()
    packed = gzip.compress(text)
    for name, data, samples in (("whole", packed, 120), ("broken", packed[: len(packed) // 2], None)):
        path = tmp_path / f"{name}.gz"
        path.write_bytes(data)
        with open_log(str(path)) as file, Archive(str(tmp_path / name)) as archive:
            done = import_log(file, archive)
        if samples is not None:
            assert (done.samples, done.bad.counts.total()) == (samples, 0)
        else:
            assert 10 < done.samples < 120
            assert "breaks off" in done.bad.examples[-1][2]


def test_hung_crons_are_all_there(tmp_path: Path) -> None:
    host = Host(11, 6, 40, Trouble(hung_crons=2))
    text = "".join(ps_block(now_s, processes) for now_s, processes in host.ticks()).encode()
    _, history = imported(text, tmp_path)
    alive = [process.name for process in history.alive()]
    for command in host.truth.hung:
        hung = sum(process.args == command for process in host.processes)
        assert hung > 1
        assert alive.count(command) == hung


def test_a_log_becomes_a_two_hundredth_and_a_sample_half_a_byte(tmp_path: Path) -> None:
    """Twelve hours with cron children each minute. Longer logs do better still: names are written once a day."""
    host = Host(1, 12, 85, Trouble(hung_crons=1, leaks_mb_h=(4.0,)))
    text = "".join(ps_block(now_s, processes) for now_s, processes in host.ticks()).encode()
    with Archive(str(tmp_path), flush_s=float("inf")) as archive:
        done = import_log(io.BytesIO(text), archive)
        size = archive.size()
    assert done.figures > 60_000
    assert size < len(text) / 200
    assert size < 0.5 * done.figures
