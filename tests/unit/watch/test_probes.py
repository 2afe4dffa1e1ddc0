"""The recorder's own probes, on a made-up /proc and made-up control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.fake_proc import PAGES_PER_MIB, FakeProc

from oakum.host.procfs import ProcFs
from oakum.watch.probe import Probe, Reading
from oakum.watch.probes.cgroups import CgroupProbe
from oakum.watch.probes.crontabs import CrontabProbe
from oakum.watch.probes.machine import HostProbe
from oakum.watch.probes.peers import peers
from oakum.watch.probes.processes import ProcessProbe
from oakum.watch.tables import UNKNOWN

NOW = 1_767_225_600.0
MIB = 1024 * 1024


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    proc = FakeProc(tmp_path / "proc")
    proc.process(1, comm="init", args="/sbin/init", start=10, uid=0)
    return proc


def look(probe: Probe, now_s: float = NOW) -> dict[str, dict[str, int | str]]:
    """The figures of one look, by the entity's last telling label."""
    found: dict[str, dict[str, int | str]] = {}
    for reading in probe.read(now_s):
        names = [column.name for column in reading.table.columns]
        for entity, *values in zip(reading.entities, *reading.columns, strict=True):
            name = entity.labels[2] if reading.table.name == "processes" else entity.labels[0]
            found[name] = dict(zip(names, values, strict=True))
    return found


def entities(probe: ProcessProbe) -> dict[int, tuple[tuple[int, ...], tuple[str, ...]]]:
    (reading,) = probe.read(NOW)
    assert isinstance(reading, Reading)
    return {entity.numbers[0]: (entity.numbers, entity.labels) for entity in reading.entities}


class TestProcesses:
    def test_a_process_with_its_figures(self, proc: FakeProc) -> None:
        proc.process(7, comm="python", args="python\0web.py", start=4242, rss_pages=100, cpu_ticks=31, threads=3, fds=5)
        probe = ProcessProbe(ProcFs(str(proc.root)))
        figures = look(probe)["python web.py"]
        assert figures["rss"] == 100 * MIB // PAGES_PER_MIB
        assert (figures["cpu_ms"], figures["threads"], figures["fds"], figures["wchan"]) == (310, 3, 5, "do_poll")
        assert (figures["state"], figures["pss"]) == (ord("S"), UNKNOWN)
        assert entities(probe)[7] == ((7, 4242, 1), ("root", "python", "python web.py", "/app"))

    def test_a_number_used_again_is_another_process(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7, args="one", start=5000)
        assert entities(probe)[7][0] == (7, 5000, 1)
        proc.process(7, args="two", start=6000)
        assert entities(probe)[7] == ((7, 6000, 1), ("root", "python", "two", "/app"))

    def test_between_fork_and_exec_a_child_looks_like_its_parent(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7, comm="cron", args="cron")
        assert entities(probe)[7][1][2] == "cron"
        proc.process(7, comm="cron", args="sh\0-c\0job")  # the same name, but it is looked at a second time
        assert entities(probe)[7][1][2] == "sh -c job"
        proc.process(7, comm="python", args="python\0job.py")
        assert entities(probe)[7][1][1:3] == ("python", "python job.py")

    def test_a_title_that_changes_all_the_time_makes_no_new_process(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7, comm="postgres", args="postgres: idle")
        seen = [entities(probe)[7], entities(probe)[7]]
        proc.process(7, comm="postgres", args="postgres: SELECT")
        assert entities(probe)[7] == seen[1]

    def test_what_a_process_is_called_does_nothing_to_a_terminal(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7, comm="\x1b[2J", args="evil\0\x1b[2J\0line\n2", cgroup="0::/\x1b[2J\n")
        assert entities(probe)[7][1][1:] == ("?[2J", "evil ?[2J line?2", "/?[2J")

    def test_kernel_threads_go_by_their_steady_name(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(9, comm="kworker/0:1-events", args="", ppid=2)
        assert entities(probe)[9][1][1:3] == ("kworker/0:1", "[kworker/0:1]")

    def test_an_idle_process_is_seldom_looked_at_closer(self, proc: FakeProc) -> None:
        """What costs further reads: where it waits, and how many files it has open."""

        def closer(figures: dict[str, int | str]) -> tuple[int | str, int | str]:
            return figures["wchan"], figures["fds"]

        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7, args="web", wchan="do_poll", fds=4, cpu_ticks=5)
        look(probe)
        proc.process(7, args="web", wchan="wait_woken", fds=5, cpu_ticks=5)
        turns = [closer(look(probe)["web"]) for _ in range(8)]
        assert turns[-1] == ("wait_woken", 5)
        assert turns.count(("do_poll", 4)) > 0
        proc.process(7, args="web", wchan="futex", fds=6, cpu_ticks=6)
        assert closer(look(probe)["web"]) == ("futex", 6)

    def test_each_figure_is_that_of_its_look_also_after_standing_still(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        seen = []
        for pages, threads, state in (
            (100, 2, "S"),
            (100, 2, "S"),
            (100, 2, "S"),
            (90, 2, "S"),
            (90, 5, "S"),
            (90, 5, "T"),
        ):
            proc.process(7, args="web", rss_pages=pages, threads=threads, state=state)
            figures = look(probe)["web"]
            seen.append((figures["rss"], figures["threads"], figures["state"]))
        still = (100 * MIB // PAGES_PER_MIB, 2, ord("S"))
        shrunk = 90 * MIB // PAGES_PER_MIB
        assert seen == [still, still, still, (shrunk, 2, ord("S")), (shrunk, 5, ord("S")), (shrunk, 5, ord("T"))]

    def test_pss_is_read_of_what_grew_most_and_seldom(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)), pss_every_s=600)
        for pid in range(10, 20):
            proc.process(pid, args=f"p{pid}", rss_pages=100)
        look(probe, NOW)
        for pid in range(10, 20):
            proc.process(pid, args=f"p{pid}", rss_pages=100 + pid)
        assert {name for name, figures in look(probe, NOW + 60).items() if figures["pss"] != UNKNOWN} == set()
        found = look(probe, NOW + 600)
        assert {name for name, figures in found.items() if figures["pss"] != UNKNOWN} == {
            f"p{pid}" for pid in range(15, 20)
        }
        assert found["p19"]["pss"] == 119 * 2 * 1024
        assert all(figures["pss"] == UNKNOWN for figures in look(probe, NOW + 660).values())

    def test_what_may_not_be_seen_is_said(self, proc: FakeProc, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        probe = ProcessProbe(ProcFs(str(proc.root)))
        proc.process(7)
        look(probe)
        assert list(probe.notes()) == []
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        proc.process(7, cpu_ticks=8)
        proc.hide_fds(7)
        proc.end(1)
        assert look(probe)["python app.py"]["fds"] == UNKNOWN
        hidden, files, waits = probe.notes()
        assert "hidepid" in hidden
        assert "open files" in files
        assert "wait" in waits

    def test_it_forgets_what_has_ended(self, proc: FakeProc) -> None:
        probe = ProcessProbe(ProcFs(str(proc.root)))
        for pid in range(100, 150):
            proc.process(pid)
            look(probe)
            proc.end(pid)
        look(probe)
        assert list(probe._seen) == [1]


def test_the_host(proc: FakeProc) -> None:
    probe = HostProbe(ProcFs(str(proc.root)))
    figures = look(probe)["host"]
    assert (figures["mem_available"], figures["oom_kills"], figures["processes"]) == (1_500_000 * 1024, 3, 1)
    assert list(probe.notes()) == []
    (proc.root / "pressure" / "memory").unlink()
    assert look(probe)["host"]["psi_memory_some_us"] == UNKNOWN
    assert list(probe.notes()) == ["this kernel does not tell psi_memory_some_us, psi_memory_full_us"]


class TestCgroups:
    def group(self, directory: Path, **files: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name.replace("_", ".", 1)).write_text(text)

    def test_version_2(self, tmp_path: Path) -> None:
        self.group(tmp_path, memory_current="99\n")
        events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\n"
        self.group(tmp_path / "web", memory_max=f"{512 * MIB}\n", memory_current="40960\n", memory_events=events)
        self.group(tmp_path / "free", memory_max="max\n", memory_current="1\n")
        probe = CgroupProbe(str(tmp_path))
        assert look(probe) == {"/web": {"limit": 512 * MIB, "current": 40960, "peak": UNKNOWN, "oom_kills": 2}}
        assert list(probe.notes()) == []

    def test_version_1(self, tmp_path: Path) -> None:
        files = {"limit_in_bytes": f"{64 * MIB}\n", "usage_in_bytes": "8192\n", "max_usage_in_bytes": "16384\n"}
        files["oom_control"] = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
        for name, text in files.items():
            self.group(tmp_path / "memory" / "web", **{f"memory_{name}": text})
        self.group(tmp_path / "memory", memory_limit_in_bytes="9223372036854771712\n", memory_usage_in_bytes="1\n")
        figures = {"limit": 64 * MIB, "current": 8192, "peak": 16384, "oom_kills": 1}
        assert look(CgroupProbe(str(tmp_path))) == {"/web": figures}

    def test_a_group_that_goes_away_leaves_no_row(self, tmp_path: Path) -> None:
        self.group(tmp_path / "web", memory_max="4096\n", memory_current="4096\n")
        probe = CgroupProbe(str(tmp_path))
        assert len(look(probe)) == 1
        (tmp_path / "web" / "memory.current").unlink()
        assert look(probe) == {}

    def test_it_looks_for_new_groups_now_and_then(self, tmp_path: Path) -> None:
        probe = CgroupProbe(str(tmp_path))
        assert look(probe, NOW) == {}
        self.group(tmp_path / "web", memory_max="4096\n", memory_current="4096\n")
        assert look(probe, NOW + 60) == {}
        assert len(look(probe, NOW + 300)) == 1

    def test_there_are_never_too_many(self, tmp_path: Path) -> None:
        for number in range(70):
            self.group(tmp_path / f"g{number}", memory_max="4096\n", memory_current="4096\n")
        probe = CgroupProbe(str(tmp_path))
        assert len(look(probe)) == 64
        assert "first 64" in next(iter(probe.notes()))


REMOTE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class TestPeers:
    def talking(
        self, proc: FakeProc, inode: int, table: str = "tcp", line: str = "0100007F:D2F0 070200C0:01BB 01"
    ) -> None:
        """Process 7 gets a socket, and its namespace the connection of it."""
        proc.process(7, args="poll")
        (proc.root / "7/fd/9").symlink_to(f"socket:[{inode}]")
        proc.write(f"7/net/{table}", f"{REMOTE}   0: {line} 0:0 00:0 0 33 0 {inode} 1 f 20\n")

    @pytest.mark.parametrize(
        ("table", "line", "peer"),
        [
            ("tcp", "0100007F:D2F0 070200C0:01BB 01", "192.0.2.7:443"),
            ("tcp6", "0:0 B80D0120000000000000000007000000:0050 02", "[2001:db8::7]:80"),
            ("tcp6", "0:0 0000000000000000FFFF0000070200C0:1F90 08", "192.0.2.7:8080"),
            ("tcp", "00000000:0050 00000000:0000 0A", ""),  # it listens: there is no other end
        ],
    )
    def test_the_far_end_of_a_connection(self, proc: FakeProc, table: str, line: str, peer: str) -> None:
        self.talking(proc, 4711, table, line)
        assert peers(str(proc.root), 7) == peer

    def test_connections_of_others_are_not_its_own(self, proc: FakeProc) -> None:
        self.talking(proc, 4711)
        proc.process(8, args="other")
        proc.write("8/net/tcp", (proc.root / "7/net/tcp").read_text())
        assert peers(str(proc.root), 8) == ""
        proc.hide_fds(7)
        assert peers(str(proc.root), 7) == ""
        assert peers(str(proc.root), 99) == ""

    def test_many_are_counted(self, proc: FakeProc) -> None:
        proc.process(7, args="poll")
        lines = []
        for number in range(5):
            (proc.root / f"7/fd/{10 + number}").symlink_to(f"socket:[{number}]")
            lines.append(f"0: 0:0 0{number}0200C0:01BB 01 0:0 00:0 0 33 0 {number} 1 f 20")
        proc.write("7/net/tcp", REMOTE + "\n".join(lines))
        assert peers(str(proc.root), 7) == "192.0.2.0:443, 192.0.2.1:443, 192.0.2.2:443 and 2 more"

    def test_it_is_asked_of_those_that_stand_still(self, proc: FakeProc) -> None:
        self.talking(proc, 4711)
        probe = ProcessProbe(ProcFs(str(proc.root)))
        assert look(probe)["poll"]["peers"] == ""
        assert look(probe, NOW + 599)["poll"]["peers"] == ""
        assert look(probe, NOW + 600)["poll"]["peers"] == "192.0.2.7:443"
        proc.process(7, args="poll", cpu_ticks=8)
        assert look(probe, NOW + 660)["poll"]["peers"] == ""


class TestCrontabs:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name, text in (
            ("etc/crontab", "SHELL=/bin/sh\n17 *\t* * * root run-parts /etc/cron.hourly\n"),
            ("etc/cron.d/app", "# x\n\n*/5 * * * * app python manage.py poll\n"),
            ("etc/cron.d/app.dpkg-old", "* * * * * app old\n"),
            ("var/spool/cron/crontabs/www-data", "@daily report --all\n"),
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    def test_the_systems_and_the_users_jobs(self, root: Path) -> None:
        [reading] = CrontabProbe(str(root)).read(NOW)
        assert {entity.labels: line for entity, line in zip(reading.entities, reading.columns[0], strict=True)} == {
            ("/etc/crontab", "17 * * * *", "root", "run-parts /etc/cron.hourly"): 2,
            ("/etc/cron.d/app", "*/5 * * * *", "app", "python manage.py poll"): 3,
            ("/var/spool/cron/crontabs/www-data", "@daily", "www-data", "report --all"): 1,
        }

    def test_they_are_read_once_an_hour(self, root: Path) -> None:
        probe = CrontabProbe(str(root))
        assert [len(list(probe.read(NOW + seconds))) for seconds in (0, 60, 3599, 3600)] == [1, 0, 0, 1]

    def test_a_host_without_cron_has_none(self, tmp_path: Path) -> None:
        probe = CrontabProbe(str(tmp_path))
        assert (list(probe.read(NOW)), list(probe.notes())) == ([], [])

    def test_what_this_user_may_not_see_is_said(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: str) -> list[str]:
            raise PermissionError(path)

        probe = CrontabProbe(str(root))
        monkeypatch.setattr(os, "listdir", refuse)
        [reading] = probe.read(NOW)
        assert [entity.labels[0] for entity in reading.entities] == ["/etc/crontab"]
        assert list(probe.notes()) == ["the crontabs of other users are not visible: record as root to see them"]
