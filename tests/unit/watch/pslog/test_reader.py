"""Whole samples from lines: what tells a time, what is torn, what is noise."""

from __future__ import annotations

import io
import time

import pytest

from oakum.watch.pslog.reader import LogReader, Sample

ROW = b" %d 1 app Sun Dec 21 11:10:01 2025 299 51200 python python job\n"
TIME = b"===== 2025-12-21 11:%02d:00 =====\n"


def read(text: bytes) -> tuple[list[Sample], LogReader]:
    reader = LogReader(io.BytesIO(text))
    return list(reader.samples()), reader


def block(minute: int, rows: int = 4) -> bytes:
    return TIME % minute + b"".join(ROW % (number + 1) for number in range(rows))


@pytest.mark.parametrize(
    "line",
    [
        b"===== 2025-12-21 11:15:00 =====",
        b"2025-12-21 11:15:00",
        b"--- 2025/12/21 11:15 ---",
        b"2025-12-21T11:15:00.123",
        b"Sun Dec 21 11:15:00 CST 2025",
        b"Sun Dec 21 11:15:00 2025",
    ],
)
def test_times_of_the_hosts_clock(line: bytes) -> None:
    ((sample,), _) = read(line + b"\n" + ROW % 1)
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(sample.time_s)) == "2025-12-21 11:15:00"


@pytest.mark.parametrize("line", [b"2025-12-21T11:15:00Z", b"2025-12-21 13:15:00 +0200", b"1766315700"])
def test_times_with_a_zone(line: bytes) -> None:
    ((sample,), _) = read(line + b"\n" + ROW % 1)
    assert sample.time_s == 1_766_315_700.0


def test_a_time_that_cannot_be_is_noise() -> None:
    samples, reader = read(block(1) + b"===== 2025-02-30 99:15:00 =====\n" + ROW % 9 + block(2))
    assert [len(sample.rows) for sample in samples] == [5, 4]
    assert reader.bad.counts["no process and no time"] == 1


def test_a_sample_far_shorter_than_the_one_before_is_torn() -> None:
    samples, reader = read(block(1, 40) + block(2, 10) + block(3, 12))
    assert [len(sample.rows) for sample in samples] == [40, 12]
    assert reader.torn == 1


def test_a_log_that_ends_inside_a_line_ends_with_a_torn_sample() -> None:
    samples, reader = read((block(1) + block(2))[:-3])
    assert (len(samples), reader.torn) == (1, 1)


def test_a_rule_among_the_arguments_is_no_header() -> None:
    ((sample,), reader) = read(TIME % 1 + ROW.replace(b"job", b"banner ===== hello") % 1)
    assert sample.rows[0][-1].endswith(b"===== hello")
    assert not reader.bad.counts


def test_processes_before_the_first_time_are_shown() -> None:
    samples, reader = read(ROW % 1 + block(1))
    assert len(samples) == 1
    assert reader.bad.counts == {"processes before the first time": 1}


def test_only_the_first_bad_lines_are_kept() -> None:
    _, reader = read(block(1) + b"noise\n" * 1000 + block(2))
    assert reader.bad.counts["no process and no time"] == 1000
    assert [number for number, _, _ in reader.bad.examples] == [6, 7, 8, 9, 10]
