"""The `leakscope` command: its subcommands, and the one place where failures become text."""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from leakscope import __version__
from leakscope.errors import ExitCode, LeakscopeError
from leakscope.report.text import printable

_COMMANDS = {
    "watch": "Watch a process and say what leaks, how fast and who holds it.",
    "snapshot": "Record what is alive in a process now.",
    "top": "Show what there is most of in a heap snapshot.",
    "diff": "Show what grew from one file to the next, within one process.",
    "compare": "Say whether a leak is gone: the rates of two runs, before a fix and after.",
    "alloc": "Show which lines allocate what stays in use.",
    "tasks": "Show where asyncio tasks wait, and which can never finish.",
    "memory": "Show where the memory of a process went, layer by layer.",
    "threads": "Show what the threads of a process run.",
    "fds": "Show what a process has open, and which objects that belongs to.",
    "why": "Show why objects of a type are alive.",
    "check": "Fail if a server leaks under load: a gate for CI.",
    "export": "Unpack a file into Parquet tables.",
    "doctor": "Check whether a process can be diagnosed, and what is missing.",
    "demo": "Start a small leaky proxy, watch it, print the finding.",
}


class _Commands(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"leakscope.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LeakscopeError as problem:
            _explain(problem)
            raise SystemExit(problem.exit_code) from None


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="leakscope")
def main() -> None:
    """Find memory leaks in running Python services.

    Exit status: 0 no leak, 1 leak, 2 wrong usage, 3 could not measure, 4 inconclusive.
    """


def run() -> None:
    """Run the command line; never ends with a traceback unless LEAKSCOPE_DEBUG is set."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # Reports draw lines that ASCII does not have.
    try:
        main()
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.NOT_MEASURED)
    except Exception as problem:
        if os.environ.get("LEAKSCOPE_DEBUG"):
            raise
        click.echo(f"leakscope: internal error: {type(problem).__name__}: {problem}", err=True)
        click.echo("hint: this is a bug; LEAKSCOPE_DEBUG=1 shows where it happened.", err=True)
        sys.exit(ExitCode.NOT_MEASURED)


def _explain(problem: LeakscopeError) -> None:
    # Names of the target may be in it.
    click.echo(f"leakscope: {printable(str(problem))}", err=True)
    if problem.remedy:
        click.echo(f"hint: {printable(problem.remedy)}", err=True)
