"""The same clean-up twice: as the incident had it, and as a purge. Both may add 200 MiB to their process and no more."""

import os
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.utils import timezone  # noqa: E402  Django first
from terminal.models import Session  # noqa: E402

from oakum import Oakum, current, purge  # noqa: E402

app = Oakum(os.environ.get("CLEANUP_STORE", "sqlite:///work.db"))
KEEP = timedelta(days=90)
MEMORY = os.environ.get("CLEANUP_MEMORY", "200MiB")


def expired():
    return Session.objects.filter(date_start__lt=timezone.now() - KEEP)


@app.task(memory=MEMORY, timeout="10m")
def clean_naively() -> int:
    deleted, _ = expired().delete()
    return deleted


@app.task(memory=MEMORY, timeout="10m")
def clean() -> int:
    return purge.queryset(expired(), options=purge.in_job(current())).rows
