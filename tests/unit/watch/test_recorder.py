"""The recorder on a made-up /proc and a clock that the test turns."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.support.fake_proc import PAGES_PER_MIB, FakeProc

from oakum.clock import FakeClock
from oakum.errors import UsageError
from oakum.host.procfs import ProcFs
from oakum.watch.archive import Archive
from oakum.watch.load import load
from oakum.watch.probe import Probe, Reading
from oakum.watch.probes.machine import HostProbe
from oakum.watch.probes.processes import ProcessProbe
from oakum.watch.recorder import Recorder
from oakum.watch.tables import Column, Entity, Table

MIB = 1024 * 1024
QUEUES = Table("queues", (), ("queue",), (Column("waiting", "gauge"), Column("state", "text")))


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    proc = FakeProc(tmp_path / "proc")
    proc.process(1, comm="init", args="/sbin/init", start=10)
    proc.process(7, args="python\0leak.py", start=4200, rss_pages=10 * PAGES_PER_MIB)
    return proc


class Fixture:
    """A recorder, and what it said."""

    def __init__(self, proc: FakeProc, directory: Path, clock: FakeClock, more: Iterable[Probe] = ()) -> None:
        procfs = ProcFs(str(proc.root))
        self.clock, self.said = clock, list[str]()
        self.archive = Archive(str(directory))
        probes = (ProcessProbe(procfs), HostProbe(procfs), *more)
        self.recorder = Recorder(self.archive, probes, clock, procfs.boot_id(), 60.0, self.said.append)

    def samples(self, count: int) -> None:
        for _ in range(count):
            self.recorder.sample()
            self.clock.advance(60)


def test_processes_and_the_host_are_recorded(proc: FakeProc, tmp_path: Path, clock: FakeClock) -> None:
    recording = Fixture(proc, tmp_path / "archive", clock)
    for step in range(5):
        proc.process(7, args="python\0leak.py", start=4200, rss_pages=(10 + step) * PAGES_PER_MIB)
        recording.samples(1)
    recording.archive.close()
    history = load(str(tmp_path / "archive"))
    booted_s = 1_767_225_600 - 1000
    assert [(boot.id, boot.started_s) for boot in history.boots] == [("boot-a", booted_s)]
    leak = next(process for process in history.processes.values() if process.key.pid == 7)
    assert (leak.key.start_s, leak.name) == (booted_s + 42, "python leak.py")
    assert list(leak.rss) == [(10 + step) * MIB for step in range(5)]
    assert history.host.last("oom_kills") == 3
    assert list(history.steps) == [60] * 5


def test_it_is_the_same_process_after_the_recorder_was_restarted_and_the_clock_wavered(
    proc: FakeProc, tmp_path: Path, clock: FakeClock
) -> None:
    for waver in (0.0, 0.9, -0.9):
        clock.step_wall(waver)
        recording = Fixture(proc, tmp_path / "archive", clock)
        recording.samples(3)
        recording.archive.close()
    history = load(str(tmp_path / "archive"))
    assert {process.key.pid: len(process) for process in history.processes.values()} == {1: 9, 7: 9}


def test_a_clock_set_back_loses_no_sample_and_one_set_on_leaves_a_gap(
    proc: FakeProc, tmp_path: Path, clock: FakeClock
) -> None:
    recording = Fixture(proc, tmp_path / "archive", clock)
    recording.samples(3)
    clock.step_wall(-7200)
    recording.samples(3)
    clock.step_wall(3 * 7200)
    recording.samples(3)
    recording.archive.close()
    history = load(str(tmp_path / "archive"))
    assert len(history.times) == 9
    assert history.times[-1] == clock.wall() - 60
    (gap,) = history.gaps()
    assert not gap.reboot
    assert len(history.processes) == 2


def test_a_recorder_that_starts_with_a_clock_set_back_goes_on(proc: FakeProc, tmp_path: Path, clock: FakeClock) -> None:
    recording = Fixture(proc, tmp_path / "archive", clock)
    recording.samples(3)
    recording.archive.close()
    clock.step_wall(-86_400)
    recording = Fixture(proc, tmp_path / "archive", clock)
    recording.samples(3)
    recording.archive.close()
    assert len(load(str(tmp_path / "archive")).times) == 6


def test_a_reboot_is_seen(proc: FakeProc, tmp_path: Path, clock: FakeClock) -> None:
    for boot in ("boot-a", "boot-b"):
        proc.write("sys/kernel/random/boot_id", f"{boot}\n")
        recording = Fixture(proc, tmp_path / "archive", clock)
        recording.samples(2)
        recording.archive.close()
    history = load(str(tmp_path / "archive"))
    assert [boot.id for boot in history.boots] == ["boot-a", "boot-b"]
    assert [gap.reboot for gap in history.gaps()] == [True]
    assert not any(history.ended(process) for process in history.processes.values())


class QueueProbe:
    """What a later probe may look like."""

    def __init__(self) -> None:
        self.broken = False

    def read(self, now_s: float) -> Iterable[Reading]:
        if self.broken:
            raise ConnectionRefusedError("no broker")
        return [Reading(QUEUES, [Entity((), ("mail",)), Entity((), ("work",))], ([12, 0], ["open", ""]))]

    def notes(self) -> Iterable[str]:
        return ()


def test_other_probes_have_tables_of_their_own(proc: FakeProc, tmp_path: Path, clock: FakeClock) -> None:
    recording = Fixture(proc, tmp_path / "archive", clock, [QueueProbe()])
    recording.samples(2)
    recording.archive.close()
    history = load(str(tmp_path / "archive"))
    assert history.tables["queues"]["mail"].at("waiting", 1) == 12
    assert history.texts[history.tables["queues"]["mail"].at("state", 0) or 0] == "open"
    assert history.tables["queues"]["work"].at("state", 0) is None


def test_a_probe_that_breaks_is_noted_and_the_others_go_on(proc: FakeProc, tmp_path: Path, clock: FakeClock) -> None:
    probe = QueueProbe()
    probe.broken = True
    recording = Fixture(proc, tmp_path / "archive", clock, [probe])
    recording.samples(2)
    recording.archive.close()
    history = load(str(tmp_path / "archive"))
    broken = "QueueProbe failed: ConnectionRefusedError: no broker"
    assert history.notes.count(broken) == recording.said.count(broken) == 1
    assert len(history.processes) == 2


def test_a_full_disk_costs_samples_but_not_the_recorder(
    proc: FakeProc, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = os.write, []

    def full(fd: int, data: bytes) -> int:
        refused.append(fd)
        raise OSError(errno.ENOSPC, "No space left on device")

    recording = Fixture(proc, tmp_path / "archive", clock)
    recording.samples(4)
    monkeypatch.setattr(os, "write", full)
    recording.samples(30)
    assert refused
    assert [line.partition(": ")[2] for line in recording.said if "device" in line] == [
        "No space left on device; until it can be written, samples are in memory only"
    ]
    monkeypatch.setattr(os, "write", real)
    recording.samples(10)
    recording.archive.close()
    assert len(load(str(tmp_path / "archive")).times) == 44  # they were kept in memory meanwhile


@pytest.mark.parametrize("every_s", [0.5, 3601.0])
def test_an_interval_out_of_bounds_is_refused(tmp_path: Path, clock: FakeClock, every_s: float) -> None:
    with Archive(str(tmp_path)) as archive, pytest.raises(UsageError, match="from 1s to 1h"):
        Recorder(archive, (), clock, "boot", every_s, print)
