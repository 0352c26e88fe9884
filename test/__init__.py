"""Tests, foldered as the packages they test; `e2e` drives whole control planes."""
