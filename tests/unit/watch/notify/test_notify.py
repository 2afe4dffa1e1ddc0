"""Who is told what, and when: once for each state, nothing in quiet hours, again when it is worse."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from datetime import UTC, datetime

import pytest

from oakum.errors import CannotRun, UsageError
from oakum.model.finding import Finding, Severity
from oakum.watch.notify import Told, after, check_target, digest, held_back, news, parse_quiet
from oakum.watch.notify_send import read_told, send, write_told

ME = "mailto:me@example.org"
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def finding(subject="web", severity=Severity.WARNING, **evidence):
    return Finding(
        code="OAK101", name="process-grows", severity=severity, subject=subject, message=f"{subject} grows",
        mend="restart it", evidence=evidence,
    )  # fmt: skip


def test_a_state_is_told_once_to_each_target():
    told = after([finding()], Told(), ME)
    assert news([finding()], told, ME) == []
    assert news([finding()], told, "mailto:you") == [finding()]


def test_what_is_worse_is_told_again_and_what_is_better_is_not():
    worse = finding(severity=Severity.ERROR)
    told = after([finding()], Told(), ME)
    assert news([worse], told, ME) == [worse]
    assert news([finding()], after([worse], told, ME), ME) == []


def test_remarks_are_not_told():
    assert news([finding(severity=Severity.INFO)], Told(), ME) == []


def test_a_state_that_was_over_is_new_when_it_returns():
    told = after([], after([finding()], Told(), ME), ME)
    assert news([finding()], told, ME) == [finding()]


def test_after_a_crash_what_grew_before_it_is_told_though_it_was_known():
    told = after([finding()], Told(), ME)
    crashed = finding(host_went_down_s=1000.0)
    assert news([crashed], told, ME) == [crashed]
    assert news([crashed], after([crashed], told, ME), ME) == []


@pytest.mark.parametrize(
    ("hours", "time", "quiet"),
    [
        ("22:00-07:00", "23:10", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:00-13:30", "13:29", True),
        ("12:00-13:30", "11:59", False),
    ],
)
def test_quiet_hours(hours, time, quiet):
    now = datetime.fromisoformat(f"2026-01-05 {time}").timestamp()
    assert held_back(Told(), parse_quiet(hours), now) is quiet


def test_mute_holds_until_its_end():
    assert held_back(Told(mute_until_s=100.0), None, 99.0)
    assert not held_back(Told(mute_until_s=100.0), None, 100.0)


@pytest.mark.parametrize("text", ["", "22-7", "24:00-07:00", "22:00-07:60"])
def test_hours_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="--quiet"):
        parse_quiet(text)


def test_a_digest_is_one_message():
    subject, body = digest([finding("web"), finding("mail")], "host1")
    assert subject == "host1: process-grows and 1 more"
    assert "web grows\nMend: restart it" in body
    assert "mail grows" in body


@pytest.mark.parametrize(
    "target",
    ["", "cmd:", "cmd:  ", "mailto:-x", "mailto:a,b", "ftp://x", "root", "smtp://x", "smtp://x/-a@b", "smtp://x/a"],
)
def test_targets_that_are_none_are_refused(target):
    with pytest.raises(UsageError, match="--notify"):
        check_target(target)


def test_a_command_gets_json_and_no_shell(tmp_path):
    out = tmp_path / "out"
    code = f"import sys; open({str(out)!r}, 'w').write(sys.argv[1] + sys.stdin.read())"
    send(f'cmd:{sys.executable} -c "{code}" "$(id)"', [finding()], "host1", NOW)
    word, _, rest = out.read_text().partition("{")
    assert word == "$(id)"
    assert json.loads("{" + rest)["findings"][0]["subject"] == "web"


@pytest.mark.parametrize("target", [f"cmd:{sys.executable} -c 1/0", "cmd:/nowhere/at/all", "http://127.0.0.1:9/"])
def test_what_does_not_arrive_is_an_error(target):
    with pytest.raises(CannotRun, match="--notify"):
        send(target, [finding()], "host1", NOW)


def test_a_webhook_gets_json():
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        send(f"http://127.0.0.1:{server.server_port}/hook", [finding()], "host1", NOW)
        thread.join()
    [(kind, data)] = got
    assert kind == "application/json"
    assert json.loads(data)["host"] == "host1"


def test_what_was_told_is_kept(tmp_path):
    path = str(tmp_path / "alerts.json")
    assert read_told(path) == Told()
    told = after([finding()], Told(mute_until_s=5.0), ME)
    write_told(path, told)
    assert read_told(path) == told
    (tmp_path / "alerts.json").write_text("{torn")
    assert read_told(path) == Told()
