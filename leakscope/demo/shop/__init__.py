"""A small web shop behind a reverse proxy that leaks: what `leakscope demo` watches.

Standard library only, for CPython 3.9 and later, and run by its path
(`python leakscope/demo/shop --port 0`), so that it needs nothing of leakscope.
"""
