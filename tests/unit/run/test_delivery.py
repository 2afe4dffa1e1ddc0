"""What is handed in next to queues that may be full."""

from __future__ import annotations

import pytest

from oakum import QueueFull
from oakum.model.job import NewJob
from oakum.run.delivery import Delivery


def job(queue: str = "mail", size: int = 1) -> NewJob:
    return NewJob(b"%016d" % 0, "task", b"x" * size, queue)


def full(
    jobs: int = 10, max_jobs: int | None = 10, size: int = 0, max_bytes: int | None = None, on_full: str = "block"
):
    return QueueFull(
        "full", queue="mail", jobs=jobs, bytes=size, max_jobs=max_jobs, max_bytes=max_bytes, on_full=on_full
    )


def test_what_fits_goes_first_and_the_rest_after_it():
    jobs = [job() for _ in range(8)]
    delivery = Delivery(jobs)
    assert not delivery.refuse(full(jobs=7))
    assert delivery.jobs == jobs[:3]
    delivery.accept(())
    assert delivery.stored == 3
    assert delivery.jobs == jobs[3:]
    assert delivery.refuse(full()), "nothing fits: it is time to wait"
    assert delivery.jobs == jobs[3:]
    delivery.accept(())
    assert (delivery.stored, delivery.jobs) == (8, [])


def test_jobs_for_other_queues_take_no_room():
    delivery = Delivery([job("other"), job("other"), job(), job("other")])
    assert not delivery.refuse(full())
    assert [each.queue for each in delivery.jobs] == ["other", "other"]


def test_bytes_count():
    delivery = Delivery([job(size=40), job(size=40), job(size=40)])
    assert not delivery.refuse(full(max_jobs=None, size=10, max_bytes=100))
    assert len(delivery.jobs) == 2


def test_figures_that_are_out_of_date_end_in_a_wait():
    delivery = Delivery([job() for _ in range(8)])
    tries = []
    while not delivery.refuse(full(jobs=0)):
        tries.append(len(delivery.jobs))
    assert tries == [4, 2, 1]
    assert len(delivery.jobs) == 8


@pytest.mark.parametrize("on_full", ["reject", "drop_oldest", "drop_newest"])
def test_nobody_waits_where_the_queue_says_so(on_full):
    delivery = Delivery([job(), job()])
    assert not delivery.refuse(full(jobs=9, on_full=on_full)), "what fits goes in all the same"
    delivery.accept(())
    with pytest.raises(QueueFull):
        delivery.refuse(full(on_full=on_full))
    assert delivery.stored == 1


def test_nobody_waits_for_what_can_never_fit():
    with pytest.raises(QueueFull):
        Delivery([job(size=101)]).refuse(full(max_jobs=None, max_bytes=100))
