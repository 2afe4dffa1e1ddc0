"""Deletes rows and files in batches: millions of them in a few megabytes."""
