"""Well-known owners: places of the interpreter and its library in which things may accumulate.

A place that is listed here is explained, never excused: a cache of source lines that goes on
growing is a real leak of generated code. Growth alone decides what is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """One place and what it means when it grows."""

    path: re.Pattern[str]
    """Matches the dotted path of the place, the whole of it."""
    is_: str
    """What it is, to follow «is»."""
    cure: str
    """What makes it grow, and what to do, in a sentence."""


def well_known(path: str) -> Owner | None:
    """Return what is known of the place at `path`, None if it is the program's own."""
    return next((owner for owner in _OWNERS if owner.path.fullmatch(path)), None)


def _owner(path: str, is_: str, cure: str) -> Owner:
    return Owner(re.compile(path), is_, cure)


_OWNERS = (
    _owner(
        r"linecache\.cache",
        "the cache of source lines that tracebacks show",
        "It gets an entry for each new file name: give code that is generated at run time the same "
        "name every time, or call linecache.checkcache() or clearcache().",
    ),
    _owner(
        r"sys\.modules",
        "the table of imported modules",
        "Modules are made or imported under ever new names: reuse one name, or remove the module "
        "and all that refers to it.",
    ),
    _owner(
        r"sys\.path_importer_cache",
        "the import system's cache of folders",
        "Ever new folders are put on sys.path: use one folder, and take it off again.",
    ),
    _owner(
        r"re\.(_cache|_cache2|_compiler.*)|sre_compile\..*",
        "the cache of compiled patterns, which is bounded",
        "It fills up to some hundred patterns and stays there.",
    ),
    _owner(
        r".+\.manager\.loggerDict",
        "logging's table of loggers, which are never dropped",
        "Names of loggers are made from ids or addresses: use one logger for each module and put "
        "what differs into the message.",
    ),
    _owner(
        r"logging\._handler(s|List)",
        "logging's list of handlers",
        "Handlers are made again and again: make them once, or close each with handler.close().",
    ),
    _owner(
        r"(.+\.)?__warningregistry__|warnings\.onceregistry",
        "the warnings that were shown already",
        "Each new text is remembered: keep what differs out of the text of warnings.",
    ),
    _owner(
        r"_?warnings\.filters",
        "the list of filters that decide which warnings are shown",
        "Filters are added again and again: add them once, or within warnings.catch_warnings().",
    ),
    _owner(
        r"weakref\.finalize\._registry",
        "the table of finalizers that wait for their objects to go",
        "The objects stay alive, or the finalizers themselves refer to them: pass only what the "
        "clean-up needs, or call detach().",
    ),
    _owner(
        r"atexit\..*|multiprocessing\.util\._finalizer_registry|threading\._threading_atexits",
        "what is to run when the process ends",
        "Something is registered again and again: register it once, or unregister it.",
    ),
    _owner(
        r"threading\.(_active|_limbo|_dangling.*|_shutdown_locks.*)",
        "the table of threads that have not ended",
        "Threads are started and never end: use a pool, and have them end.",
    ),
    _owner(
        r"concurrent\.futures\.thread\._threads_queues.*",
        "the table of the threads of all executors",
        "Executors are made and never shut down: keep one, or use it in a with statement.",
    ),
    _owner(
        r"asyncio\.tasks\._(all|scheduled|eager)_tasks.*|_asyncio\._scheduled_tasks.*",
        "asyncio's table of tasks, which does not keep them alive",
        "The tasks are kept by what they wait for: see where they are suspended.",
    ),
    _owner(
        r".*\._scheduled",
        "an event loop's timers",
        "Calls are put off, with long delays or again and again, and not cancelled: cancel a timer "
        "when what it is for is done.",
    ),
    _owner(
        r".*\._selector\._fd_to_key|.*\._fd_to_key",
        "a selector's table of open descriptors",
        "Sockets or pipes are opened and never closed.",
    ),
    _owner(
        r"gc\.garbage",
        "what the collector found and was told to keep, or could not free",
        "Turn off gc.DEBUG_SAVEALL, or break the cycles.",
    ),
    _owner(
        r"copyreg\..*|abc\..*|.*\._abc_impl.*|functools\..*registry.*",
        "a registry of classes",
        "Classes are made at run time, again and again: make each once and reuse it.",
    ),
    _owner(
        r"typing\._cleanups|typing\..*cache.*",
        "typing's caches, which are bounded",
        "They fill and stay; only types that are made at run time keep coming.",
    ),
)
