"""The native agent: C sources, and the shared object built from them."""
