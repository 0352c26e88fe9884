"""The wire formats of model providers: one module or package for each, all satisfying `dialect.Dialect`.

A dialect is pure: it encodes a conversation, decodes a reply, and says which requests prove a key and a model. It
knows no provider, no host and no header of authentication, and never sends, waits or retries.
"""
