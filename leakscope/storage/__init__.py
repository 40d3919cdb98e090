"""One versioned file for recordings and snapshots."""
