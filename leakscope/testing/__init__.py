"""Leaks in tests: measured by a process of its own, so that measuring leaves nothing in the tests'."""
