"""`oakum check`: what an application declares, and what is wrong with it."""

from __future__ import annotations

import json

APP = """
from oakum import Oakum
print("noise")
app = Oakum("sqlite:///work.db")

@app.task(name="shop.resize", memory="50MiB", memory_max="200MiB", timeout="30s", retries=3)
def resize(path: str, width: int = 100) -> int: ...

@app.task(name="shop.mail", queue="mail", timeout=None)
def mail(to: str) -> None: ...
"""


def test_tasks_are_listed_with_their_limits(here, app, oakum):
    target = app(APP)
    said = oakum("check", target)
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert (said.status, said.err) == (0, "noise\n")
    assert lines[0].startswith(f"{target}: 2 tasks on sqlite:///work.db, imported in ")
    assert "shop.mail(to: str) -> None" in said.out
    assert next(line for line in lines if "shop.mail" in line).split()[-4:] == ["mail", "learned", "none", "-"]
    assert "50.0 MiB to 200 MiB" in said.out
    assert lines[-1] == f"run it: oakum worker {target}"
    assert "\nstore: not there yet; SQLite, WAL, on the disk before it is acknowledged" in said.out
    assert not (here / "work.db").exists()


def test_a_store_that_is_there_is_looked_at(app, oakum):
    target = app(APP)
    oakum("enqueue", target, "shop.mail", '["me"]')
    assert "\nstore: there, version 2; SQLite" in oakum("check", target).out
    shown = json.loads(oakum("check", target, "--format", "json").out)
    assert (shown["survey"]["version"], shown["survey"]["findings"], shown["trouble"]) == (2, [], "")


def test_a_store_that_no_worker_can_use_is_a_finding(app, oakum):
    target = app(APP.replace("sqlite:///work.db", "redis://127.0.0.1:1/0"))
    said = oakum("check", target)
    assert said.status == 1
    assert "shop.mail(to: str) -> None" in said.out
    assert "\n! redis://127.0.0.1:1/0: cannot reach the server" in said.out
    assert "cannot reach" in json.loads(oakum("check", target, "--format", "json").out)["trouble"]
    said = oakum("check", target, "--no-store")
    assert (said.status, "cannot reach" in said.out) == (0, False)


def test_json_for_programs(app, oakum):
    target = app(APP)
    shown = json.loads(oakum("check", target, "--format", "json").out)
    assert (shown["app"], shown["store"], shown["warnings"]) == (target, "sqlite:///work.db", [])
    resize = next(task for task in shown["tasks"] if task["name"] == "shop.resize")
    assert (resize["memory"], resize["timeout_s"], resize["signature"]) == (
        50 << 20, 30.0, "(path: str, width: int = 100) -> int",
    )  # fmt: skip


def test_schedules_are_listed_with_their_next_tick(app, oakum):
    target = app(
        APP.replace("import Oakum", "import Oakum, at, cron, every").replace("sqlite:///work.db", "memory://")
        + """
from datetime import UTC, datetime
app.schedule("mails", every("15m"), mail.job("all"), overlap="queue_one")
app.schedule("once", at(datetime(2020, 1, 1, tzinfo=UTC)), mail.job("one"))
"""
    )
    out = oakum("check", target).out
    assert next(line for line in out.splitlines() if line.startswith("mails")).split()[:4] == [
        "mails",
        "every",
        "15m",
        "shop.mail",
    ]
    assert next(line for line in out.splitlines() if line.startswith("once")).split()[-2:] == ["never", "again"]
    mails, once = json.loads(oakum("check", target, "--format", "json").out)["schedules"]
    assert (mails["timing"], mails["overlap"], mails["next_ms"] % 900_000) == ("every 15m", "queue_one", 0)
    assert (once["task"], once["next_ms"]) == ("shop.mail", None)


def test_a_schedule_that_makes_no_sense_is_one_line(app, oakum):
    said = oakum("check", app(APP.replace("import Oakum", "import Oakum, cron") + "\ncron('0 0 30 2 *')\n"))
    assert (said.status, said.out, said.err.count("\n")) == (3, "", 2)  # the application's own noise is the other
    assert "'0 0 30 2 *' makes no sense or never fires" in said.err


def test_without_a_task_it_says_what_to_do(app, oakum):
    said = oakum("check", app('from oakum import Oakum\napp = Oakum("sqlite:///work.db")\n'))
    assert said.out.splitlines()[-1] == "declare one: put @app.task above a function"


def test_warnings_are_told(app, oakum):
    said = oakum("check", app(APP + "\n@app.middleware\nasync def timed(job, call_next): ...\n"))
    assert said.status == 0
    assert "\n! middleware timed is async and cannot wrap shop.resize, which is not\n" in said.out


def test_one_that_cannot_be_imported_is_one_line(app, oakum):
    said = oakum("check", app("import nowhere_to_be_found"))
    assert (said.status, said.out, said.err.count("\n")) == (3, "", 1)
    assert oakum("check", "nowhere_to_be_found:app").status == 2


RULED = """
app.queue("mail", max_jobs=1000, max_bytes="1MiB", on_full="reject", rate="100/1m", key_rate="5/1s")
app.queue("resizes", limit=4)

@app.task(name="shop.resize2", queue="resize", limit=2, rate="10/s")
def resize2() -> None: ...
"""


def test_queues_and_limits_are_listed(app, oakum):
    out = oakum("check", app(APP + RULED)).out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "mail 1,000 jobs or 1.00M of arguments, then reject - 100/1m 1 5/1s" in lines
    assert "resizes none 4 - -" in lines
    assert any(line.endswith("resize learned 1h 00m - 2 10/1s") for line in lines)
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith(("mail", "resizes")))
    shown = json.loads(oakum("check", app(APP + RULED), "--format", "json").out)
    assert [(queue["name"], queue["max_jobs"], queue["limit"]) for queue in shown["queues"]] == [
        ("mail", 1000, None), ("resizes", None, 4),
    ]  # fmt: skip
    assert {"task": "shop.resize2", "limit": 2, "rate": "10/1s"} in shown["limits"]


def test_what_is_odd_about_rules_is_told(app, oakum):
    out = oakum("check", app(APP + RULED)).out
    assert (
        "! queue resizes is declared and no task goes there, but to resize, which is not declared: is that one name?"
        in out
    )
