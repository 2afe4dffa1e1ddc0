"""Deletes millions of rows or files in a few megabytes: batch by batch along a key, never holding a lock for long."""

from oakum.purge.api import aselect, files, queryset, select, table
from oakum.purge.options import LogLines, Options, Progress, Report

__all__ = ["LogLines", "Options", "Progress", "Report", "aselect", "files", "queryset", "select", "table"]
