"""What makes two failures the same one: the class of the error and the place in the task's own code. Pure."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from oakum.model.outcome import Outcome, describe

LENGTH: Final = 8  # hexadecimal digits

_FRAME: Final = re.compile(r'^\s*File "([^"]+)", line \d+, in (.+)$', re.MULTILINE)
_NOT_OWN: Final = ("/site-packages/", "/dist-packages/", "/lib/python3", "<frozen ")
_VARIES: Final = re.compile(
    r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*\b|\d+(?:\.\d+)?(?:\s?[KMGT]i?B)?|'[^']*'|\"[^\"]*\""
)


def fingerprint(task: str, outcome: Outcome | None) -> str:
    """Eight hexadecimal digits that failures of one cause share.

    With a traceback: the class of the error and the innermost frame of the user's own code, by file and function: line
    numbers and messages vary from release to release and from job to job. Without one: the class and the message, its
    numbers, addresses and quoted parts left out.
    """
    kind, message, traceback = describe(outcome)
    cause = place(traceback) or _VARIES.sub("#", message)
    return blake2b("\0".join((task, kind, cause)).encode(), digest_size=LENGTH // 2).hexdigest()


def place(traceback: str) -> str:
    """The innermost frame of the user's own code as "file:function", of any code if there is none, "" without frames."""
    frames = _FRAME.findall(traceback)
    own = [frame for frame in frames if not any(part in frame[0] for part in _NOT_OWN)]
    if not frames:
        return ""
    file, function = (own or frames)[-1]
    return f"{file}:{function}"
