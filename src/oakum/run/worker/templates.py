"""Which template is in use: waits for the first that loads, replaces one that died or whose sources changed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterable
from typing import Final

from oakum.errors import CannotRun
from oakum.model.task import Manifest
from oakum.run.link import wire
from oakum.run.worker.nursery import Nursery

LOOK_EVERY_S: Final = 0.5
MOST_DEATHS: Final = 3  # of templates in a row, before a worker believes that the application cannot be loaded


class Templates:
    """The present template and, while an application is loaded anew, the next one. `say` prints a line for people."""

    def __init__(self, target: str, planted: tuple[socket.socket, int], say: Callable[[str], None]) -> None:
        self._target, self._say = target, say
        self._first: Nursery | None = Nursery(target, *planted)
        self._stamps: dict[str, float] = {}  # when each source file was written, as it was when it began to be loaded
        self._deaths = 0
        self.manifest: Manifest
        self.current: Nursery | None = None
        self.coming: Nursery | None = None

    def await_first(self, told: Callable[[], bool]) -> bool:
        """Blocks until the application loads, saying once why it does not; false when `told` to stop meanwhile.

        Raises CannotRun when the process that imports it dies each time, and so cannot say which change to wait for.
        """
        while not told():
            nursery, self._first = self._first or Nursery.start(self._target), None
            answer = nursery.hear()
            if isinstance(answer, wire.Loaded):
                self._take(nursery, answer)
                return True
            nursery.close()
            if isinstance(answer, wire.Broken):
                before = _stamps(answer.files)  # first of all: who reads what is said next may mend it at once
                self._say(f"oakum worker: {self._why_not(answer)}\nwaiting for a change ...")
                while not told() and _stamps(answer.files) == before:
                    signal.sigtimedwait([], LOOK_EVERY_S)
                continue
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                raise CannotRun(f"app: {self._target} cannot be imported: the process that does it dies each time")
            self._say(f"oakum worker: {self._why_not(answer)}; once more")
        return False

    def changed(self) -> bool:
        """Whether a source file of the application was written since it was begun to be loaded last, and is not yet again."""
        return self.coming is None and _stamps(self.manifest.files) != self._stamps

    def renew(self) -> Nursery | None:
        """Begins to load the application anew, beside the template in use; None when that is under way already."""
        if self.coming is not None:
            return None
        self._stamps = _stamps(self.manifest.files)
        self.coming = Nursery.start(self._target)
        return self.coming

    def arrived(self) -> bool:
        """The coming template has spoken: whether it is the one in use now. Until then the code before the change goes on.

        Raises CannotRun when there is none in use and the application keeps failing to load.
        """
        coming, self.coming = self.coming, None
        assert coming is not None
        answer = coming.hear()
        if isinstance(answer, wire.Loaded):
            if self.current is not None:
                self.current.close()
            self._take(coming, answer)
            return True
        coming.close()
        self._deaths += 1
        if self.current is None and self._deaths >= MOST_DEATHS:
            raise CannotRun(
                f"app: {self._target} loaded when the worker started and does not any more: {self._why_not(answer)}"
            )
        self._say(f"oakum worker: {self._why_not(answer)}\nthe code before the change goes on")
        return False

    def died(self) -> None:
        """The template in use has ended. Its children live on."""
        if self.current is not None:
            self.current.close()
            self.current = None

    def close(self) -> None:
        """Ends all templates."""
        for nursery in (self.current, self.coming):
            if nursery is not None:
                nursery.close()
        self.current = self.coming = None

    def pids(self) -> set[int]:
        """The pids of all templates there are."""
        return {nursery.pid for nursery in (self.current, self.coming) if nursery is not None}

    def _take(self, nursery: Nursery, answer: wire.Loaded) -> None:
        manifest = answer.manifest
        for warning in manifest.warnings:
            self._say(f"oakum worker: warning: {warning}")
        if manifest.spawn:
            self._say(f"oakum worker: children are started anew instead of forked: {manifest.spawn}")
        nursery.spawn = bool(manifest.spawn)
        self.current, self.manifest, self._deaths = nursery, manifest, 0
        self._stamps = {file: self._stamps.get(file, now) for file, now in _stamps(manifest.files).items()}

    def _why_not(self, answer: wire.FromTemplate | None) -> str:
        if isinstance(answer, wire.Broken):
            return f"{answer.reason}\n{answer.traceback.rstrip()}"
        return "the process that imports the application died"


def _stamps(files: Iterable[str]) -> dict[str, float]:
    stamps: dict[str, float] = {}
    for file in files:
        with contextlib.suppress(OSError):
            stamps[file] = os.stat(file).st_mtime
    return stamps
