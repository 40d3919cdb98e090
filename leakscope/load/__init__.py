"""Work for a server under test: what drives it, in rounds that are all alike."""
