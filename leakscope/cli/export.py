"""`leakscope export`: a recording as plain Parquet files."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.console import note
from leakscope.cli.options import force_option


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@force_option
def command(file: Path, directory: Path, force: bool) -> None:
    """Unpack FILE into DIRECTORY as Parquet tables, for DuckDB, Polars or pandas.

    Prints the path of each file that was written.
    """
    from leakscope.storage.files import export

    written = export(file, directory, force=force)
    for path in written:
        click.echo(str(path))
    note(f"{len(written)} files written")
