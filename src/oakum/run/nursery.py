"""The supervisor's line to the template: starts it, hears its manifest, has it make children."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Final

from oakum.host.cgroup import Parent
from oakum.run import wire
from oakum.run.channel import Channel
from oakum.run.kid import Kid
from oakum.run.page import Page

_PROGRAM: Final = "oakum.run.template"


class Nursery:
    """One template process. `target` is MODULE:APP."""

    def __init__(self, target: str) -> None:
        self.target = target
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._made = 0
        self.spawn = False
        arguments = [str(theirs.fileno()), str(os.getpid()), target]
        self._process = subprocess.Popen([sys.executable, "-m", _PROGRAM, *arguments], pass_fds=[theirs.fileno()])
        theirs.close()

    @property
    def pid(self) -> int:
        """The template's pid."""
        return self._process.pid

    def fileno(self) -> int:
        return self._control.fileno()

    def hear(self) -> wire.FromTemplate | None:
        """What the template says; None when it has ended."""
        packet = self._control.recv(1 << 20)
        return wire.decode_from_template(packet) if packet else None

    def child(self, groups: Parent | None) -> Kid:
        """Has a child made; it says that it is ready in its own time. Raises OSError when the template is gone."""
        self._made += 1
        inbox, their_inbox = Channel.pair()
        line, their_line = Channel.pair()
        output, their_output = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(their_output, True)
        page = Page.make()
        try:
            self._ask(wire.Fork(), [their_inbox.fileno(), their_line.fileno(), page.fd, their_output])
        finally:
            their_line.close()
            os.close(their_output)
        return Kid(self._made, inbox, their_inbox, line, page, output, groups)

    def listener(self) -> tuple[Channel, int]:
        """Has the process made in which event listeners run; the way to it, and its pid."""
        ours, theirs = Channel.pair()
        self._ask(wire.Fork(listener=True), [theirs.fileno()])
        theirs.close()
        hello = ours.receive()
        return ours, int(hello) if hello else 0

    def close(self) -> None:
        """Ends the template; its children live on."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _ask(self, request: wire.Fork, fds: list[int]) -> None:
        if self.spawn:
            kind = "listener" if request.listener else "child"
            arguments = ["--child", str(os.getpid()), self.target, kind, *map(str, fds)]
            subprocess.Popen([sys.executable, "-m", _PROGRAM, *arguments], pass_fds=fds)
        else:
            socket.send_fds(self._control, [wire.encode(request)], fds)
