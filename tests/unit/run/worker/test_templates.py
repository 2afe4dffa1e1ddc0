"""Which template is in use, and what counts as a change of its sources: templates that say what a test has them say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oakum.model.task import Manifest
from oakum.run.link.wire import Broken, Loaded
from oakum.run.worker import templates as module
from oakum.run.worker.templates import Templates


class Scripted:
    """In the place of a template: it loads, or says what is wrong."""

    def __init__(self, answer: Loaded | Broken) -> None:
        self.answer, self.spawn, self.pid = answer, False, 1

    def hear(self) -> Loaded | Broken:
        return self.answer

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text("")
    return tmp_path / "shop.py"


@pytest.fixture
def make(source: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Templates]:
    """Templates of an application of one file, which give these answers in turn; the first that loads is in use."""

    def templates(*answers: str, said: list[str] | None = None) -> Templates:
        manifest = Manifest("shop:app", "memory://", (), files=(str(source),))
        loaded, broken = Loaded(manifest, 0), Broken("broken", "", (str(source),))
        coming = iter([Scripted(loaded if answer == "loads" else broken) for answer in answers])

        class Nurseries:
            start = staticmethod(lambda _target: next(coming))

            def __new__(cls, *_planted: object) -> Scripted:
                return next(coming)

        monkeypatch.setattr(module, "Nursery", Nurseries)
        monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
        made = Templates("shop:app", (None, 0), (said if said is not None else []).append)  # type: ignore[arg-type]
        assert made.await_first(lambda: False)
        return made

    return templates


def write(source: Path, moment: int) -> None:
    os.utime(source, (moment, moment))


def test_a_change_is_told_until_it_is_being_loaded(make: Callable[..., Templates], source: Path) -> None:
    templates = make("loads", "loads")
    assert not templates.changed()
    write(source, 1)
    assert templates.changed()
    assert templates.renew() is not None
    assert not templates.changed()
    assert templates.arrived()
    assert not templates.changed()


@pytest.mark.parametrize("answer", ["loads", "breaks"])
def test_a_change_while_the_one_before_is_loaded_is_another(
    make: Callable[..., Templates], source: Path, answer: str
) -> None:
    templates = make("loads", answer)
    write(source, 1)
    templates.renew()
    write(source, 2)
    assert not templates.changed()  # not yet: one at a time
    assert templates.arrived() is (answer == "loads")
    assert templates.changed()  # nobody knows whether it was read before the change or after it


def test_what_fails_to_load_is_not_loaded_again_before_it_changes(make: Callable[..., Templates], source: Path) -> None:
    templates = make("loads", "breaks")
    write(source, 1)
    templates.renew()
    assert not templates.arrived()
    assert not templates.changed()
    write(source, 2)
    assert templates.changed()


def test_who_mends_an_application_as_soon_as_he_reads_that_it_is_broken_is_seen(
    make: Callable[..., Templates], source: Path
) -> None:
    class Mender(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            write(source, len(self))

    said = Mender()
    make("breaks", "breaks", "loads", said=said)
    assert len(said) == 2
