"""Sessions and, by cascade, the commands typed in them."""

from django.db import models


class Session(models.Model):
    user = models.CharField(max_length=128)
    asset = models.CharField(max_length=128)
    date_start = models.DateTimeField(db_index=True)


class Command(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE)
    input = models.CharField(max_length=128)
    output = models.TextField()
