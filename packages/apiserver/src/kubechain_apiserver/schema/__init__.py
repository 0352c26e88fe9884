"""Structural schemas: what a CRD's OpenAPI v3 schema does to objects (pruning, defaulting, validation).

Knows schemas and plain JSON values; nothing of storage, requests or kinds.
"""
