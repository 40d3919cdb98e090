"""`manifest.json`: what a recording is of, and the digests of its tables."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

from leakscope.model.evidence import ModuleFile, Opened, Step, Unheld
from leakscope.model.memory import Layer, LayerKind, LayerReading, Ledger
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.target import MemoryLimit, Target
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text

FORMAT = "leakscope.recording"

FORMAT_VERSION = 3
# 1: types, containers, census and evidence_* tables.
# 2: and, exactly when heap snapshots were kept, heaps, heap_types, heap_containers, modules,
#    threads, locals, names, labels, suspensions, suspension_frames, objects and references.
# 3: with these also thread_ids and thread_calls.

MEMBER = "manifest.json"
_LEDGER_COUNTS = ("resident", "objects", "garbage", "threads", "swapped")
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
    allocated_for: tuple[tuple[int, str], ...] = ()
    """Holder and type of each row of `evidence_allocations`; none where none of them is known."""
    unheld: Mapping[int, Unheld] = field(default_factory=dict)
    """What nobody holds, by row of `evidence_types`."""
    layers: tuple[LayerReading, ...] = ()
    """Where resident memory went."""
    opened: tuple[Opened, ...] = ()
    """What the evidence says of descriptors that came and stayed."""
    most_open: int | None = None
    """How many of them there may be, if that was asked."""


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
        "allocated_for": _allocated_for(recording),
        "unheld": _unheld(recording),
        "layers": [_reading(each) for each in recording.layers],
        "opened": [asdict(each) for each in recording.evidence.opened],
        "most_open": recording.evidence.most_open,
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
        allocated_for=_owners(document),
        unheld=_decoded_unheld(document),
        layers=_layers(document),
        opened=_opened(document),
        most_open=None if document.get("most_open") is None else _count(document, "most_open"),
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
    listed = _listed(document, "modules")
    return tuple(ModuleFile(_text(item, "name"), _text(item, "file")) for item in listed)


def _allocated_for(recording: Recording) -> list[dict[str, object]]:
    sites = recording.evidence.sites
    if not any(site.holder or site.type for site in sites):
        return []
    return [{"holder": site.holder, "type": site.type} for site in sites]


def _owners(document: Mapping[str, object]) -> tuple[tuple[int, str], ...]:
    """Return whose allocations are told; what was written before that was known has none."""
    listed = _listed(document, "allocated_for")
    return tuple((_address(item, "holder"), _text(item, "type")) for item in listed)


def _unheld(recording: Recording) -> list[dict[str, object]]:
    """Return what nobody holds of suspected types, each with the row of its type."""
    return [
        {
            "row": row,
            "type": unheld.type,
            "objects": unheld.objects,
            "references": unheld.references,
            "retained_bytes": unheld.retained_bytes,
            "looks": [{"edge": step.edge, "type": step.type} for step in unheld.looks],
            "more": unheld.more,
        }
        for row, each in enumerate(recording.evidence.types)
        for unheld in [each.unheld]
        if unheld is not None
    ]


def _decoded_unheld(document: Mapping[str, object]) -> Mapping[int, Unheld]:
    """Return what nobody holds by row of its type; what was written before that has none."""
    return {
        _count(item, "row"): Unheld(
            type=_text(item, "type"),
            objects=_count(item, "objects"),
            references=_count(item, "references"),
            retained_bytes=_count(item, "retained_bytes"),
            looks=tuple(
                Step(_text(step, "edge"), _text(step, "type")) for step in _listed(item, "looks")
            ),
            more=_count(item, "more"),
        )
        for item in _listed(document, "unheld")
    }


def _opened(document: Mapping[str, object]) -> tuple[Opened, ...]:
    """Return what came and stayed open; what was written before that was told has nothing."""
    return tuple(
        Opened(
            kind=_text(item, "kind"),
            where=_text(item, "where"),
            state=_text(item, "state"),
            descriptors=_count(item, "descriptors"),
        )
        for item in _listed(document, "opened")
    )


def _listed(document: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """Return a list of parts, empty where there is none."""
    listed = document.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadManifest(f"{key!r} is no list")
    return listed


def _address(document: Mapping[str, object], key: str) -> int:
    value = document.get(key)
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise BadManifest(f"{key!r} is no address")
    return value


def _reading(reading: LayerReading) -> dict[str, object]:
    ledger = reading.ledger
    numbers = {name: getattr(ledger, name) for name in _LEDGER_COUNTS}
    return {
        "at": reading.at,
        "work": reading.work,
        **numbers,
        "remainder": ledger.remainder,
        "allocator": ledger.allocator,
        "tells_free": ledger.tells_free,
        "pause_ms": ledger.pause_ms,
        "bytes": {layer.kind.name.lower(): layer.bytes for layer in ledger.layers},
    }


def _layers(document: Mapping[str, object]) -> tuple[LayerReading, ...]:
    """Return where memory went; what was written before that was looked at does not tell."""
    listed = _listed(document, "layers")
    return tuple(map(_decoded_reading, listed))


def _decoded_reading(document: Mapping[str, object]) -> LayerReading:
    sizes = _part(document, "bytes")
    remainder = document.get("remainder")
    if type(remainder) is not int or not -(1 << 63) <= remainder < 1 << 63:
        raise BadManifest("'remainder' is no number of bytes")
    return LayerReading(
        at=_number(document, "at"),
        work=None if document.get("work") is None else _number(document, "work"),
        ledger=Ledger(
            **{name: _count(document, name) for name in _LEDGER_COUNTS},
            layers=tuple(Layer(kind, _count(sizes, kind.name.lower())) for kind in LayerKind),
            remainder=remainder,
            allocator=_text(document, "allocator"),
            tells_free=_flag(document, "tells_free"),
            pause_ms=_number(document, "pause_ms"),
        ),
    )


def _limit(document: Mapping[str, object]) -> MemoryLimit | None:
    if document.get("limit") is None:
        return None
    limit = _part(document, "limit")
    return MemoryLimit(_count(limit, "bytes"), _text(limit, "source"))
