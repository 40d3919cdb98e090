"""Recordings as `.lscope` files: one file, written whole or not at all, read without trust."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.storage import archive, codec, manifest, parquet
from leakscope.storage.errors import (
    CannotWrite,
    CorruptedFile,
    DoesNotFit,
    ForeignFile,
    NewerFormat,
    UnsavableRecording,
)
from leakscope.storage.heaps import decode_heaps, heap_tables
from leakscope.storage.output import refuse_unwritable, written_atomically
from leakscope.storage.tables import BadTable, Stream, Table, TableSpec

_FIRST_WITH_HEAPS = 2
_TOO_LARGE_HINT = "Keep fewer heap snapshots in it, or none; or record for a shorter time."


def save(
    recording: Recording, path: Path, *, force: bool = False, host: manifest.Host | None = None
) -> None:
    """Write `recording` to `path`, mode 0600; an existing file is replaced only with `force`.

    `host` is the machine to name in the file, by default this one; the same recording and host
    give the same bytes. Raises `OutputExists`, `CannotWrite`, or `UnsavableRecording` for figures
    that no process can have and for more than would be read again.
    """
    path = Path(path)
    try:
        with written_atomically(path, force=force) as file, archive.packing(file) as packer:
            _write(recording, packer, host or manifest.Host.this())
    except (BadTable, manifest.BadManifest) as problem:
        raise UnsavableRecording(f"cannot save the recording: {problem}") from None
    except archive.ArchiveTooLarge as problem:
        raise UnsavableRecording(
            f"cannot save the recording: {problem}", hint=_TOO_LARGE_HINT
        ) from None
    except MemoryError:
        raise CannotWrite(
            f"cannot write {path}: there is not enough memory",
            hint="Try again where more memory is free.",
        ) from None


def load(path: Path, *, heaps: bool | Sequence[int] = True) -> Recording:
    """Return the recording that `save` wrote to `path`: equal to the one it was given.

    `heaps` says which of its heaps to load: all, none (then nothing of them is read), or those of
    these indexes, negative ones counted from the last; indexes that it does not have are left out.

    Every file is taken for hostile: sizes are bounded before anything is expanded, nothing in it
    is run, and whatever is wrong with it raises an `UnreadableFile` that says so in one line.
    """
    path = Path(path)
    with archive.unpacking(path) as opened:
        members = _Members(path, opened)
        try:
            tables = {spec.name: members.table(spec) for spec in codec.TABLES}
            images: tuple[HeapImage, ...] = ()
            if heaps and members.has_heaps:
                wanted = None if heaps is True else heaps
                images = decode_heaps(members.table, members.stored, wanted)
            return codec.decode(members.manifest, tables, images)
        except BadTable as problem:
            raise CorruptedFile(f"{path} is damaged: {problem}") from None
        except MemoryError:
            raise DoesNotFit(f"{path} does not fit into our memory") from None


def export(path: Path, directory: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Unpack the recording at `path` into plain Parquet files and `manifest.json`.

    `directory` is made (mode 0700) if its parent exists. Returns the files, in the recording's
    order. Raises as `load` and `save` do; what the tables hold is not looked at.
    """
    path, directory = Path(path), Path(directory)
    with archive.unpacking(path) as opened:
        members = _Members(path, opened)
        description = members.manifest
        for name in description.members:
            members.verify(name)
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
    infos = {}
    for table in codec.encode(recording):
        with packer.member(table.spec.member) as sink:
            if isinstance(table, Stream):
                rows = parquet.stream_parquet(table, sink)
            else:
                rows = table.rows
                sink.write(parquet.to_parquet(table))
        infos[table.spec.member] = manifest.MemberInfo(rows, sink.sha256)
    description = manifest.encode(recording, infos, host)
    manifest.decode(description)
    with packer.member(manifest.MEMBER) as sink:
        sink.write(description)


class _Members:
    """The members of one file: the tables of its format, no more and no less."""

    def __init__(self, path: Path, opened: archive.Archive) -> None:
        """Read the manifest. Raises an `UnreadableFile`."""
        self._path = path
        self._opened = opened
        self.manifest = _manifest(path, opened)
        base = {spec.member for spec in codec.TABLES}
        full = base | {spec.member for spec in heap_tables(self.manifest.version)}
        self.has_heaps = (
            self.manifest.version >= _FIRST_WITH_HEAPS and len(opened.names) > len(base) + 1
        )
        expected = full if self.has_heaps else base
        if (
            set(opened.names) != {*expected, manifest.MEMBER}
            or set(self.manifest.members) != expected
        ):
            raise CorruptedFile(f"{path} is damaged: it does not hold the tables of its format")

    def table(self, spec: TableSpec) -> Table:
        """Return a table, empty if this version of the format has none.

        Raises `BadTable` for what it says.
        """
        if spec.member not in self.manifest.members:
            return Table.of(spec, ())
        return parquet.from_parquet(spec, *self._checked(spec))

    def stored(self, spec: TableSpec) -> parquet.StoredTable:
        """Return a table to be read piece by piece. Raises `BadTable` for what it says."""
        return parquet.StoredTable(spec, *self._checked(spec))

    def verify(self, name: str) -> None:
        """Raise a `CorruptedFile` unless a member is what was written."""
        self._require(name, self._opened.digest(name))

    def _checked(self, spec: TableSpec) -> tuple[bytes, int]:
        content = self._opened.read(spec.member)
        self._require(spec.member, hashlib.sha256(content).hexdigest())
        return content, self.manifest.members[spec.member].rows

    def _require(self, name: str, sha256: str) -> None:
        if sha256 != self.manifest.members[name].sha256:
            raise CorruptedFile(f"{self._path} is damaged: {name} is not what was written")


def _manifest(path: Path, opened: archive.Archive) -> manifest.Manifest:
    if manifest.MEMBER not in opened.names:
        raise ForeignFile(f"{path} is a zip, but not a leakscope recording")
    if opened.size(manifest.MEMBER) > manifest.MAX_BYTES:
        raise CorruptedFile(f"{path} has no usable manifest: it is too large")
    try:
        return manifest.decode(opened.read(manifest.MEMBER))
    except manifest.ManifestIsNewer as problem:
        raise NewerFormat(f"{path} was written by a newer leakscope ({problem})") from None
    except manifest.BadManifest as problem:
        raise CorruptedFile(f"{path} has no usable manifest: {problem}") from None
