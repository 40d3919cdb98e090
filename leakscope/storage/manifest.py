"""`manifest.json`: what a recording is of, and the digests of its tables."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from leakscope.model.evidence import ModuleFile
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.target import MemoryLimit, Target
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text

FORMAT = "leakscope.recording"

FORMAT_VERSION = 2
# 1: types, containers, census and evidence_* tables.
# 2: and, exactly when heap snapshots were kept, heaps, heap_types, heap_containers, modules,
#    threads, locals, names, labels, suspensions, suspension_frames, objects and references.

MEMBER = "manifest.json"
MAX_BYTES = 16 << 20


class BadManifest(Exception):
    """The manifest is no manifest of a recording; the message says why."""


class ManifestIsNewer(Exception):
    """The manifest belongs to a later format; the message names its version."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine on which a file was written."""

    name: str
    system: str
    release: str
    machine: str

    @classmethod
    def this(cls) -> Host:
        """Return the machine we run on."""
        there = platform.uname()
        return cls(there.node, there.system, there.release, there.machine)


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """What a table's member must be."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a recording that is no table."""

    version: int
    """Of the format, from 1 to `FORMAT_VERSION`."""
    target: Target
    kind: CaptureKind
    work_unit: str
    ending: Ending
    limit: MemoryLimit | None
    caveats: tuple[str, ...]
    leakscope: str
    members: Mapping[str, MemberInfo]
    """By name of the member, `manifest.json` aside."""
    at_rest: bool = False
    modules: tuple[ModuleFile, ...] = ()
    """What the evidence says of the files of modules."""


def encode(recording: Recording, members: Mapping[str, MemberInfo], host: Host) -> bytes:
    """Return the manifest as JSON: ASCII, keys in a fixed order, surrogates escaped twice."""
    target, limit = recording.target, recording.limit
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "leakscope": recording.leakscope,
        "target": {
            "pid": target.pid,
            "started": target.started,
            "cmdline": list(target.cmdline),
        },
        "interpreter": {"python": target.python, "implementation": target.implementation},
        "host": asdict(host),
        "when": {"first": recording.censuses[0].at, "last": recording.censuses[-1].at},
        "how": {
            "kind": recording.kind.value,
            "ending": recording.ending.value,
            "at_rest": recording.at_rest,
        },
        "work": {"unit": recording.work_unit, "total": _work_done(recording)},
        "pause_ms": _pauses(recording),
        "limit": None if limit is None else {"bytes": limit.limit_bytes, "source": limit.source},
        "caveats": list(recording.caveats),
        "modules": [asdict(module) for module in recording.evidence.modules],
        "members": {name: asdict(info) for name, info in members.items()},
    }
    try:
        text = json.dumps(_fit(document), indent=2, allow_nan=False)
    except (ValueError, TypeError) as problem:
        raise BadManifest(f"the recording's description holds no plain values: {problem}") from None
    return text.encode("ascii")


def decode(content: bytes) -> Manifest:
    """Return the manifest that `content` holds.

    Raises `ManifestIsNewer` for a later format's, `BadManifest` for everything else that
    `encode` did not write. What repeats the tables (`when`, `pause_ms`, `work.total`) and `host`
    are for other readers, and not looked at.
    """
    document = _parse(content)
    if document.get("format") != FORMAT:
        raise BadManifest("it is no recording's")
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise BadManifest("it has no format version")
    if version > FORMAT_VERSION:
        raise ManifestIsNewer(f"format {version}, this leakscope reads up to {FORMAT_VERSION}")
    target, interpreter = _part(document, "target"), _part(document, "interpreter")
    how = _part(document, "how")
    try:
        kind, ending = CaptureKind(_text(how, "kind")), Ending(_text(how, "ending"))
    except ValueError:
        raise BadManifest("it was made in an unknown way") from None
    return Manifest(
        version=version,
        target=Target(
            pid=_count(target, "pid"),
            started=_number(target, "started"),
            cmdline=_texts(target, "cmdline"),
            python=_text(interpreter, "python"),
            implementation=_text(interpreter, "implementation"),
        ),
        kind=kind,
        work_unit=_text(_part(document, "work"), "unit"),
        ending=ending,
        limit=_limit(document),
        caveats=_texts(document, "caveats"),
        leakscope=_text(document, "leakscope"),
        members={
            name: MemberInfo(_count(info, "rows"), _text(info, "sha256"))
            for name, info in _parts(_part(document, "members"))
        },
        at_rest=_flag(how, "at_rest"),
        modules=_modules(document),
    )


def _pauses(recording: Recording) -> dict[str, float]:
    ordered = sorted(census.pause_ms for census in recording.censuses)
    middle = len(ordered) // 2
    median = ordered[middle] / 2 + ordered[-middle - 1] / 2
    return {"median": median, "max": ordered[-1]}


def _work_done(recording: Recording) -> float | None:
    readings = [census.work for census in recording.censuses if census.work is not None]
    done = readings[-1] - readings[0] if readings else math.nan
    return done if math.isfinite(done) else None


def _fit(value: object) -> object:
    """Return a JSON value with all its text made to fit UTF-8."""
    if isinstance(value, str):
        return to_utf8_text(value)
    if isinstance(value, list):
        return [_fit(item) for item in value]
    if isinstance(value, dict):
        return {key: _fit(item) for key, item in value.items()}
    return value


def _parse(content: bytes) -> dict[str, object]:
    if len(content) > MAX_BYTES:
        raise BadManifest("it is too large")
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadManifest("it is no JSON") from None
    if not isinstance(document, dict):
        raise BadManifest("it is no JSON object")
    return document


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _part(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise BadManifest(f"it lacks {key!r}")
    return cast("dict[str, object]", value)


def _parts(document: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    return [(key, _part(document, key)) for key in document]


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise BadManifest(f"{key!r} is no text")
    return from_utf8_text(value)


def _texts(document: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadManifest(f"{key!r} is no list of texts")
    return tuple(from_utf8_text(item) for item in value)


def _count(document: Mapping[str, object], key: str) -> int:
    value = document.get(key)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise BadManifest(f"{key!r} is no count")
    return value


def _flag(document: Mapping[str, object], key: str) -> bool:
    """Return a yes or no; what was written before there was one says no."""
    value = document.get(key, False)
    if not isinstance(value, bool):
        raise BadManifest(f"{key!r} is neither true nor false")
    return value


def _number(document: Mapping[str, object], key: str) -> float:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadManifest(f"{key!r} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadManifest(f"{key!r} is no number")
    return number


def _modules(document: Mapping[str, object]) -> tuple[ModuleFile, ...]:
    """Return the files of modules; what was written before they were known has none."""
    listed = document.get("modules", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadManifest("'modules' is no list")
    return tuple(ModuleFile(_text(item, "name"), _text(item, "file")) for item in listed)


def _limit(document: Mapping[str, object]) -> MemoryLimit | None:
    if document.get("limit") is None:
        return None
    limit = _part(document, "limit")
    return MemoryLimit(_count(limit, "bytes"), _text(limit, "source"))
