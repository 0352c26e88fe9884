"""Model providers: one client for all of them, one dialect module per wire format, the local model.

Used by the controllers, which hand in resolved values (a key, never a Secret's name) and get back a `Completion` or
an `LLMError` that says whether trying again can help. Nothing here knows Kubernetes, retries by itself, or keeps state
that a restart would miss.
"""
