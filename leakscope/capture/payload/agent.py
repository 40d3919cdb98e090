"""The agent for installs without a C compiler: the same protocol, spoken by a Python thread.

This text is run in the target by capture/doors/text.py, in a namespace of its own that holds
`modules` (`sys.modules`), `importlib` (the import system's globals), `socket_path` and `token`.
It must be valid for Python 3.9 to 3.15 and uses only what is loaded or built in. It never writes
to anything but its socket. When the controller goes it drops everything, and the thread ends.
"""

# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, F821

sys = importlib["sys"]
posix = modules["posix"]
_thread = modules["_thread"]

HEADER_SIZE, TOKEN_SIZE = 32, 48
REQUEST_LIMIT, REPLY_LIMIT, ERROR_LIMIT = 8 << 20, 64 << 20, 64 << 10
HELLO, EXEC, BYE = 1, 2, 3
OK, RAISED, TOO_LARGE, BAD_REQUEST = 0, 1, 3, 4
STALLED_S = 30.0


def start():
    """Start the thread, the real way: gevent replaces the usual one by greenlets."""
    saved = getattr(modules.get("gevent.monkey"), "saved", {}).get("_thread", {})
    start_thread = saved.get("start_new_thread") or _thread.start_new_thread
    start_thread(run, ())


def run():
    """Serve the controller until it goes, then leave nothing."""
    session = {"__builtins__": modules["builtins"], "__name__": "leakscope_session"}
    was_loaded = "_socket" in modules
    connection = None
    try:
        import _socket

        name_thread("lscope-" + token.partition("-")[0])
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.connect(socket_path)
        connection.sendall(frame(HELLO, OK, 0, 0, hello()))
        serve(connection, session)
    except BaseException:
        pass
    finally:
        session.clear()
        if connection is not None:
            connection.close()
        if not was_loaded:
            modules.pop("_socket", None)
        globals().clear()  # these functions and their namespace refer to each other


def serve(connection, session):
    """Answer requests until the controller says BYE; raises when it goes without a word."""
    now = modules["time"].monotonic_ns
    while True:
        header = receive(connection, HEADER_SIZE, None)
        size = int.from_bytes(header[:4], sys.byteorder)
        opcode = int.from_bytes(header[4:6], sys.byteorder)
        sequence = int.from_bytes(header[8:12], sys.byteorder)
        if size > REQUEST_LIMIT:
            return
        source = receive(connection, size, STALLED_S)
        if opcode == BYE:
            session.clear()
            connection.sendall(frame(BYE, OK, sequence, 0, b""))
            return
        begun = now()
        status, reply = execute(source, session) if opcode == EXEC else (BAD_REQUEST, b"")
        connection.settimeout(STALLED_S)
        connection.sendall(frame(opcode, status, sequence, now() - begun, reply))
        del source, reply


def execute(source, session):
    """Run source text; return the status and what it left in `_reply`, or what it raised."""
    try:
        exec(compile(source, "<leakscope>", "exec", 0, True), session)
        reply = session.pop("_reply", b"")
        if isinstance(reply, str):
            reply = reply.encode("utf-8", "backslashreplace")
        if not isinstance(reply, bytes):
            raise TypeError("_reply is neither str nor bytes")
        return (OK, reply) if len(reply) <= REPLY_LIMIT else (TOO_LARGE, b"")
    except BaseException as error:
        text = str(error).encode("utf-8", "backslashreplace")[:ERROR_LIMIT]
        return RAISED, type(error).__name__.encode("utf-8", "replace") + b"\0" + text


def receive(connection, size, timeout):
    """Return exactly `size` bytes; `timeout` is for the first of them."""
    parts = []
    connection.settimeout(timeout)
    while size:
        part = connection.recv(min(size, 65536))
        if not part:
            raise EOFError
        connection.settimeout(STALLED_S)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def hello():
    """Return how the agent introduces itself."""
    return (
        b"leakscop"
        + number(2, 4)
        + number(2, 4)
        + number(posix.getpid(), 4)
        + number(sys.hexversion, 4)
        + token.encode("ascii").ljust(TOKEN_SIZE, b"\0")
    )


def frame(opcode, status, sequence, held_ns, body):
    """Return one whole message."""
    return (
        number(len(body), 4)
        + number(opcode, 2)
        + number(status, 2)
        + number(sequence, 4)
        + number(0, 4)
        + number(0, 8)
        + number(held_ns, 8)
        + body
    )


def number(value, size):
    """Return a number as the controller, on the same machine, reads it."""
    return value.to_bytes(size, sys.byteorder)


def name_thread(name):
    """Show whose thread this is, unless it is the program's own first one."""
    if _thread.get_native_id() == posix.getpid():
        return
    path = "/proc/self/task/%d/comm" % _thread.get_native_id()
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    except FileNotFoundError:  # there is no /proc: only Python itself, from 3.14 on, may do it
        set_name = getattr(_thread, "set_name", None)
        if set_name is not None:
            set_name(name)
        return
    try:
        posix.write(fd, name.encode("ascii")[:15])
    finally:
        posix.close(fd)


start()
