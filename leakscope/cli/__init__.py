"""The command line: wires capture, analysis, storage and report."""
