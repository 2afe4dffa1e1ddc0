"""What was recorded, as other tools read it."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest

from oakum.errors import CannotRun, UsageError
from oakum.watch.archive import Archive
from oakum.watch.export.csv import write_csv
from oakum.watch.export.parquet import write_parquet
from oakum.watch.export.prometheus import write_prometheus
from oakum.watch.export.rows import Window
from oakum.watch.load import load
from oakum.watch.tables import CGROUPS, HOST, PROCESSES, UNKNOWN, Entity

START = 1_767_225_600.0
MIB = 1024 * 1024


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """Ten minutes of two processes; the second ends after five."""
    web = Entity((7, 700, 1), ("app", "web", 'web --name "a\\b"', "/web"))
    job = Entity((8, 800, 1), ("app", "job", "job --run 1234567a", ""))
    with Archive(str(tmp_path / "archive")) as archive:
        for minute in range(10):
            block = archive.begin("boot", START - 100, 60, START + 60 * minute)
            block.table(PROCESSES).add(
                block.newest, web, (minute * MIB, UNKNOWN, minute * 10, 2, 9, ord("S"), block.text("do_poll"), UNKNOWN)
            )
            if minute < 5:
                block.table(PROCESSES).add(block.newest, job, (MIB, *[UNKNOWN] * 7))
            host = [minute * 1024 if column.name in ("mem_total", "forks") else UNKNOWN for column in HOST.columns]
            block.table(HOST).add(block.newest, Entity((), ("host",)), host)
            block.table(CGROUPS).add(block.newest, Entity((), ("/web",)), (512 * MIB, MIB, UNKNOWN, 0))
            archive.commit()
            if minute == 6:
                archive.seal()
    return archive.directory


def rows_of(window: Window) -> list[dict[str, str]]:
    out = io.StringIO()
    count = write_csv(window, out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert count == len(rows)
    return rows


class TestCsv:
    def test_one_line_a_sample_in_order_of_time(self, archive: str) -> None:
        rows = rows_of(Window(archive))
        assert len(rows) == 15
        assert [float(row["time_s"]) for row in rows] == sorted(float(row["time_s"]) for row in rows)
        web = [row for row in rows if row["pid"] == "7"]
        assert [int(row["rss"]) for row in web] == [minute * MIB for minute in range(10)]
        assert (web[3]["args"], web[3]["state"], web[3]["wchan"]) == ('web --name "a\\b"', "S", "do_poll")
        assert web[3]["start_cs"] == "700"

    def test_unknown_is_an_empty_field(self, archive: str) -> None:
        job = next(row for row in rows_of(Window(archive)) if row["pid"] == "8")
        assert (job["cpu_ms"], job["state"], job["wchan"], job["rss"]) == ("", "", "", str(MIB))

    def test_a_window_and_another_table(self, archive: str) -> None:
        assert len(rows_of(Window(archive, since_s=START + 480, until_s=START + 500))) == 1
        hosts = rows_of(Window(archive, "host"))
        assert [row["mem_total"] for row in hosts] == [str(minute * 1024) for minute in range(10)]

    def test_a_table_that_is_not_there(self, archive: str) -> None:
        with pytest.raises(UsageError, match=r"--table queues: .*cgroups, host, processes"):
            rows_of(Window(archive, "queues"))


class TestParquet:
    def test_the_same_rows_with_types(self, archive: str) -> None:
        from pyarrow import parquet

        out = io.BytesIO()
        assert write_parquet(Window(archive), out) == 15
        rows = parquet.read_table(io.BytesIO(out.getvalue())).to_pylist()
        expected = rows_of(Window(archive))
        assert [str(row["rss"]) for row in rows] == [row["rss"] for row in expected]
        assert {row["cpu_ms"] for row in rows if row["pid"] == 8} == {None}
        assert rows[0]["wchan"] == "do_poll"

    def test_without_pyarrow_it_says_what_to_install(self, archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(CannotRun, match=r"pip install 'oakum\[parquet\]'"):
            write_parquet(Window(archive), io.BytesIO())


class TestPrometheus:
    def written(self, archive: str, *, newest_only: bool) -> list[str]:
        out = io.StringIO()
        count = write_prometheus(load(archive), out, newest_only=newest_only)
        lines = out.getvalue().splitlines()
        assert count == sum(not line.startswith("#") for line in lines)
        return lines

    def test_a_scrape_has_the_living_without_times(self, archive: str) -> None:
        lines = self.written(archive, newest_only=True)
        labels = 'pid="7",start="1767225507",user="app",command="web",family="web --name \\"a\\\\b\\""'
        assert f"oakum_process_resident_bytes{{{labels}}} {9 * MIB}" in lines
        assert f"oakum_process_cpu_seconds_total{{{labels}}} 0.09" in lines
        assert "# TYPE oakum_process_cpu_seconds_total counter" in lines
        assert f'oakum_cgroup_memory_limit_bytes{{path="/web"}} {512 * MIB}' in lines
        assert "oakum_host_forks_total 9216" in lines
        assert not any('pid="8"' in line for line in lines)

    def test_a_window_is_openmetrics_with_times(self, archive: str) -> None:
        lines = self.written(archive, newest_only=False)
        resident = [line for line in lines if line.startswith("oakum_process_resident_bytes{")]
        assert len(resident) == 15
        assert resident[0].endswith(f" 0 {START:.3f}")
        assert "# TYPE oakum_process_cpu_seconds counter" in lines
        assert lines[-1] == "# EOF"

    def test_each_metric_is_told_once_and_stands_together(self, archive: str) -> None:
        lines = self.written(archive, newest_only=False)
        types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert len(types) == len(set(types))
        names = [line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")]
        assert len([name for name, before in zip(names, ["", *names], strict=False) if name != before]) == len(types)

    def test_what_was_never_known_is_not_there(self, archive: str) -> None:
        assert not any("oakum_host_load1" in line for line in self.written(archive, newest_only=True))
