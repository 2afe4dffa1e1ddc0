"""Carries a message out: a command, a webhook, or mail through this host's sendmail or an SMTP server; keeps what was told."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import smtplib
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from oakum.errors import CannotRun
from oakum.model.finding import Finding
from oakum.watch.notify import Told, digest

_SECONDS: Final = 30.0
_SENDMAIL_PLACES: Final = "/usr/sbin:/usr/lib"  # where it is though a user's PATH does not have it
_LARGEST_STATE: Final = 1024**2


def send(target: str, findings: Sequence[Finding], host: str, now: datetime) -> None:
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
        _pipe([*_sendmail(target), "-i", "--", rest], bytes(_mail(rest, subject, body, host, now)), target)
    elif kind in ("smtp", "smtps"):
        server = urlsplit(target)
        _submit(server, _mail(unquote(server.path.lstrip("/")), subject, body, host, now))
    else:
        _post(target, data)


def _mail(to: str, subject: str, body: str, host: str, now: datetime) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"oakum@{host or 'localhost'}", to, subject
    message["Date"], message["Message-ID"] = format_datetime(now), make_msgid(domain=host or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers it
    message.set_content(body)
    return message


def _sendmail(target: str) -> list[str]:
    program = shutil.which("sendmail", path=f"{os.environ.get('PATH', '')}:{_SENDMAIL_PLACES}")
    if program is None:
        raise CannotRun(
            f"--notify {target}: there is no sendmail on this host; name a server: smtp://SERVER/NAME@HOST, or install one"
        )
    return [program]


def _submit(server: SplitResult, message: EmailMessage) -> None:
    """Hands the message to an SMTP server: `smtps` over TLS that is verified, `smtp` over what is offered (RFC 7435)."""
    place = f"{server.scheme}://{server.hostname}"
    try:
        with _session(server) as session:
            session.ehlo_or_helo_if_needed()
            if session.has_extn("starttls"):
                session.starttls()
            session.send_message(message)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise CannotRun(f"--notify {place}: {error}") from error


def _session(server: SplitResult) -> smtplib.SMTP:
    host, port = server.hostname or "", server.port or 0
    if server.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=_SECONDS)


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
