"""A small leaky proxy, standard library only, for `leakscope demo`."""
