"""Recordings as `.lscope` files: one file, written whole or not at all, read without trust."""

from __future__ import annotations

import hashlib
from pathlib import Path

from leakscope.model.recording import Recording
from leakscope.storage import archive, codec, manifest, parquet
from leakscope.storage.errors import (
    CannotWrite,
    CorruptedFile,
    ForeignFile,
    NewerFormat,
    UnsavableRecording,
)
from leakscope.storage.output import refuse_unwritable, written_atomically
from leakscope.storage.tables import BadTable, Table, TableSpec


def save(
    recording: Recording, path: Path, *, force: bool = False, host: manifest.Host | None = None
) -> None:
    """Write `recording` to `path`, mode 0600; an existing file is replaced only with `force`.

    `host` is the machine to name in the file, by default this one; the same recording and host
    give the same bytes. Raises `OutputExists`, `CannotWrite`, or `UnsavableRecording` for figures
    that no process can have.
    """
    path = Path(path)
    try:
        with written_atomically(path, force=force) as file, archive.packing(file) as packer:
            _write(recording, packer, host or manifest.Host.this())
    except (BadTable, manifest.BadManifest, archive.ArchiveTooLarge) as problem:
        raise UnsavableRecording(f"cannot save the recording: {problem}") from None


def load(path: Path) -> Recording:
    """Return the recording that `save` wrote to `path`: equal to the one it was given.

    Every file is taken for hostile: sizes are bounded before anything is expanded, nothing in it
    is run, and whatever is wrong with it raises an `UnreadableFile` that says so in one line.
    """
    path = Path(path)
    with archive.unpacking(path) as opened:
        description = _description(path, opened)
        try:
            tables = {spec.name: _table(path, opened, description, spec) for spec in codec.TABLES}
            return codec.decode(description, tables)
        except BadTable as problem:
            raise CorruptedFile(f"{path} is damaged: {problem}") from None


def export(path: Path, directory: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Unpack the recording at `path` into plain Parquet files and `manifest.json`.

    `directory` is made (mode 0700) if its parent exists. Returns the files, in the recording's
    order. Raises as `load` and `save` do; what the tables hold is not looked at.
    """
    path, directory = Path(path), Path(directory)
    with archive.unpacking(path) as opened:
        description = _description(path, opened)
        for name, info in description.members.items():
            if opened.digest(name) != info.sha256:
                raise _changed(path, name)
        targets = {directory / name: name for name in (*description.members, manifest.MEMBER)}
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
        except (OSError, ValueError) as problem:
            raise CannotWrite(f"cannot write to {directory}: {problem}") from None
        for target in targets:
            refuse_unwritable(target, force=force)
        for target, name in targets.items():
            with written_atomically(target, force=force) as file:
                for piece in opened.pieces(name):
                    file.write(piece)
    return tuple(targets)


def _write(recording: Recording, packer: archive.Packer, host: manifest.Host) -> None:
    """Write the members of a recording, the manifest, which tells their digests, as the last.

    Raises `BadTable` or `BadManifest` for figures that no process can have, `ArchiveTooLarge`.
    """
    if not recording.censuses:
        raise BadTable("it holds no census")
    infos = {}
    for table in codec.encode(recording):
        with packer.member(table.spec.member) as sink:
            sink.write(parquet.to_parquet(table))
        infos[table.spec.member] = manifest.MemberInfo(table.rows, sink.sha256)
    description = manifest.encode(recording, infos, host)
    manifest.decode(description)
    with packer.member(manifest.MEMBER) as sink:
        sink.write(description)


def _description(path: Path, opened: archive.Archive) -> manifest.Manifest:
    """Return the manifest of a file that holds the tables of its format, no more and no less."""
    if manifest.MEMBER not in opened.names:
        raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
    if opened.size(manifest.MEMBER) > manifest.MAX_BYTES:
        raise CorruptedFile(f"{path} has no usable manifest: it is too large")
    try:
        description = manifest.decode(opened.read(manifest.MEMBER))
    except manifest.ManifestIsNewer as problem:
        raise NewerFormat(f"{path} was written by a newer leakscope ({problem})") from None
    except manifest.BadManifest as problem:
        raise CorruptedFile(f"{path} has no usable manifest: {problem}") from None
    expected = {spec.member for spec in codec.TABLES}
    if set(opened.names) != {*expected, manifest.MEMBER} or set(description.members) != expected:
        raise CorruptedFile(f"{path} is damaged: it does not hold the tables of its format")
    return description


def _table(
    path: Path, opened: archive.Archive, description: manifest.Manifest, spec: TableSpec
) -> Table:
    """Return a table whose digest is right. Raises `BadTable` for what it says."""
    content, info = opened.read(spec.member), description.members[spec.member]
    if hashlib.sha256(content).hexdigest() != info.sha256:
        raise _changed(path, spec.member)
    return parquet.from_parquet(spec, content, info.rows)


def _changed(path: Path, name: str) -> CorruptedFile:
    return CorruptedFile(f"{path} is damaged: {name} is not what was written")
