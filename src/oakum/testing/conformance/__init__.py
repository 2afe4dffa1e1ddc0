"""What a store is, as a suite of checks: whatever passes all of them is one.

To hold a store of your own to it, give each check something that opens the store, and a clock that stands still:

    import pytest
    from oakum.clock import FakeClock
    from oakum.testing.conformance import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_my_store(check, my_url):
        check(lambda: MyStore(my_url), FakeClock())

Each call of the opener answers one more user of the same store, which was empty before the check: another connection,
or the same object where the store has but one. `pytest.register_assert_rewrite("oakum.testing.conformance")` in a
conftest.py makes failures tell the values.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Final, NamedTuple

from oakum.clock import FakeClock
from oakum.store.base import Store
from oakum.testing.conformance import (
    bounding,
    claiming,
    ending,
    holding,
    inserting,
    keys,
    limits,
    moving,
    scheduling,
    settling,
    telling,
    uniqueness,
)
from oakum.testing.conformance.bench import Bench

__all__ = ["CHECKS", "Check"]


class Check(NamedTuple):
    """One thing that a store promises. Calling it raises AssertionError where the promise is not kept."""

    name: str
    run: Callable[[Bench], None]

    def __call__(self, open_store: Callable[[], Store], clock: FakeClock) -> None:
        bench = Bench(open_store, clock)
        try:
            self.run(bench)
        finally:
            bench.close()

    def __str__(self) -> str:
        return self.name


def _checks(module: ModuleType) -> list[Check]:
    return [
        Check(name, value)
        for name, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


CHECKS: Final = tuple(
    check
    for module in (
        inserting,
        uniqueness,
        bounding,
        claiming,
        limits,
        keys,
        settling,
        ending,
        holding,
        scheduling,
        telling,
        moving,
    )
    for check in _checks(module)
)
"""All checks, in the order of a job's life."""
