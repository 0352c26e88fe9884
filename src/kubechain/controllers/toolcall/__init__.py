"""TaskRunToolCall: one call of a tool, claimed before it is carried out and recorded when it is over.

Lifecycle: `"" -> (Pending) -> Running -> Succeeded | Failed | OutcomeUnknown`, for another Agent `AwaitingSubAgent`
instead of `Running`, and `Cancelled` from anywhere. A call that is not declared safe to repeat is carried out at most
once: when it was interrupted, its outcome is reported as unknown.
"""
