"""A child's prints and logs, turned into its tail; in a process of its own, since it takes over the standard streams."""

from __future__ import annotations

import subprocess
import sys

HEAD = """
import logging, sys
from oakum.run.child.capture import install
from oakum.run.child.tail import Tail
out, tail = sys.stdout, Tail()
"""


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_prints_and_logging_go_to_the_tail_and_programs_to_the_descriptors() -> None:
    printed, complained, logged, streams = said("""
install(tail)
print("printed")
print("complained", file=sys.stderr)
logging.getLogger("shop").info("logged")
out.write(tail.peek())
out.write(f"{sys.stdout.fileno()} {sys.stderr.fileno()} {sys.stdout.encoding}")
""")
    assert (printed, complained) == ("printed", "complained")
    assert logged.endswith(" INFO shop [job -] logged")
    assert streams == "1 2 utf-8"


def test_an_application_that_has_its_own_logging_keeps_it() -> None:
    assert said("""
logging.basicConfig(stream=out, format="mine: %(message)s", level=logging.ERROR)
install(tail)
logging.getLogger("shop").warning("beneath its level")
logging.getLogger("shop").error("as ever")
out.write(repr(tail.peek()))
""") == ["mine: as ever", "''"]
