"""Tools that KubeChain executes itself: builtin functions, HTTP APIs, containers.

The caller persists its claim on the call first, and passes resolved values (a credential, not the name of a Secret). It
gets an `Output` for the model, or a `ToolFailure` that says whether the tool may have run. This package does not send
requests to Kubernetes, does not handle claims or phases, and does not retry, because a tool may be safe to call only
once. Input from the model is untrusted: arguments are validated, not interpreted by a shell, and cannot choose where a
credential is sent.
"""
