"""Deletes millions of rows or files in a few megabytes: batch by batch along a key, never holding a lock for long."""

from oakum.purge.api import aselect, files, queryset, select, table
from oakum.purge.jobs import in_job
from oakum.purge.options import LogLines, Options, Progress, Report
from oakum.purge.own import own

__all__ = [
    "LogLines",
    "Options",
    "Progress",
    "Report",
    "aselect",
    "files",
    "in_job",
    "own",
    "queryset",
    "select",
    "table",
]
