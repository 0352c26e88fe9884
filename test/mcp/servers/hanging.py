"""Reads everything and says nothing."""

from raw import messages

for _ in messages():
    pass
