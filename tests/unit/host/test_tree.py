"""Which processes a process has, while its threads come and go."""

from __future__ import annotations

import os
import subprocess

import pytest

from oakum.host.tree import children


def test_a_thread_that_ends_while_its_process_is_looked_at_hides_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = os.listdir("/proc/self/task")
    with subprocess.Popen(["sleep", "600"]) as child:
        monkeypatch.setattr(os, "listdir", lambda _path: ["4194305", *threads])  # more than any pid: proc(5), pid_max
        try:
            assert child.pid in children(os.getpid())
        finally:
            child.kill()


def test_who_is_gone_has_no_children() -> None:
    assert children(4194305) == []
