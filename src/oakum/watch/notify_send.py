"""Carries a message out: a command, a webhook or mail; and keeps what was told."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from email.message import EmailMessage
from typing import Final

from oakum.errors import CannotRun, UsageError
from oakum.model.finding import Finding
from oakum.watch.notify import Told, digest

_TARGET: Final = re.compile(r"(?:cmd|mailto):\s*[^\s-].*|https?://\S+")
_SECONDS: Final = 30.0
_SENDMAIL: Final = "/usr/sbin/sendmail"
_LARGEST_STATE: Final = 1024**2


def check_target(target: str) -> str:
    """The target itself. Raises UsageError for one that `send` would not understand."""
    if _TARGET.fullmatch(target):
        return target
    raise UsageError(f"--notify: {target!r}: write cmd:COMMAND, https://HOST/PATH or mailto:NAME@HOST")


def send(target: str, findings: Sequence[Finding], host: str) -> None:
    """Sends one message about `findings`. A command gets JSON on standard input and is run without a shell.

    Raises CannotRun where it did not arrive: then it must count as not told.
    """
    subject, body = digest(findings, host)
    payload = {"host": host, "subject": subject, "text": body, "findings": [finding.as_json() for finding in findings]}
    data = json.dumps(payload).encode()
    kind, _, rest = target.partition(":")
    if kind == "cmd":
        _pipe(shlex.split(rest), data, target)
    elif kind == "mailto":
        message = EmailMessage()
        message["To"], message["Subject"] = rest, subject
        message.set_content(body)
        _pipe([_SENDMAIL, "-i", "--", rest], bytes(message), target)
    else:
        _post(target, data)


def _pipe(command: list[str], data: bytes, target: str) -> None:
    try:
        subprocess.run(command, input=data, check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"--notify {target}: {error}") from error


def _post(url: str, data: bytes) -> None:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - checked: http(s)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            pass
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise CannotRun(f"--notify {url}: {error}") from error


def read_told(path: str) -> Told:
    """What was told, nothing where there is no such file yet or it is damaged."""
    try:
        with open(path, "rb") as file:
            fields = json.loads(file.read(_LARGEST_STATE))
        ranks = {
            str(target): {str(name): int(rank) for name, rank in each.items()}
            for target, each in fields["ranks"].items()
        }
        return Told(ranks, float(fields["mute_until_s"]))
    except FileNotFoundError:
        return Told()
    except (ValueError, TypeError, KeyError, AttributeError):
        return Told()


def write_told(path: str, told: Told) -> None:
    """Replaces the file as a whole. Raises OSError."""
    beside = f"{path}.new"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(asdict(told), file)
    os.replace(beside, path)
