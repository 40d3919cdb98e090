"""A session without an agent: a child interpreter that runs what it is sent.

Lets the payload be tested on every version without attaching to anything.
"""

from __future__ import annotations

import ast
import struct
import subprocess
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

_DRIVER = r"""
def serve(build):
    import ast, struct, sys
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    namespace = {"__builtins__": __builtins__}
    exec(compile(build, "<program>", "exec"), sys.modules["__main__"].__dict__)
    def read():
        head = requests.read(5)
        return (head[:1], requests.read(struct.unpack(">I", head[1:])[0])) if head else (b"", b"")
    def reply(kind, text):
        data = text.encode("ascii", "backslashreplace")
        replies.write(kind + struct.pack(">I", len(data)) + data)
        replies.flush()
    reply(b"R", "None")
    while True:
        kind, body = read()
        if not kind:
            return
        try:
            if kind == b"X":
                exec(compile(body.decode(), "<leakscope>", "exec"), namespace)
                result = None
            elif kind == b"M":
                exec(body.decode(), sys.modules["__main__"].__dict__)
                result = None
            elif kind == b"E":
                result = eval(body.decode(), sys.modules["__main__"].__dict__)
            else:
                function, args = ast.literal_eval(body.decode())
                result = namespace[function](*args)
            text = ascii(result)
            del result
            reply(b"R", text)
        except BaseException:
            import traceback
            reply(b"F", traceback.format_exc())
import sys
serve(sys.argv[1])
"""


class LocalSession:
    """A child interpreter with a program in its `__main__`; has `Session`'s methods."""

    def __init__(self, python: Path, program: str = "") -> None:
        self._process = subprocess.Popen(
            [python, "-c", _DRIVER, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def execute(self, source: str) -> None:
        self._request(b"X", source)

    def call(self, function: str, *args: object) -> object:
        return self._request(b"C", ascii((function, args)))

    def run(self, statements: str) -> None:
        """Run `statements` in the program's own `__main__`."""
        self._request(b"M", statements)

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression in the program's own `__main__`."""
        return self._request(b"E", expression)

    def close(self) -> None:
        if self._process.poll() is None:
            self._pipe(self._process.stdin).close()
            self._process.wait(30)
            self._pipe(self._process.stdout).close()

    def _request(self, kind: bytes, text: str) -> object:
        data = text.encode()
        self._pipe(self._process.stdin).write(kind + struct.pack(">I", len(data)) + data)
        self._pipe(self._process.stdin).flush()
        return self._result()

    def _result(self) -> object:
        head = self._pipe(self._process.stdout).read(5)
        assert head, "the child interpreter died"
        (size,) = struct.unpack(">I", head[1:])
        text = self._pipe(self._process.stdout).read(size).decode("ascii")
        assert head[:1] == b"R", text
        return ast.literal_eval(text)

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe
