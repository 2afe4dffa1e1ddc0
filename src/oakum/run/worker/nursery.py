"""The supervisor's line to the template: starts it, hears its manifest, has it make children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import Final

from oakum.host.cgroup import Parent
from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.orders import Orders
from oakum.run.link.page import Page
from oakum.run.link.stream import Receiver
from oakum.run.worker.kid import Kid

_PROGRAM: Final = "oakum.run.child.template"


class Nursery:
    """One template process. `target` is MODULE:APP."""

    def __init__(self, target: str, control: socket.socket, pid: int) -> None:
        self.target, self.pid = target, pid
        self._control = control
        self._made = 0
        self._schedules: int | None = None
        self.spawn = False

    @classmethod
    def start(cls, target: str) -> Nursery:
        """A new template, a program of its own."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = _start([str(theirs.fileno()), str(os.getpid()), target], [theirs.fileno()])
        theirs.close()
        return cls(target, ours, pid)

    def fileno(self) -> int:
        return self._control.fileno()

    def hear(self) -> wire.FromTemplate | None:
        """What the template says; None when it has ended."""
        packet, files, _, _ = socket.recv_fds(self._control, 1 << 20, 1, socket.MSG_CMSG_CLOEXEC)
        self._schedules = files[0] if files else None
        return wire.decode_from_template(packet) if packet else None

    def take_schedules(self) -> int | None:
        """The file of `run.link.declared` that came with the manifest, the caller's from now on; None for none."""
        file, self._schedules = self._schedules, None
        return file

    def child(self, groups: Parent | None) -> Kid:
        """Has a child made; it says that it is ready in its own time. Raises ConnectionError when the template is gone."""
        self._made += 1
        packets, their_packets = Channel.pair()
        orders = Orders.make()
        answers, their_answers = os.pipe2(os.O_CLOEXEC)
        line, their_line = Channel.pair()
        output, their_output = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(their_output, True)
        page = Page.make()
        fds = [their_packets.fileno(), orders.fileno(), their_answers, their_line.fileno(), page.fd, their_output]
        kid = Kid(self._made, packets, orders, Receiver(answers), line, page, output, groups)
        try:
            self._ask(wire.Fork(), fds)
        except ConnectionError:
            kid.close()
            raise
        finally:
            their_packets.close()
            their_line.close()
            os.close(their_answers)
            os.close(their_output)
        return kid

    def listener(self) -> tuple[Channel, int]:
        """Has the process made in which event listeners run; the way to it, and its pid, 0 when the template is gone."""
        ours, theirs = Channel.pair()
        with contextlib.suppress(ConnectionError):
            self._ask(wire.Fork(listener=True), [theirs.fileno()])
        theirs.close()
        hello = ours.receive()
        return ours, int(hello) if hello else 0

    def close(self) -> None:
        """Ends the template; its children live on."""
        self._control.close()
        if (schedules := self.take_schedules()) is not None:
            os.close(schedules)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def _ask(self, request: wire.Fork, fds: list[int]) -> None:
        if self.spawn:
            kind = "listener" if request.listener else "child"
            _start(["--child", str(os.getpid()), self.target, kind, *map(str, fds)], fds)
        else:
            socket.send_fds(self._control, [wire.encode(request)], fds)


def _start(arguments: list[str], fds: list[int]) -> int:
    """Starts the program with some descriptors of ours; its pid."""
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        command = [sys.executable, "-m", _PROGRAM, *arguments]
        return os.posix_spawn(sys.executable, command, dict(os.environ))
    finally:
        for fd in fds:
            os.set_inheritable(fd, False)
