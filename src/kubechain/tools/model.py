"""The output of a tool call, and its errors, grouped by whether the tool may have run.

    ToolFailure
      NotExecuted          the tool did not run
        OutOfTime          the tool did not start in its time
        InvalidArguments   the arguments of the model are invalid; the message is a result for the model
        InvalidTool        the Tool cannot run until its spec or its environment changes
          InvalidSchema    the JSON schema of the Tool is invalid
          EngineMissing    no container engine responds
        AddressRefused     the policy does not allow the address
      Uncertain            the tool may have run, fully or in part: repeat the call only if the Tool declares this safe

An error that the tool itself reports is not a `ToolFailure`: a division by zero, an HTTP 404 or exit code 3 becomes an
`Output` with `is_error`. Messages are short, the same for each attempt that fails in the same way, and hold no secret.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a tool, as text for the model.

    Attributes:
        content: The text.
        is_error: Whether the tool reported an error.
        is_refused: Whether a service said who called may not (401, 403), and did nothing.
    """

    content: str
    is_error: bool = False
    is_refused: bool = False


class ToolFailure(Exception):
    """Base class of the errors of a tool call."""


class NotExecuted(ToolFailure):
    """The tool did not run."""


class OutOfTime(NotExecuted):
    """The tool did not start in the time that the call may take."""


class InvalidArguments(NotExecuted):
    """The arguments of the model are invalid; the model can read the message and correct them."""


class InvalidTool(NotExecuted):
    """The Tool cannot run with its current spec or in the current environment."""


class InvalidSchema(InvalidTool):
    """The JSON schema of the Tool is invalid."""


class EngineMissing(InvalidTool):
    """No container engine responds."""


class AddressRefused(NotExecuted):
    """The address policy does not allow the address."""


class Uncertain(ToolFailure):
    """The tool may have run, fully or in part."""
