"""Wires capture, analysis and the clock into one run: from a pid to a recording."""
