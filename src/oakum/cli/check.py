"""`oakum check`: imports an application, looks at its store, and says what there is, or what is wrong with it."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oakum.cli import options
from oakum.errors import StoreError
from oakum.store.shown import shown_url

if TYPE_CHECKING:
    from oakum.model.schedule.spec import Schedule
    from oakum.model.task import Manifest
    from oakum.store.care import Survey


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="MODULE:APP", help="where the application is, like shop.tasks:app")
    parser.add_argument("--no-store", action="store_true", help="say what the application declares, and no more")
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    begun = time.monotonic()
    app = options.load_app(args.app)
    seconds = time.monotonic() - begun
    from oakum.cli import show
    from oakum.cli.check_view import check_view, next_step, store_view
    from oakum.run.load import manifest

    declared = manifest(app, args.app)
    warnings = _warnings(declared)
    survey, trouble = _survey(declared.store) if not args.no_store else (None, "")
    if args.format == "json":
        store = {"survey": survey, "trouble": trouble}
        show.print_json(_as_json(declared, app.schedules, seconds, warnings) | store)
    else:
        console = show.console()
        now_ms = int(time.time() * 1000)
        for part in check_view(declared, app.schedules, seconds, warnings, now_ms):
            console.print(part, soft_wrap=True)
        for part in store_view(survey, trouble):
            console.print(part, soft_wrap=True)
        console.print(next_step(declared), soft_wrap=True)
    return 1 if trouble else 0


def _survey(url: str) -> tuple[Survey | None, str]:
    """What the store looks like, or why no worker can use it; neither where it is in memory."""
    from oakum.store.open import open_care

    if url.startswith("memory://"):
        return None, ""
    with contextlib.closing(open_care(url, lambda _: None, must_exist=False)) as care:
        try:
            return care.survey(), ""
        except StoreError as error:
            return None, str(error)


def _warnings(declared: Manifest) -> list[str]:
    spawn = [f"children are started anew instead of forked: {declared.spawn}"] if declared.spawn else []
    return [*declared.warnings, *spawn]


def _as_json(
    declared: Manifest, schedules: Mapping[str, Schedule], seconds: float, warnings: list[str]
) -> dict[str, Any]:
    from oakum.inspector.queues import rules_row
    from oakum.inspector.tasks import task_rules

    now_ms = int(time.time() * 1000)
    queues, tasks = declared.rules.get("queue", {}), declared.rules.get("task", {})
    return {
        "app": declared.app,
        "store": shown_url(declared.store),
        "import_s": round(seconds, 3),
        "tasks": declared.tasks,
        "limits": [{"task": name, **_fields(task_rules(rules))} for name, rules in sorted(tasks.items())],
        "queues": [{"name": name, **_fields(rules_row(rules))} for name, rules in sorted(queues.items())],
        "schedules": [
            {
                "name": name,
                "timing": str(schedule.timing),
                "task": schedule.job.task,
                "overlap": schedule.overlap,
                "next_ms": schedule.after(now_ms),
            }
            for name, schedule in sorted(schedules.items())
        ],
        "warnings": warnings,
    }


def _fields(row: Any) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(row)
