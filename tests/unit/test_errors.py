"""The errors: one family, with the kinships that callers rely on, and able to cross a process."""

from __future__ import annotations

import copy
import pickle

import pytest

from oakum import errors

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", [kind for kind in ALL if not issubclass(kind, errors.TaskInterrupt)])
def test_one_handler_catches_all_that_oakum_raises(kind: type) -> None:
    assert issubclass(kind, errors.OakumError)


@pytest.mark.parametrize("kind", [errors.TaskInterrupt, errors.SoftTimeout, errors.Cancelled])
def test_a_broad_handler_in_a_task_lets_interrupts_through(kind: type) -> None:
    assert not issubclass(kind, Exception)


def test_certain_and_uncertain_enqueues_are_never_mistaken_for_one_another() -> None:
    assert issubclass(errors.QueueFull, errors.NotEnqueued)
    assert not issubclass(errors.EnqueueUnknown, errors.NotEnqueued)
    assert errors.EnqueueUnknown("the server went away", "01J").job_id == "01J"


def test_waiting_too_long_is_a_timeout_to_those_who_know_no_oakum() -> None:
    assert issubclass(errors.WaitTimeout, TimeoutError)


@pytest.mark.parametrize(("message", "line"), [("no such file", "OSError: no such file"), ("", "OSError")])
def test_a_failed_job_says_what_failed_on_one_line(message: str, line: str) -> None:
    failure = errors.JobFailed("OSError", message, "Traceback ...")
    assert str(failure) == line
    assert (failure.type, failure.message, failure.traceback) == ("OSError", message, "Traceback ...")


@pytest.mark.parametrize("cross", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [
        errors.JobFailed("OSError", "no such file", "Traceback ..."),
        errors.JobQuarantined("OverBudget", "took 300 MiB of 200"),
        errors.EnqueueUnknown("the server went away", "01J"),
        errors.UsageError("memory: 'x' is not a size"),
    ],
)
def test_an_error_survives_the_way_to_another_process(error: errors.OakumError, cross) -> None:
    """Process pools and test runners pickle what a call raised; an error that cannot be made again breaks the pool."""
    other = cross(error)
    assert type(other) is type(error)
    assert (str(other), vars(other)) == (str(error), vars(error))
