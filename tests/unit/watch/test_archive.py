"""The writer of an archive: what survives a crash, what it does with age, and that its limit holds."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from oakum.errors import CannotRun, UsageError
from oakum.watch.archive import SMALLEST_KEEP, Archive
from oakum.watch.history import History
from oakum.watch.load import load, newest_s
from oakum.watch.segments import segments
from oakum.watch.tables import PROCESSES, UNKNOWN, Entity

DAY = 86_400
START = 1_767_225_600.0  # midnight, UTC
MIB = 1024 * 1024
NEVER = float("inf")
REST = (UNKNOWN,) * 7


def entity(pid: int, args: str = "") -> Entity:
    return Entity((pid, pid, 1), ("root", f"p{pid}", args or f"/bin/p{pid}", ""))


def sample(archive: Archive, time_s: float, sizes: dict[int, int], step_s: int = 60, boot: str = "boot") -> None:
    block = archive.begin(boot, START - 1000, step_s, time_s)
    for pid, rss in sizes.items():
        block.table(PROCESSES).add(block.newest, entity(pid), (rss, *REST))
    archive.commit()


def fill(archive: Archive, minutes: int, since_s: float = START) -> None:
    for minute in range(minutes):
        sample(archive, since_s + 60 * minute, {1: MIB, 2: (2 + minute) * 4096})


def grown(history: History, pid: int) -> list[int]:
    (process,) = (process for process in history.processes.values() if process.key.pid == pid)
    return list(process.rss)


def crash(archive: Archive) -> None:
    """The recorder is gone without a word: nothing is sealed, its lock falls with it."""
    os.close(archive._lock)


class TestWriting:
    def test_what_was_recorded_is_read_back(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path / "new" / "archive")) as archive:
            fill(archive, 500)
        history = load(str(tmp_path / "new" / "archive"))
        assert list(history.times) == [START + 60 * minute for minute in range(500)]
        assert grown(history, 1) == [MIB] * 500
        assert grown(history, 2) == [(2 + minute) * 4096 for minute in range(500)]
        assert newest_s(str(tmp_path / "new" / "archive")) == START + 60 * 499

    def test_it_is_private(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path / "archive")) as archive:
            fill(archive, 20)
            archive.flush()
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "archive").iterdir()}
        assert modes == {0o600}
        assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o700

    def test_it_goes_on_where_it_ended(self, tmp_path: Path) -> None:
        for part in range(3):
            with Archive(str(tmp_path)) as archive:
                fill(archive, 10, START + part * 600)
        assert len(segments(str(tmp_path))) == 1
        assert len(load(str(tmp_path)).times) == 30

    def test_time_never_goes_back(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            sample(archive, START, {1: MIB})
            with pytest.raises(ValueError, match="not after"):
                archive.begin("boot", 0.0, 60, START)
        with Archive(str(tmp_path)) as archive, pytest.raises(ValueError, match="not after"):
            archive.begin("boot", 0.0, 60, START - 1)

    def test_a_day_and_a_boot_have_blocks_of_their_own(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            sample(archive, START + DAY - 60, {1: MIB})
            sample(archive, START + DAY, {1: MIB})
            sample(archive, START + DAY + 60, {1: 2 * MIB}, boot="next")
        assert [each.stamp for each in segments(str(tmp_path))] == ["20260101T235900", "20260102T000000"]
        history = load(str(tmp_path))
        assert [(boot.id, boot.first_tick, boot.last_tick) for boot in history.boots] == [
            ("boot", 0, 1),
            ("next", 2, 2),
        ]
        assert len(history.processes) == 2
        assert [gap.reboot for gap in history.gaps()] == [True]

    def test_one_recorder_at_a_time(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)), pytest.raises(CannotRun, match="another recorder"):
            Archive(str(tmp_path))

    def test_a_limit_that_holds_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="at least"):
            Archive(str(tmp_path), keep=1000)

    def test_a_directory_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(CannotRun, match="file/archive"):
            Archive(str(tmp_path / "file" / "archive"))


class TestCrash:
    def test_a_crash_costs_what_was_not_yet_flushed(self, tmp_path: Path) -> None:
        archive = Archive(str(tmp_path), flush_s=300)
        fill(archive, 33)
        crash(archive)
        assert len(load(str(tmp_path)).times) == 29  # flushed at the minutes 0, 1, 2, 4, 8, 13, ... 28
        with Archive(str(tmp_path)) as archive:
            assert archive.newest_s == START + 28 * 60
            fill(archive, 10, START + 3600)
        assert grown(load(str(tmp_path)), 2) == [(2 + m) * 4096 for m in range(29)] + [
            (2 + m) * 4096 for m in range(10)
        ]

    def test_a_crash_between_sealing_and_clearing_up_repeats_nothing(self, tmp_path: Path) -> None:
        archive = Archive(str(tmp_path))
        fill(archive, 20)
        archive.flush()
        opened = (tmp_path / "open.oak").read_bytes()
        archive.seal()
        (tmp_path / "open.oak").write_bytes(opened)
        crash(archive)
        assert len(load(str(tmp_path)).times) == 20
        with Archive(str(tmp_path)) as archive:
            assert not (tmp_path / "open.oak").exists()
            fill(archive, 5, START + 3600)
        assert len(load(str(tmp_path)).times) == 25

    def test_a_torn_tail_costs_the_last_block_and_nothing_that_comes_after(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            fill(archive, 10)
        with Archive(str(tmp_path)) as archive:
            fill(archive, 10, START + 3600)
        (path,) = tmp_path.glob("raw-*")
        path.write_bytes(path.read_bytes()[:-7])
        with Archive(str(tmp_path)) as archive:
            assert archive.newest_s == START + 9 * 60
            fill(archive, 10, START + 7200)
        history = load(str(tmp_path))
        assert len(history.times) == 20
        (damage,) = history.damage
        assert str(path) in damage

    def test_thinning_that_was_cut_short_loses_nothing(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            fill(archive, 100)
        (path,) = tmp_path.glob("raw-*")
        coarse = tmp_path / path.name.replace("raw", "5m")
        coarse.write_bytes(b"half of it")
        (tmp_path / "5m-20250101T000000.oak.new").write_bytes(b"never put in place")
        assert len(load(str(tmp_path)).times) == 100
        with Archive(str(tmp_path)):
            assert not coarse.exists()
            assert not list(tmp_path.glob("*.new"))

    def test_a_last_file_without_a_sound_block_hides_nothing(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            fill(archive, 10)
        (tmp_path / "raw-20260101T050000.oak").write_bytes(b"OAK\x01 and no more")
        assert newest_s(str(tmp_path)) == START + 9 * 60
        with Archive(str(tmp_path)) as archive:
            assert archive.newest_s == START + 9 * 60
            fill(archive, 10, START + 7200)
        assert len(load(str(tmp_path)).times) == 20

    def test_a_full_disk_is_an_error_that_can_be_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, refused = os.write, []

        def full(fd: int, data: bytes) -> int:
            refused.append(len(data))
            raise OSError(errno.ENOSPC, "No space left on device")

        archive = Archive(str(tmp_path))
        fill(archive, 10)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(CannotRun, match="No space"):
            archive.seal()
        assert refused
        monkeypatch.setattr(os, "write", real)
        archive.close()
        assert len(load(str(tmp_path)).times) == 10


class TestAge:
    def test_old_samples_get_coarser(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path), flush_s=NEVER) as archive:
            for step in range(40 * 8):
                sample(archive, START + 3 * 3600 * step, {1: MIB, 2: (step % 7) * 4096}, step_s=3600)
        days = Counter(each.tier for each in segments(str(tmp_path)))
        assert 2 <= days[0] <= 4
        assert 26 <= days[1] <= 30
        assert 6 <= days[2] <= 12
        history = load(str(tmp_path))
        assert sorted(set(history.steps)) == [300, 3600]
        assert history.times[0] == START
        assert all(before < after for before, after in pairwise(history.times))

    def test_what_is_older_than_a_year_goes(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path)) as archive:
            for day in (0, 1, 300, 400):
                sample(archive, START + day * DAY, {1: MIB})
        assert [(time_s - START) / DAY for time_s in load(str(tmp_path)).times] == [300, 400]

    def test_thinned_samples_keep_the_extremes(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path), flush_s=NEVER) as archive:
            for minute in range(24 * 60):
                sample(archive, START + 60 * minute, {1: 90 * MIB if minute == 123 else MIB})
            for hour in range(80):
                sample(archive, START + DAY + 3600 * hour, {1: MIB})
        (process,) = load(str(tmp_path)).processes.values()
        low, high = process.low("rss"), process.high("rss")
        assert low is not None
        assert high is not None
        assert (max(process.rss), max(high), min(low)) == (MIB, 90 * MIB, MIB)
        assert len(process) <= 24 * 60 / 5 + 80 + 4  # blocks of six hours begin steps of their own


class TestLimit:
    def noise(self, archive: Archive, ticks: range) -> Iterator[int]:
        """Samples that cannot be made small."""
        rng = random.Random(ticks.start)
        for tick in ticks:
            sample(archive, START + 600 * tick, {pid: rng.randrange(2**30) for pid in range(150)}, step_s=600)
            yield sum(path.stat().st_size for path in Path(archive.directory).iterdir())

    def test_the_limit_holds_at_every_moment(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path), keep=SMALLEST_KEEP, flush_s=9000) as archive:
            largest = max(self.noise(archive, range(2500)))
        assert SMALLEST_KEEP // 2 < largest <= SMALLEST_KEEP
        history = load(str(tmp_path))
        assert history.times[-1] == START + 600 * 2499
        assert 3600 in history.steps  # what there was no room for became coarser before it went

    def test_a_limit_that_was_lowered_holds_from_then_on(self, tmp_path: Path) -> None:
        with Archive(str(tmp_path), keep=8 * SMALLEST_KEEP, flush_s=NEVER) as archive:
            assert max(self.noise(archive, range(2500))) > SMALLEST_KEEP
        with Archive(str(tmp_path), keep=SMALLEST_KEEP) as archive:
            sample(archive, START + 600 * 2501, {1: MIB})
            archive.seal()
            assert archive.size() <= SMALLEST_KEEP


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with Archive(str(tmp_path), flush_s=60) as archive:
        for minute in range(400):
            sample(archive, START + 60 * minute, {1: MIB, 2: minute * 4096})
            if minute % 50 == 7:
                history = load(str(tmp_path))
                assert list(history.times) == [START + 60 * m for m in range(minute + 1)]
                assert not history.damage
