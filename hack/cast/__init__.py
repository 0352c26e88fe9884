"""Records a session on a terminal, with a control plane of its own, as an animated SVG for the README.

`screen` is a small terminal, `drawing` writes the SVG, `session` says what is typed, and `recording` plays it.
"""
