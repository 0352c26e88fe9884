"""The runtime beside kopf, on the same API server and the same objects; see `python -m bench.runtime --help`.

What runs in kopf's own environment imports this package too, so nothing here may need more than the standard library.
"""
