"""The few lines that a door has run in the target: they load the agent, and leave nothing.

They run on whatever thread the door found, in any state of the program. So they import nothing,
leave no name behind and raise nothing. Their first act is to rename the agent's file: the claim,
so that a duplicate, which a slow door may run later, finds nothing and does nothing. They lie in a
file; a door that needs a text in memory uses a shorter one that runs the file.
"""

from __future__ import annotations

from leakscope.capture.rendezvous import Place

TAG = "#leakscope\n"
"""What the text begins with wherever it is put, so that a later attach finds the place again."""

_SILENT = """\
try:
 exec({code!a},{{'__name__':'leakscope_door'}})
except BaseException:pass
"""

# The globals of the import system hold `sys` and `_imp`: no import statement is needed, which the
# target may have hooked, and which takes locks. `sys.implementation` is a plain namespace object,
# so its type makes the "spec" that create_dynamic wants, and is freed without the collector.
_GLOBALS = "type(exec.__self__.__spec__).__init__.__globals__"

_NATIVE = """\
importlib = {globals}
modules = importlib['sys'].modules
modules['posix'].rename({agent!a}, {claimed!a})
modules['_imp'].create_dynamic(
    type(importlib['sys'].implementation)(name='leakscope_agent', origin={claimed!a}, loader=None))
"""

_PYTHON = """\
importlib = {globals}
modules = importlib['sys'].modules
modules['posix'].rename({agent!a}, {claimed!a})
agent = {{'__name__': 'leakscope_agent', 'modules': modules, 'importlib': importlib,
         'socket_path': {socket!a}, 'token': {token!a}}}
file = modules['_io'].FileIO({claimed!a})
try:
    source = file.readall()
finally:
    file.close()
exec(compile(source, '<leakscope>', 'exec', 0, True), agent)
"""

# Short, since it has to fit between two modules' data. An ImportError ends create_dynamic in any
# case: the agent is not a Python module. The file is closed, or a warning might say that it is not.
_GUARD = """\
{tag}try:
 exec('with o(p,"rb")as f:exec(f.read(),{{}})',{{'o':exec.__self__.open,'p':{path!a}}})
except BaseException:pass
"""


def loading_native_agent(place: Place) -> bytes:
    """Return the text that has the dynamic linker load the agent in C."""
    code = _NATIVE.format(globals=_GLOBALS, agent=place.agent, claimed=place.claimed)
    return _SILENT.format(code=code).encode("ascii")


def loading_python_agent(place: Place) -> bytes:
    """Return the text that runs the agent written in Python."""
    code = _PYTHON.format(
        globals=_GLOBALS,
        agent=place.agent,
        claimed=place.claimed,
        socket=place.socket,
        token=place.token,
    )
    return _SILENT.format(code=code).encode("ascii")


def running_file(path: str) -> bytes:
    """Return the short text that runs the file at `path` and swallows whatever it raises."""
    return _GUARD.format(tag=TAG, path=path).encode("ascii")
