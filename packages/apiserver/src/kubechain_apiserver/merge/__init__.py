"""JSON patch, merge patch, strategic merge patch, and server-side apply with its managed fields.

Pure functions on JSON objects.
"""
