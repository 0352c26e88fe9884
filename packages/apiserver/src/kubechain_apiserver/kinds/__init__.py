"""Rules of each kind: validation, defaults, and what a status update may change.

All custom kinds share one strategy; each built-in kind has a module in `builtin`.
"""
