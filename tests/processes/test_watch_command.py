"""`oakum watch` as people start it: a recorder that is stopped and killed, a log through a pipe, exports, a page of top."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.watch_hosts import Host, Trouble, ps_block
from tests.support.fake_proc import FakeProc

from oakum.watch.load import load

OAKUM = (sys.executable, "-m", "oakum", "watch")
PATIENCE_S = 60.0


def oakum(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*OAKUM, *words], input=data, capture_output=True, timeout=PATIENCE_S, check=False)


def start(archive: Path, *words: str) -> subprocess.Popen[bytes]:
    """A recorder of this host, a sample a second, that has said that it begins."""
    process = subprocess.Popen([*OAKUM, "--every", "1s", "--archive", str(archive), *words], stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"a sample every 1s" in process.stderr.readline()
    return process


def wait_for_samples(recorder: subprocess.Popen[bytes], archive: Path, count: int) -> None:
    """Until there are so many in the archive, which may be read while it is written."""
    for _ in range(int(PATIENCE_S / 0.1)):
        if len(load(str(archive)).times) >= count:
            return
        with pytest.raises(subprocess.TimeoutExpired):
            recorder.wait(0.1)
    raise AssertionError("it takes no samples")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(tmp_path / "archive")
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def log() -> bytes:
    host = Host(4, 2, 40, Trouble(hung_crons=1, leaks_mb_h=(8.0,)))
    return "".join(ps_block(now_s, processes) for now_s, processes in host.ticks()).encode()


class TestRecorder:
    def test_it_records_this_host_until_it_is_told_to_stop(
        self, recorder: subprocess.Popen[bytes], tmp_path: Path
    ) -> None:
        with subprocess.Popen(["sleep", "1000"]) as sleeper:
            wait_for_samples(recorder, tmp_path / "archive", 3)
            recorder.send_signal(signal.SIGTERM)
            assert recorder.wait(PATIENCE_S) == 0
            sleeper.kill()
        history = load(str(tmp_path / "archive"))
        seen = next(process for process in history.processes.values() if process.key.pid == sleeper.pid)
        assert (seen.name, seen.identity.ppid) == ("sleep 1000", os.getpid())
        assert len(seen) >= 2
        assert seen.rss[-1] > 100_000
        me = next(process for process in history.processes.values() if process.key.pid == os.getpid())
        assert (me.last("fds") or 0) >= 3
        assert (history.host.last("mem_total") or 0) > 64_000_000
        assert not (tmp_path / "archive" / "open.oak").exists()

    def test_after_a_kill_the_next_one_goes_on(self, recorder: subprocess.Popen[bytes], tmp_path: Path) -> None:
        wait_for_samples(recorder, tmp_path / "archive", 1)
        recorder.kill()
        assert recorder.wait(PATIENCE_S) == -signal.SIGKILL
        second = start(tmp_path / "archive")
        wait_for_samples(second, tmp_path / "archive", 3)
        second.send_signal(signal.SIGINT)
        assert second.wait(PATIENCE_S) == 0
        second.communicate()
        assert len(load(str(tmp_path / "archive")).times) >= 2

    def test_a_second_one_is_refused(self, recorder: subprocess.Popen[bytes], tmp_path: Path) -> None:
        done = oakum("--archive", str(tmp_path / "archive"))
        assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)
        assert b"another recorder" in done.stderr

    @pytest.mark.parametrize("words", [("--every", "0.1s"), ("--every", "2h"), ("--every", "soon"), ("--keep", "1KiB")])
    def test_wrong_use_is_one_line(self, words: tuple[str, str], tmp_path: Path) -> None:
        done = oakum("--archive", str(tmp_path), *words)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert words[0].encode() in done.stderr

    def test_another_proc_may_be_recorded(self, tmp_path: Path) -> None:
        proc = FakeProc(tmp_path / "proc")
        proc.process(42, args="made\0up")
        process = start(tmp_path / "archive", "--proc", str(tmp_path / "proc"))
        wait_for_samples(process, tmp_path / "archive", 1)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        process.communicate()
        assert [each.name for each in load(str(tmp_path / "archive")).processes.values()] == ["made up"]


class TestImport:
    def test_a_log_through_a_pipe(self, log: bytes, tmp_path: Path) -> None:
        done = oakum("import", "-", "--archive", str(tmp_path / "archive"), "--format", "json", data=log + b"noise\n")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["samples"], answer["step_s"], answer["bad"]["counts"]) == (
            119,
            60,
            {"no process and no time": 1},
        )
        assert answer["bad"]["examples"][0][2] == "noise"
        assert len(load(str(tmp_path / "archive")).times) == 119

    def test_a_compressed_log_told_in_words(self, log: bytes, tmp_path: Path) -> None:
        (tmp_path / "host.log.gz").write_bytes(gzip.compress(log[: len(log) - 20]))
        done = oakum("--archive", str(tmp_path / "archive"), "import", str(tmp_path / "host.log.gz"))
        text = done.stdout.decode()
        assert done.returncode == 0
        assert "119 samples" in text
        assert "1 torn or empty samples, dropped" in text
        assert "every 1m 00s" in text

    @pytest.mark.parametrize("data", [b"", b"no log at all\n"])
    def test_what_is_no_log_is_one_line(self, data: bytes, tmp_path: Path) -> None:
        done = oakum("import", "-", "--archive", str(tmp_path / "archive"), data=data)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
        assert done.stderr.startswith(b"oakum: -: nothing in it reads as a sample")


class TestExport:
    def test_csv_and_prometheus(self, log: bytes, tmp_path: Path) -> None:
        archive = str(tmp_path / "archive")
        assert oakum("import", "-", "--archive", archive, data=log).returncode == 0
        rows = list(csv.DictReader(io.StringIO(oakum("export", "--archive", archive).stdout.decode())))
        assert len(rows) == sum(line[:1] != b"=" and b"PID" not in line for line in log.splitlines())
        newest = oakum("export", "--archive", archive, "--format", "prometheus").stdout.decode()
        assert newest.count("oakum_process_resident_bytes{") == sum(row["time_s"] == rows[-1]["time_s"] for row in rows)
        window = oakum("export", "--archive", archive, "--format", "prometheus", "--since", "10m").stdout.decode()
        assert window.endswith("# EOF\n")

    def test_a_file_is_put_in_place_whole(self, log: bytes, tmp_path: Path) -> None:
        archive, out = str(tmp_path / "archive"), tmp_path / "host.parquet"
        assert oakum("import", "-", "--archive", archive, data=log).returncode == 0
        assert oakum("export", "--archive", archive, "--format", "parquet", "--output", str(out)).returncode == 0
        assert out.read_bytes().startswith(b"PAR1")
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []

    def test_no_archive_is_one_line(self, tmp_path: Path) -> None:
        done = oakum("export", "--archive", str(tmp_path / "nowhere"))
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (3, b"", 1)
        assert b"nowhere" in done.stderr


class TestTop:
    def test_where_there_is_no_terminal_it_is_one_page(self, tmp_path: Path) -> None:
        done = oakum("top", "--archive", str(tmp_path / "nowhere"))
        assert done.returncode == 0
        first, header, *lines = done.stdout.decode().splitlines()
        assert "processes" in first
        assert header.split()[:4] == ["PID", "USER", "AGE", "RSS"]
        assert lines

    @pytest.mark.parametrize(("width", "left_out"), [(80, {"IN", "CPU", "THR", "FDS", "TREND"}), (130, set())])
    def test_the_command_can_be_read_however_narrow_the_terminal(
        self, tmp_path: Path, width: int, left_out: set[str]
    ) -> None:
        words = [*OAKUM, "top", "--archive", str(tmp_path / "nowhere")]
        done = subprocess.run(words, env={**os.environ, "COLUMNS": str(width)}, capture_output=True, check=True)
        header = done.stdout.decode().splitlines()[1]
        assert {"IN", "CPU", "THR", "FDS", "TREND"} - set(header.split()) == left_out
        assert width - header.index("COMMAND") >= 24

    def test_on_a_terminal_it_goes_on_until_q(self, tmp_path: Path) -> None:
        ours, theirs = pty.openpty()
        words = [*OAKUM, "top", "--archive", str(tmp_path / "nowhere"), "--interval", "0.1s"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
        top = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment)
        os.close(theirs)
        try:
            _read_until(ours, b"processes")
            os.write(ours, b"f")
            _read_until(ours, b"families")
            os.write(ours, b"q")
            _read_until(ours, b"\x1b[?1049l")  # the screen is given back
            assert top.wait(PATIENCE_S) == 0
        finally:
            top.kill()
            top.communicate()
            os.close(ours)


def _read_until(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen = seen[-100_000:] + os.read(terminal, 65_536)
