"""Reads logs that people made with `ps` and `cron`, in all their disorder, into an archive."""
