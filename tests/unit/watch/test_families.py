"""Command lines that differ in what varies are one family; those that differ in what they do are not."""

from __future__ import annotations

import pytest

from oakum.watch.families import fold, printable, steady


@pytest.mark.parametrize(
    ("args", "family"),
    [
        ("python manage.py crontab run 3f2a9c1b22d94e6f8a", "python manage.py crontab run *"),
        ("python3 manage.py runserver 0.0.0.0:8000", "python3 manage.py runserver *"),
        ("backup --id 0f8fad5b-d9cb-469f-a165-70867728950e", "backup --id *"),
        ("report --day=2025-12-21", "report --day=*"),
        ("report --from 2025-12-21T10:00:00Z --to 2025-12-22", "report --from * --to *"),
        ("postgres: app shop 127.0.0.1(52344) idle", "postgres: app shop *(*) idle"),
        ("bash /tmp/run-8Kx2/start", "bash /tmp/*/start"),
        ("sshd: bob@pts/3", "sshd: bob@pts/*"),
        ("[kworker/0:1]", "[kworker/*]"),
        ("/usr/bin/python3.11 worker.py", "/usr/bin/python3.11 worker.py"),
        ("uwsgi --ini site.ini", "uwsgi --ini site.ini"),
        ("celery -A shop worker -Q mail", "celery -A shop worker -Q mail"),
    ],
)
def test_what_varies_is_folded(args: str, family: str) -> None:
    assert fold(args) == family


def test_a_name_does_nothing_to_a_terminal() -> None:
    assert printable("a\x1b[31m\x07b\nc\x9b1mé日") == "a?[31m?b?c?1mé日"


def test_two_commands_stay_two() -> None:
    assert fold("python manage.py clearsessions") != fold("python manage.py crontab run 3f2a9c1b22")


def test_a_family_has_a_bounded_name() -> None:
    assert len(fold("java " + "-cp /very/long/path.jar " * 1000)) <= 200


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("kworker/0:1-events", "kworker/0:1"),
        ("[kworker/u4:2+flush-8:0]", "[kworker/u4:2]"),
        ("[kworker/1:0H]", "[kworker/1:0H]"),
        ("python-worker", "python-worker"),
    ],
)
def test_a_kernel_worker_is_the_same_whatever_it_works_on(name: str, kept: str) -> None:
    assert steady(name) == kept
