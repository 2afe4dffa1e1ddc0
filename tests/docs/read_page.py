"""Does what a page of documentation says, in the order of the page, in the current directory.

- A block of `python` that begins with the comment `# name.py` is written to that file; any other is run, in one
  namespace for the page.
- A block of `sh run` is run line by line, without a shell; a line that ends in `&` until the page has ended.
- Everything else, `sh`, `text` and `python no-run` among it, is there to be looked at.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

BLOCK = re.compile(r"^```(?P<kind>python|sh run)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (?P<name>\w+\.py)\n")
SECONDS = 60


def read(page: Path) -> None:
    text = page.read_text()
    namespace = {"__name__": "page"}
    sys.path.insert(0, str(Path.cwd()))
    with ExitStack() as background:
        for block in BLOCK.finditer(text):
            if block["kind"] == "sh run":
                for line in block["text"].splitlines():
                    run(line, background)
            elif named := FILE.match(block["text"]):
                Path(named["name"]).write_text(block["text"])
            else:
                blank = "\n" * text.count("\n", 0, block.start("text"))  # a traceback then names the line of the page
                exec(compile(blank + block["text"], str(page), "exec"), namespace)


def run(line: str, background: ExitStack) -> None:
    words = shlex.split(line, comments=True)
    if words[-1:] == ["&"]:
        background.enter_context(process(words[:-1]))
    elif words:
        subprocess.run(words, check=True, timeout=SECONDS)


@contextmanager
def process(words: list[str]) -> Iterator[None]:
    with subprocess.Popen(words) as running:
        yield
        running.send_signal(signal.SIGTERM)
        if status := running.wait(SECONDS):
            raise subprocess.CalledProcessError(status, words)


if __name__ == "__main__":
    read(Path(sys.argv[1]))
