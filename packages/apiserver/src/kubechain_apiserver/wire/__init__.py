"""Values that every other room shares: status errors, names, resource infos, tokens, JSON, YAML and protobuf.

Imports no other room.
"""
