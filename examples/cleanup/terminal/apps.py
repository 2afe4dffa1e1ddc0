"""Connects a receiver without a sender: after that Django can fast-delete no model of the project."""

from django.apps import AppConfig


class Terminal(AppConfig):
    name = "terminal"

    def ready(self):
        from django.db.models.signals import post_delete

        post_delete.connect(forget, dispatch_uid="terminal.forget")


def forget(sender, instance, **kwargs):
    """Where a real project would drop what it has cached of the instance."""
