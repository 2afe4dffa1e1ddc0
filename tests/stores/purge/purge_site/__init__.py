"""The Django app of these tests."""
