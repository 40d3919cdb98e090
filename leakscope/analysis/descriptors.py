"""Descriptors by kind and place: those that a leak opens again and again stand together. Pure."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

_WILDCARDS = frozenset({"0.0.0.0", "::"})
_DELETED = " (deleted)"


def place_of_connection(
    local: tuple[str, int] | None, peer: tuple[str, int] | None, listening: Collection[int]
) -> str:
    """Return where an internet socket leads, in words.

    A connection at a port where the process listens came from its peer, whose port means nothing;
    any other leads to its peer, and its own port means nothing. `listening`: those ports.
    """
    if peer is None:
        return f"at {_address(local)}" if local is not None else ""
    if local is not None and local[1] in listening:
        return f"from {peer[0]} at :{local[1]}"
    return f"to {_address(peer)}"


def folder_of(path: str) -> str:
    """Return the folder of a file, as it is told; of what has no path, and in memory, the path."""
    if not path.startswith("/"):
        return path
    gone = _DELETED if path.endswith(_DELETED) else ""
    return f"{PurePosixPath(path.removesuffix(_DELETED)).parent}{gone}"


def place_of_file(path: str, *, alone: bool) -> str:
    """Return where a file is: its path if no other of its folder is open, else the folder."""
    return path if alone else f"in {folder_of(path)}"


def _address(address: tuple[str, int]) -> str:
    host, port = address
    if host in _WILDCARDS:
        return f":{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
