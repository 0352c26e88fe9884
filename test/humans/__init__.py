"""Tests of channels to people."""
