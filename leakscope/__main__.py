"""`python -m leakscope`."""

from leakscope.cli.main import run

if __name__ == "__main__":
    run()
