"""What each kind means: validation, defaults, and what its status path may change.

Custom kinds share one strategy; built-in kinds have a module each in `builtin`.
"""
