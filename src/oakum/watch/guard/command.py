"""Runs one command and everything that it spawns inside its limits, and leaves nothing of it behind."""

from __future__ import annotations

import math
import os
import resource
import selectors
import signal
import subprocess
from collections.abc import Sequence
from typing import Final

from oakum.clock import Clock
from oakum.errors import CannotRun
from oakum.host.process import become_subreaper
from oakum.host.tree import descendants
from oakum.watch.guard.orphans import MARK
from oakum.watch.guard.outcome import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Limits, Outcome, Reason, status_of
from oakum.watch.guard.rings import Rings, pause_before_look
from oakum.watch.guard.signals import signals_as_bytes
from oakum.watch.guard.stop import kill_descendants, terminate
from oakum.watch.guard.tail import Tail

_KILL_PAUSE: Final = 0.02  # seconds until SIGKILL is sent again to what is still there
_LINGER: Final = 1.0  # seconds that what the command left behind has to end by itself, as helpers of its own do
_PATIENCE: Final = 10.0  # seconds after the first SIGKILL until what does not go (state D) is given up
_CHUNK: Final = 65_536


def run_command(command: Sequence[str], limits: Limits, clock: Clock, output: Tail | None, mark: str) -> Outcome:
    """Runs `command` to its end, or to the end of what its limits allow, and reports how it went.

    The caller is a process of its own for this, without threads and other children: it becomes the reaper of all that
    the command spawns, daemons in sessions of their own included, and returns when nothing of it is left. `output`
    collects what the command writes; without it the command writes where the caller would. All of it carries `mark` in
    its environment.
    """
    become_subreaper()
    with signals_as_bytes() as arriving, Rings(limits) as rings:
        try:
            process = subprocess.Popen(
                command,
                stdout=None if output is None else subprocess.PIPE,
                stderr=None if output is None else subprocess.STDOUT,
                env={**os.environ, MARK: mark},
                start_new_session=True,
                preexec_fn=rings.enter,  # noqa: PLW1509 - there are no threads here to deadlock with
            )
        except FileNotFoundError:
            return Outcome(Reason.NOT_STARTED, EXIT_NOT_FOUND)
        except OSError:
            return Outcome(Reason.NOT_STARTED, EXIT_NOT_EXECUTABLE)
        except subprocess.SubprocessError as error:
            raise CannotRun(
                f"{command[0]}: the kernel refused its limits; lower --memory or leave --rlimit out"
            ) from error
        return _Run(process, limits, rings, clock, output).to_the_end(arriving)


class _Run:
    """One command on its way. Each turn of the loop reaps what ended, ends what must end, and waits for what is next."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, rings: Rings, clock: Clock, output: Tail | None
    ) -> None:
        self._process, self._limits, self._rings, self._clock, self._output = process, limits, rings, clock, output
        self._started = self._next_look = clock.monotonic()
        self._status: int | None = None
        self._linger_until = math.inf
        self._told_to_end = False
        self._reason: Reason | None = None
        self._kill_at = math.inf
        self._left_behind = 0

    def to_the_end(self, arriving: int) -> Outcome:
        with selectors.DefaultSelector() as selector:
            selector.register(arriving, selectors.EVENT_READ)
            if self._process.stdout is not None:
                os.set_blocking(self._process.stdout.fileno(), False)
                selector.register(self._process.stdout, selectors.EVENT_READ)
            while self._reap():
                now = self._clock.monotonic()
                if now >= self._kill_at + _PATIENCE:
                    break
                self._act(now)
                for key, _ in selector.select(self._pause(now)):
                    if key.fd == arriving:
                        self._hear(arriving)
                    elif not self._collect(key.fd):
                        selector.unregister(key.fileobj)
        return self._outcome()

    def _reap(self) -> bool:
        """Takes the statuses of all that ended. False when nothing is left: each orphan of the tree becomes our child."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._process.pid:
                self._status = self._process.returncode = status_of(wait_status)
                self._linger_until = self._clock.monotonic() + _LINGER

    def _act(self, now: float) -> None:
        """Looks at the memory when it is time, and moves the run on towards its end when there is a reason."""
        broken = self._limits.broken(now - self._started, self._look(now))
        if self._reason is None:
            self._reason = self._why_end(now, broken)
            if self._reason is not None:
                self._kill_at = now + self._limits.grace
                remaining = descendants(os.getpid())
                self._left_behind = len(remaining) if self._reason is Reason.FINISHED else 0
                terminate(remaining)
        if Reason.OVER_MEMORY in (broken, self._reason):
            self._kill_at = min(self._kill_at, now)  # what grows past its limit gets no grace
        if now >= self._kill_at:
            kill_descendants()

    def _why_end(self, now: float, broken: Reason | None) -> Reason | None:
        if self._rings.kernel_kills():
            return Reason.OVER_MEMORY
        if self._status is not None:
            return Reason.FINISHED if now >= self._linger_until else None
        return Reason.INTERRUPTED if self._told_to_end else broken

    def _look(self, now: float) -> int:
        if now >= self._next_look:
            used = self._rings.look()
            self._next_look = now + pause_before_look(self._limits.memory, used, now - self._started)
        return self._rings.used

    def _pause(self, now: float) -> float:
        """Seconds until something must be done even if nothing is heard."""
        if now >= self._kill_at:
            return _KILL_PAUSE
        return max(min(self._next_look, self._next_move()) - now, 0.0)

    def _next_move(self) -> float:
        if self._reason is not None:
            return self._kill_at
        if self._status is not None:
            return self._linger_until
        return math.inf if self._limits.timeout is None else self._started + self._limits.timeout

    def _hear(self, arriving: int) -> None:
        numbers = os.read(arriving, _CHUNK)
        self._told_to_end = self._told_to_end or any(number != signal.SIGCHLD for number in numbers)

    def _collect(self, fd: int) -> bool:
        """Takes one piece of output; False at its end."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        if self._output is not None:
            self._output.add(data)
        return bool(data)

    def _outcome(self) -> Outcome:
        remaining = descendants(os.getpid())
        if self._process.stdout is not None and not remaining:  # nobody can write any more: there is an end to read to
            while self._collect(self._process.stdout.fileno()):
                pass
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Outcome(
            self._reason or self._why_end(math.inf, None) or Reason.FINISHED,
            status_of(signal.SIGKILL) if self._status is None else self._status,
            self._clock.monotonic() - self._started,
            usage.ru_utime + usage.ru_stime,
            self._rings.peak,
            self._rings.names,
            self._left_behind,
            self._rings.kernel_kills(),
            len(remaining),
        )
