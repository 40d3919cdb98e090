r"""Whatever a program calls its things, a terminal is not moved by it, and JSON holds it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

from tests.attaching import newest
from tests.frozen import with_broken_type
from tests.integration.leakscope_runs import leakscope
from tests.targets import spawn

# A new line, an escape code, a code of eight bits, the other direction, half a character.
NASTY = "\n\x1b[31m\x9b2J\u202e\udc80"
SPELLED = "\n\x1b[31m\x9b2J\u202e\\udc80"
"""As JSON has it: what no encoding holds is spelled out."""

PROGRAM = r"""
import contextvars, sys, threading, types
nasty = {nasty!r}
def class_of(name, module="__main__"): return type(name, (), {{"__module__": module}})
InModule, InThread, InContext = map(class_of, ("InModule", "InThread", "InContext"))
Between = class_of("Be" + nasty[:-1], "m" + nasty)
module = sys.modules["mo" + nasty] = types.ModuleType("other")
between = Between(); setattr(between, "at" + nasty, {{"ke" + nasty: [InModule()]}})
setattr(module, "va" + nasty, between)
contextvars.ContextVar("co" + nasty).set(InContext())
def work():
    local = InThread()
    started.set(); threading.Event().wait()
work.__code__ = work.__code__.replace(
    co_varnames=("lo" + nasty,), co_name="fu" + nasty, co_filename="fi" + nasty)
if sys.version_info >= (3, 11): work.__code__ = work.__code__.replace(co_qualname="fu" + nasty)
started = threading.Event()
threading.Thread(target=work, name="th" + nasty, daemon=True).start()
started.wait()
{more}
print("ready", flush=True)
threading.Event().wait()
"""


def harmless(text: str) -> bool:
    """Return whether a terminal shows a text as it is, line by line."""
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return not [c for c in text if c != "\n" and unicodedata.category(c) in hidden]


def chain_of(pid: int, name: str, said: list[str]) -> list[dict[str, Any]]:
    """Return the chain to a type as JSON; the text that a person sees is added to `said`."""
    text, report = leakscope("why", str(pid), name), leakscope("why", str(pid), name, "--json", "-")
    assert text.returncode == report.returncode == 0, text.stderr
    said += [text.stdout, text.stderr]
    chain: list[dict[str, Any]] = json.loads(report.stdout)["chains"][0]["chain"]
    return chain


def test_names_show_what_is_in_them_and_do_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "names.lscope"
    with spawn(newest().path, PROGRAM.format(nasty=NASTY, more="")) as target:
        in_module = chain_of(target.pid, "InModule", said)
        in_thread = chain_of(target.pid, "InThread", said)
        in_context = chain_of(target.pid, "InContext", said)
        kept = leakscope("snapshot", str(target.pid), "-o", file, "--json", "-")
    shown = leakscope("diff", file)

    key = f"[<str len {2 + len(NASTY)}>]"
    edges = [f"module mo{SPELLED}", f".va{SPELLED}", f".at{SPELLED}", key, "[0]"]
    assert [step["edge"] for step in in_module] == edges
    assert in_module[1]["type"] == f"m{SPELLED}.Be{NASTY[:-1]}"
    frame = f"thread th{SPELLED} frame fu{SPELLED} (fi{SPELLED}:"
    assert in_thread[0]["edge"].startswith(frame)
    assert in_thread[1]["edge"] == f"local lo{SPELLED}"
    assert in_context[1]["edge"] == f"contextvar co{SPELLED}"
    types = [found["type"] for found in json.loads(kept.stdout)["types"]]
    assert f"m{NASTY}.Be{NASTY[:-1]}" in types
    assert all(harmless(text) for text in (*said, kept.stdout, kept.stderr, shown.stdout))
    assert r"module mo\n" not in "".join(said)
    assert r"mo\x0a\x1b[31m\x9b2J\u202e\udc80" in "".join(said)


def test_what_failed_is_told_in_one_harmless_line() -> None:
    renamed = with_broken_type("reads_null") + 'Broken.__qualname__ = "Bro" + nasty[:-1]\n'
    with spawn(newest().path, PROGRAM.format(nasty=NASTY, more="import gc\n" + renamed)) as target:
        why = leakscope("why", str(target.pid), "InModule")

        assert why.returncode == 3
        assert target.poll() is None
    problem, hint = why.stderr.splitlines()
    assert "Bro\\x0a\\x1b[31m" in problem
    assert "SIGSEGV" in problem
    assert hint.startswith("hint: ")
    assert harmless(why.stderr)
