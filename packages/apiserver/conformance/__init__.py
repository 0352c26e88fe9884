"""API conformance: one suite of named cases, answered by the embedded API server and by kube-apiserver.

A case is an entry of a table in `cases`: requests, and nothing else. What is expected is what kube-apiserver answered
when the case was recorded (`golden`), after `normal` took out what differs from run to run. So the embedded server is
held to the real one without needing it:

    pytest packages/apiserver/conformance                # the embedded server
    python -m packages.apiserver.conformance          # both servers, counts side by side
    python -m packages.apiserver.conformance --record # asks kube-apiserver anew and writes golden/
"""
