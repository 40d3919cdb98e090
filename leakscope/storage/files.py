"""Recordings as `.lscope` files: one file, written whole or not at all, read without trust."""

from __future__ import annotations

import hashlib
import zipfile
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
from leakscope.storage.output import refuse_unwritable, write_atomically
from leakscope.storage.tables import BadTable


def save(
    recording: Recording, path: Path, *, force: bool = False, host: manifest.Host | None = None
) -> None:
    """Write `recording` to `path`, mode 0600; an existing file is replaced only with `force`.

    `host` is the machine to name in the file, by default this one. Raises `OutputExists`,
    `CannotWrite`, or `UnsavableRecording` for figures that no process can have.
    """
    path = Path(path)
    refuse_unwritable(path, force=force)
    try:
        content = encode(recording, host or manifest.Host.this())
    except (BadTable, manifest.BadManifest, zipfile.LargeZipFile) as problem:
        raise UnsavableRecording(f"cannot save the recording: {problem}") from None
    write_atomically(path, content, force=force)


def load(path: Path) -> Recording:
    """Return the recording that `save` wrote to `path`: equal to the one it was given.

    Every file is taken for hostile: sizes are bounded before anything is expanded, nothing in it
    is run, and whatever is wrong with it raises an `UnreadableFile` that says so in one line.
    """
    path = Path(path)
    _, description, contents = _verified(path)
    try:
        tables = {
            spec.name: parquet.from_parquet(
                spec, contents[spec.member], description.members[spec.member].rows
            )
            for spec in codec.TABLES
        }
        return codec.decode(description, tables)
    except BadTable as problem:
        raise CorruptedFile(f"{path} is damaged: {problem}") from None


def export(path: Path, directory: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Unpack the recording at `path` into plain Parquet files and `manifest.json`.

    `directory` is made (mode 0700) if its parent exists. Returns the files, in the recording's
    order. Raises as `load` and `save` do; what the tables hold is not looked at.
    """
    directory = Path(directory)
    description_bytes, _, contents = _verified(Path(path))
    targets = {directory / name: content for name, content in contents.items()}
    targets[directory / manifest.MEMBER] = description_bytes
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except (OSError, ValueError) as problem:
        raise CannotWrite(f"cannot write to {directory}: {problem}") from None
    for target in targets:
        refuse_unwritable(target, force=force)
    for target, content in targets.items():
        write_atomically(target, content, force=force)
    return tuple(targets)


def encode(recording: Recording, host: manifest.Host) -> bytes:
    """Return the bytes of a recording's file: the same for the same recording and host.

    Raises `BadTable` or `BadManifest` for figures that no process can have.
    """
    if not recording.censuses:
        raise BadTable("it holds no census")
    contents, infos = {}, {}
    for table in codec.encode(recording):
        content = parquet.to_parquet(table)
        contents[table.spec.member] = content
        infos[table.spec.member] = manifest.MemberInfo.of(content, table.rows)
    description = manifest.encode(recording, infos, host)
    manifest.decode(description)
    packed = archive.pack({manifest.MEMBER: description, **contents})
    if len(packed) > archive.MAX_FILE_BYTES or len(description) > manifest.MAX_BYTES:
        raise BadTable("it is larger than any file that leakscope would read again")
    return packed


def _verified(path: Path) -> tuple[bytes, manifest.Manifest, dict[str, bytes]]:
    """Return the manifest (as bytes, and read) and the tables' bytes, whose digests agree."""
    contents = archive.unpack(path)
    description_bytes = contents.pop(manifest.MEMBER, None)
    if description_bytes is None:
        raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
    try:
        description = manifest.decode(description_bytes)
    except manifest.ManifestIsNewer as problem:
        raise NewerFormat(f"{path} was written by a newer leakscope ({problem})") from None
    except manifest.BadManifest as problem:
        raise CorruptedFile(f"{path} has no usable manifest: {problem}") from None
    expected = {spec.member for spec in codec.TABLES}
    if set(contents) != expected or set(description.members) != expected:
        raise CorruptedFile(f"{path} is damaged: it does not hold the tables of its format")
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != description.members[name].sha256:
            raise CorruptedFile(f"{path} is damaged: {name} is not what was written")
    return description_bytes, description, contents
