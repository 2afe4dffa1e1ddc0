"""`oakum watch notify` with a mail server, a webhook and commands that really run: what is told, to whom, and how often."""

from __future__ import annotations

import http.server
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta

import pytest
from bench.watch_hosts import Host, Trouble, ps_block
from tests.support.fake_proc import FakeProc
from tests.support.smtp import certificate, context, mailbox

OAKUM = [sys.executable, "-m", "oakum", "watch"]
SECONDS = 60.0
DAY_S = 86_400


def log_of(directory, trouble, reboot_after_h=None):
    """Thirty hours of a small host as a log, every five minutes; `reboot_after_h`: it then ends with a fresh boot."""
    host = Host(3, hours=30, size=20, trouble=trouble)
    with open(directory / "ps.log", "w", encoding="utf-8") as log:
        for number, (now_s, processes) in enumerate(host.ticks()):
            if number % 5 == 0:
                log.write(ps_block(now_s, processes))
        if reboot_after_h is not None:
            host.boot_s = host.now_s + 600
            for minute in range(0, 60, 5):
                now_s = host.boot_s + 60 + minute * 60
                init = [process for process in processes if process.pid == 1]
                for process in init:
                    process.start_s = host.boot_s
                log.write(ps_block(now_s, init))
    return str(directory / "ps.log")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """An archive of a host on which a cron job hangs."""
    directory = tmp_path_factory.mktemp("watch")
    log = log_of(directory, Trouble(hung_crons=1))
    subprocess.run([*OAKUM, "import", log, "--archive", directory / "archive"], check=True, capture_output=True)
    return directory / "archive"


@pytest.fixture
def notify(recorded, tmp_path):
    """Runs the command on an archive of this test's own."""
    archive = tmp_path / "archive"
    shutil.copytree(recorded, archive)

    def notify(*words, **given):
        command = [*OAKUM, "notify", "--archive", str(archive), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, **given)

    return notify


@pytest.fixture
def mails():
    with mailbox() as server:
        yield server


@pytest.fixture
def hook():
    """A webhook: `.got` are the bodies, `.status` what it answers."""
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.got, server.status = got, 204
        server.target = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_arrives_once(notify, mails):
    first = notify(mails.target)
    assert (first.returncode, first.stderr) == (0, f"oakum watch: told {mails.target} of 1 finding\n")
    [(recipients, mail, encrypted)] = mails.deliveries
    assert not encrypted
    assert (recipients, mail["To"]) == (["ops@example.org"], "ops@example.org")
    assert mail["Subject"].endswith(": processes-accumulate")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "processes of `python manage.py crontab run *` were started in" in mail.get_content()
    assert "Mend: end the ones that hang" in mail.get_content()
    again = notify(mails.target)
    assert (again.returncode, again.stderr, len(mails.deliveries)) == (0, "", 1)


def test_a_mail_that_is_refused_is_sent_again(notify, mails):
    mails.refuse = True
    refused = notify(mails.target)
    assert refused.returncode == 3
    assert "--notify smtp://127.0.0.1: " in refused.stderr
    assert "550" in refused.stderr
    mails.refuse = False
    assert notify(mails.target).returncode == 0
    assert len(mails.deliveries) == 1


def test_over_tls_the_servers_certificate_must_be_good(notify, tmp_path):
    pem = certificate(tmp_path)
    with mailbox(tls=context(pem)) as server:
        refused = notify(server.target)
        assert refused.returncode == 3
        assert "--notify smtps://127.0.0.1: " in refused.stderr
        assert "certificate verify failed" in refused.stderr
        assert server.deliveries == []
        trusting = notify(server.target, env={**os.environ, "SSL_CERT_FILE": str(pem)})
        assert (trusting.returncode, trusting.stderr) == (0, f"oakum watch: told {server.target} of 1 finding\n")
    [(recipients, _, encrypted)] = server.deliveries
    assert (recipients, encrypted) == (["ops@example.org"], True)


def test_tls_that_a_server_offers_is_used_whoever_signed_it(notify, tmp_path):
    with mailbox(starttls=context(certificate(tmp_path))) as server:
        assert notify(server.target).returncode == 0
    [(_, mail, encrypted)] = server.deliveries
    assert encrypted
    assert mail["Subject"].endswith(": processes-accumulate")


def test_a_server_that_speaks_another_protocol_is_told_in_one_line(notify, mails, tmp_path):
    plain_to_tls = notify(mails.target.replace("smtp:", "smtps:"))
    assert plain_to_tls.returncode == 3
    assert "--notify smtps://127.0.0.1: " in plain_to_tls.stderr
    assert plain_to_tls.stderr.count("\n") == 1


def test_sendmail_gets_the_message(notify, tmp_path):
    program = tmp_path / "bin" / "sendmail"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    assert notify("mailto:root@localhost", env={**os.environ, "PATH": path}).returncode == 0
    assert (tmp_path / "words").read_text() == "-i -- root@localhost\n"
    assert "Subject: " in (tmp_path / "mail").read_text()


def test_a_webhook_that_fails_does_not_keep_the_mail_back_and_is_told_later(notify, mails, hook):
    hook.status = 500
    assert notify(hook.target, mails.target).returncode == 3
    assert (len(hook.got), len(mails.deliveries)) == (1, 1)
    hook.status = 204
    assert notify(hook.target, mails.target).returncode == 0
    assert (len(hook.got), len(mails.deliveries)) == (2, 1)
    assert [finding["code"] for finding in hook.got[1]["findings"]] == ["OAK102"]


def test_quiet_hours_hold_back_and_afterwards_it_comes(notify, hook):
    now = datetime.now().astimezone()
    here = f"{now - timedelta(minutes=5):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    elsewhere = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    assert notify(hook.target, "--quiet", here).returncode == 0
    assert hook.got == []
    assert notify(hook.target, "--quiet", elsewhere).returncode == 0
    assert len(hook.got) == 1


def test_mute_holds_back_until_it_is_ended(notify, hook):
    assert notify("--mute", "8h").returncode == 0
    assert notify(hook.target).returncode == 0
    assert hook.got == []
    assert notify(hook.target, "--mute", "0s").returncode == 0
    assert len(hook.got) == 1


def test_after_a_crash_what_grew_before_it_is_told(tmp_path, mails):
    log = log_of(tmp_path, Trouble(leaks_mb_h=(12.0,)), reboot_after_h=30)
    archive = str(tmp_path / "archive")
    subprocess.run([*OAKUM, "import", log, "--archive", archive], check=True, capture_output=True, timeout=SECONDS)
    subprocess.run([*OAKUM, "notify", "--archive", archive, mails.target], check=True, timeout=SECONDS)
    [(_, mail, _)] = mails.deliveries
    assert "`/srv/billing/bin/consumer-a --queue invoices`" in mail.get_content()
    assert "; the host went down at 2025-12-22 17:10 UTC" in mail.get_content()


def test_the_recorder_tells_by_itself(tmp_path, hook):
    """A development server that is up for a day, on a made-up host: known at the first sample."""
    proc = FakeProc(tmp_path / "proc")
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    proc.process(1, comm="init", args="/sbin/init", start=1)
    proc.process(7, args="python\0manage.py\0runserver\0" + "0.0.0.0:8000", start=int((since_boot_s - DAY_S) * 100))
    command = [*OAKUM, "--every", "1s", "--archive", str(tmp_path / "archive"), "--proc", str(proc.root)]
    command += ["--root", str(tmp_path), "--notify", hook.target]
    recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + SECONDS
        while not hook.got:
            assert time.monotonic() < deadline, "nothing was told"
            select.select([], [], [], 0.02)
    finally:
        recorder.terminate()
        recorder.communicate(timeout=SECONDS)
    assert [finding["code"] for finding in hook.got[0]["findings"]] == ["OAK105"]
