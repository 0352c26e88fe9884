"""Clients of model providers: `providers` is the table of them, `dialects` holds their wire formats.

The controllers pass resolved values (a key, never a Secret's name) and get a `Completion`, or an `LLMError` that says
whether a retry can help. Nothing here knows Kubernetes, retries by itself, or keeps state that a restart would miss.
"""
