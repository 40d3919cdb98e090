"""Leaks in tests, measured by a process of their own: measuring leaves nothing in the tests'."""
