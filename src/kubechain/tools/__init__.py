"""Tools that KubeChain carries out itself: builtin functions, HTTP APIs, containers.

Callers hand in resolved values (a credential, never a Secret's name) and a persisted claim, and
get back an `Output` for the model or a `ToolFailure` that says whether anything can have happened. Nothing here knows
Kubernetes requests, claims or phases, and nothing here retries: a tool may be called once only. Everything that comes
from the model is hostile until proven otherwise: arguments are validated, never interpreted by a shell, and never
decide where a credential is sent.
"""
