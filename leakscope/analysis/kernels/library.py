"""The compiled library: where it is, whether it fits, how it is called, how it says no."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

import leakscope.analysis.kernels as package
from leakscope.errors import LeakscopeError

_NAME = "graph.so"
_ABI = 2
"""As in graph.h."""

_MALFORMED = -1
_NO_MEMORY = -2
_LARGEST = 2**31 - 2


class KernelsMissing(LeakscopeError):
    """The graph kernels were not built, or do not fit this version."""

    hint = (
        "Install a C compiler (gcc or clang), then reinstall leakscope: "
        "`pip install --force-reinstall leakscope-toolkit`. "
        "`watch` and `diff` of types work without it."
    )


class MalformedGraph(LeakscopeError):
    """References that lead nowhere or contradict their index."""

    hint = "The snapshot is damaged: take it again."


class GraphTooLarge(LeakscopeError):
    """The graph has more objects than can be numbered, or than memory can hold."""

    hint = "Analyse the snapshot on a machine with more memory; 250 bytes per object are enough."


class GraphView(ctypes.Structure):
    """`graph` of graph.h. Keeps the arrays alive that it points into."""

    _fields_ = (
        ("nodes", ctypes.c_int64),
        ("edges", ctypes.c_int64),
        ("offsets", ctypes.c_void_p),
        ("targets", ctypes.c_void_p),
    )
    arrays: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]


Argument = GraphView | npt.NDArray[np.generic] | int | None


def available() -> bool:
    """Return whether the library is there and fits."""
    return not isinstance(_load(), str)


def graph_view(offsets: npt.NDArray[np.int64], targets: npt.NDArray[np.int32]) -> GraphView:
    """Return the edges as a kernel takes them.

    Raises `GraphTooLarge` for a graph with more than 2**31 - 2 nodes.
    """
    if len(offsets) - 1 > _LARGEST:
        raise GraphTooLarge(f"{len(offsets) - 1:,} objects are more than can be numbered")
    view = GraphView()
    view.arrays = (
        np.ascontiguousarray(offsets, np.int64),
        np.ascontiguousarray(targets, np.int32),
    )
    view.nodes = len(offsets) - 1
    view.edges = len(targets)
    view.offsets, view.targets = (array.ctypes.data for array in view.arrays)
    return view


def call(kernel: str, *arguments: Argument) -> None:
    """Run one kernel; its results are written into arrays among the arguments.

    Raises `KernelsMissing`, `MalformedGraph` if the kernel finds its input to contradict itself,
    `GraphTooLarge` if memory runs out.
    """
    library = _load()
    if isinstance(library, str):
        raise KernelsMissing(library)
    function = library[kernel]
    function.restype = ctypes.c_int
    status = function(*[_passed(argument) for argument in arguments])
    if status == _MALFORMED:
        raise MalformedGraph("the references of the heap contradict each other")
    if status == _NO_MEMORY:
        raise GraphTooLarge("there is not enough memory to analyse this heap")


def _passed(argument: Argument) -> object:
    if isinstance(argument, GraphView):
        return ctypes.byref(argument)
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise ValueError("kernels take contiguous arrays")
        return ctypes.c_void_p(argument.ctypes.data)
    return None if argument is None else ctypes.c_int64(argument)


@cache
def _load() -> ctypes.CDLL | str:
    """Return the library, or why there is none."""
    # An editable install keeps compiled files in another folder of the same package.
    places = [Path(folder) / _NAME for folder in package.__path__]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return "the graph kernels are not installed: leakscope was built without a C compiler"
    try:
        library = ctypes.CDLL(str(found))
        abi = int(library.graph_abi())
    except (OSError, AttributeError) as error:
        return f"the graph kernels cannot be loaded: {error}"
    if abi != _ABI:
        return f"the graph kernels are of another version ({abi}, not {_ABI})"
    return library
