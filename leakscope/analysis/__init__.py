"""From measurements to a diagnosis: pure functions."""
