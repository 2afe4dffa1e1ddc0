"""What a purge says on the way, and how it fits into a job."""

import logging

import pytest

from oakum.purge import LogLines, Options, Progress, in_job


def at(seconds, done=10):
    return Progress("t", "rows", done, 100, seconds)


def test_log_lines_come_every_ten_seconds(caplog):
    lines = LogLines()
    with caplog.at_level(logging.INFO, "oakum.purge"):
        for seconds in (1, 9, 10, 11, 19, 25):
            lines(at(seconds))
    assert [record.getMessage() for record in caplog.records] == [str(at(10)), str(at(25))]


def test_each_purge_has_log_lines_of_its_own():
    assert Options().progress is not Options().progress


@pytest.mark.parametrize(("seconds", "rate", "remaining"), [(0, 0, None), (5, 2, 45)])
def test_rate_and_remaining_time(seconds, rate, remaining):
    assert (at(seconds).rate, at(seconds).remaining) == (rate, remaining)


class Job:
    cancelled = False

    def __init__(self):
        self.said = []

    def progress(self, done, total=0, note=""):
        self.said.append((done, total, note))


def test_a_jobs_progress_is_the_purges():
    job = Job()
    options = in_job(job, Options(max_rows=7))
    options.progress(at(5))
    assert job.said == [(10, 100, "rows of t, 2/s, 45.0 s left")]
    assert (options.count, options.max_rows) == (True, 7)


def test_a_cancelled_job_stops_its_purge():
    job = Job()
    options = in_job(job)
    assert not options.stop()
    job.cancelled = True
    assert options.stop()
