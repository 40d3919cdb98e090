"""A diagnosis as text: terminal and JSON."""
