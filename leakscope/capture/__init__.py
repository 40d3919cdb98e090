"""Getting measurements out of a running process."""
