"""Ways to get a few lines run inside a process that nobody prepared."""
