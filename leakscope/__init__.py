"""leakscope: find memory leaks in running Python services."""

__version__ = "0.1.0"
