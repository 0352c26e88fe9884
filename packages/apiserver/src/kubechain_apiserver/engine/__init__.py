"""Reads, writes, watches and deletes objects, by the rules of kube-apiserver.

Synchronous, and without I/O but for the storage: one call is one transaction. It knows no HTTP.
"""
