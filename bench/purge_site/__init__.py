"""The Django app of the purge benchmark."""
