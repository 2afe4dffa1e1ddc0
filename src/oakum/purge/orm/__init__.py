"""Rows of Django's and SQLAlchemy's models: deleted as those would delete them, a batch at a time."""
