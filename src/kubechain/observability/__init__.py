"""What is told about runs to the outside: metrics, traces and the audit log, all from what is written and called.

The control loops tell a `Witness`; what listens is built in `manager.py`. What must not go here: decisions, or anything
that a run depends on.
"""
