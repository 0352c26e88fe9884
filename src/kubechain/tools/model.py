"""What comes out of a tool call, and what can go wrong with it, sorted by consequence.

    ToolFailure
      NotExecuted          certainly nothing happened outside
        InvalidArguments   what the model sent does not fit; the message says where, and is an answer for the model
        InvalidTool        the Tool itself cannot be carried out until somebody changes it
          InvalidSchema    its JSON schema is broken
          EngineMissing    there is nothing here that runs containers
        AddressRefused     the address may not be connected to
      Uncertain            it may have happened, wholly or in part: never repeat it unless it is declared safe

Raised by everything in this package and caught by the controllers. What a tool answers is not a failure, however bad
the news: a division by zero, an HTTP 404, exit code 3 are an `Output` with `is_error`. Messages are short, the same
for each try of the same failure, and never hold a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool answered, as text for the model.

    Attributes:
        content: The answer.
        is_error: Whether it is the tool's own error message.
    """

    content: str
    is_error: bool = False


class ToolFailure(Exception):
    """Base of everything that a tool call raises."""


class NotExecuted(ToolFailure):
    """Certainly nothing happened."""


class InvalidArguments(NotExecuted):
    """The model's arguments do not fit; it should read why and try again."""


class InvalidTool(NotExecuted):
    """The tool cannot be carried out as it is specified or equipped."""


class InvalidSchema(InvalidTool):
    """The tool's JSON schema is broken."""


class EngineMissing(InvalidTool):
    """No container engine was found that answers."""


class AddressRefused(NotExecuted):
    """The address may not be connected to."""


class Uncertain(ToolFailure):
    """It may have happened, wholly or in part."""
