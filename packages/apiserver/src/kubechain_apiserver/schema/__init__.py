"""Structural schemas of CustomResourceDefinitions: pruning, defaulting, validation, field sets."""
