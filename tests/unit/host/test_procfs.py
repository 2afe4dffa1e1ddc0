"""The reader of /proc: a made-up tree with known figures, and the real one of this host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.fake_proc import FakeProc

from oakum.errors import CannotRun
from oakum.host.procfs import ProcFs

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


def test_a_process_is_read_from_any_root(proc: FakeProc, tmp_path: Path) -> None:
    proc.process(
        7, comm="a) (b", args="python\0-m\0app", start=4242, rss_pages=100, cpu_ticks=31, threads=3, ppid=5, uid=1234
    )
    procfs = ProcFs(str(tmp_path))
    assert procfs.pids() == [7]
    stat = procfs.stat(7)
    assert stat is not None
    assert (stat.pid, stat.comm, stat.state, stat.ppid, stat.threads) == (7, "a) (b", "S", 5, 3)
    assert (stat.cpu_ms, stat.start_ticks, stat.rss) == (310, 4242, 100 * PAGE)
    assert procfs.args(7) == "python -m app"
    assert procfs.uid(7) == 1234
    assert procfs.cgroup(7) == "/app"
    assert procfs.fds(7) == 4
    assert procfs.wchan(7) == "do_poll"
    assert procfs.pss(7) == 200 * 1024


def test_what_has_ended_or_hides_is_unknown_and_never_zero(proc: FakeProc, tmp_path: Path) -> None:
    proc.process(7)
    proc.hide_fds(7)
    proc.write("8/stat", "8 (cut")
    procfs = ProcFs(str(tmp_path))
    assert procfs.fds(7) is None
    assert procfs.stat(8) is None
    assert procfs.stat(9) is None
    assert procfs.pss(9) is None
    assert procfs.uid(9) is None
    assert procfs.args(9) == ""


def test_version_1_of_control_groups_names_the_memory_controllers_path(proc: FakeProc, tmp_path: Path) -> None:
    proc.process(7, cgroup="5:cpu:/slow\n4:memory,hugetlb:/small\n0::/\n")
    assert ProcFs(str(tmp_path)).cgroup(7) == "/small"


def test_the_hosts_figures(proc: FakeProc, tmp_path: Path) -> None:
    host = ProcFs(str(tmp_path)).host()
    assert (host.mem_total, host.mem_available) == (2_000_000 * 1024, 1_500_000 * 1024)
    assert (host.swap_total, host.swap_used, host.load1_centi) == (0, 0, 42)
    assert (host.psi_memory_some_us, host.psi_memory_full_us, host.psi_io_full_us) == (1700, 575, 8)
    assert (host.forks, host.oom_kills) == (4321, 3)


def test_an_old_kernel_leaves_figures_unknown(proc: FakeProc, tmp_path: Path) -> None:
    (tmp_path / "pressure" / "memory").unlink()
    (tmp_path / "vmstat").write_text("nr_free_pages 1\n")
    host = ProcFs(str(tmp_path)).host()
    assert (host.psi_memory_some_us, host.psi_memory_full_us, host.oom_kills) == (None, None, None)


def test_no_proc_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no process information there"):
        ProcFs(str(tmp_path / "missing"))


def test_this_process_on_this_host() -> None:
    procfs = ProcFs()
    me = os.getpid()
    assert me in procfs.pids()
    stat = procfs.stat(me)
    assert stat is not None
    assert stat.ppid == os.getppid()
    assert stat.rss > 4 * 1024 * 1024
    assert procfs.uid(me) == os.geteuid()
    assert "pytest" in procfs.args(me) or "python" in procfs.args(me)
    before = procfs.fds(me)
    with open(os.devnull, "rb"):
        assert before is not None
        assert procfs.fds(me) == before + 1
