"""Writes the templates of charts/kubechain from what kustomize makes of config/: `make release` runs it.

The objects come from config/ alone; `placing` says where the values of the chart stand in them, `drafts` how such an
object becomes the text of a template. Written by hand are values.yaml, its schema, NOTES.txt and the named templates.
"""

from __future__ import annotations
