"""API conformance: one suite of named cases, answered by the embedded API server and by kube-apiserver.

A case is an entry of a table in `cases`: requests, and nothing else. What is expected is what kube-apiserver answered
when the case was recorded (`golden`), after `normal` took out what differs from run to run. So the embedded server is
held to the real one without needing it:

    pytest test/conformance                     # the embedded server
    python -m test.conformance                  # both servers, counts side by side
    python -m test.conformance --record         # asks kube-apiserver anew and writes test/conformance/golden
"""
