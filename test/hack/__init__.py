"""Tests of hack: what can be shown of it without a cluster."""
