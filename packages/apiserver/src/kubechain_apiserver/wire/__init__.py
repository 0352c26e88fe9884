"""Values that all other subpackages share: status errors, names, resource infos, tokens, JSON, YAML, protobuf."""
