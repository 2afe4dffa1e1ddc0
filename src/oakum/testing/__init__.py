"""The test kit for users: run jobs by hand on a fake clock; and the suite that defines a store (`conformance`).

# conftest.py
from oakum.testing import fixture
from shop.tasks import app

kit = fixture(app)

# test_shop.py
def test_a_thumbnail_is_made(kit):
    job = thumbnail.enqueue("a.png", 300)
    kit.drain()
    assert job.wait() == "a.png@300"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from oakum.clock import FakeClock
from oakum.run.inline import Kit

if TYPE_CHECKING:
    from oakum.run.app import Oakum

__all__ = ["FakeClock", "Kit", "fixture"]


def fixture(app: Oakum, *, inline: bool = False) -> Any:
    """A pytest fixture that puts `app` into test mode for one test and answers its Kit; see `Oakum.testing`."""
    import pytest

    @pytest.fixture
    def kit() -> Iterator[Kit]:
        with app.testing(inline=inline) as made:
            yield made

    return kit
