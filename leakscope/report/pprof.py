"""A heap profile as pprof reads it: `profile.proto` of github.com/google/pprof, gzipped.

The types of samples are those of Go's heap profiles, in their order, so that whatever shows those
shows these: `go tool pprof`, speedscope, Pyroscope, Grafana.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leakscope.model.allocation import AllocationProfile, AllocationSite
from leakscope.model.evidence import Site
from leakscope.report.allocation import NOWHERE

SAMPLE_TYPES = (
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
)
_VARINT, _BYTES = 0, 2


class _Sample(NamedTuple):
    """One line of the profile."""

    calls: Sequence[Site]
    values: Sequence[int]
    label: str


def render_pprof(profile: AllocationProfile, default: str = "inuse_space") -> bytes:
    """Return the profile; the same one gives the same bytes.

    `default`: the type of sample that is shown where none is asked for.

    Each place that allocated is a sample, or several where it allocated several types, which then
    are labelled `type`. Stacks are innermost first.
    """
    samples = [sample for each in profile.sites for sample in _samples(each)]
    return encode(
        samples,
        sample_types=SAMPLE_TYPES,
        default=default,
        period=("space", "bytes", profile.mean_bytes),
        taken_at=profile.taken_at - profile.seconds,
        seconds=profile.seconds,
        comments=profile.caveats,
    )


def encode(
    samples: Iterable[tuple[Sequence[Site], Sequence[int], str]],
    *,
    sample_types: Sequence[tuple[str, str]],
    default: str,
    period: tuple[str, str, int],
    taken_at: float,
    seconds: float,
    comments: Sequence[str] = (),
) -> bytes:
    """Return a profile of `(stack, values, type label)`; stacks are innermost first."""
    tables = _Tables()
    text = tables.text
    message = bytearray()
    for kind, unit in sample_types:
        message += _message(1, _number(1, text(kind)) + _number(2, text(unit)))
    for calls, values, label in samples:
        places = [tables.location(call) for call in calls]
        body = _packed(1, places) + _packed(2, values)
        if label:
            body += _message(3, _number(1, text("type")) + _number(2, text(label)))
        message += _message(2, body)
    kind, unit, amount = period
    ending = _number(9, int(taken_at * 1e9)) + _number(10, int(seconds * 1e9))
    ending += _message(11, _number(1, text(kind)) + _number(2, text(unit)))
    ending += _number(12, amount)
    for comment in comments:
        ending += _number(13, text(comment), always=True)
    ending += _number(14, text(default))
    message += tables.written() + ending
    return gzip.compress(bytes(message), mtime=0)


class _Tables:
    """The strings, functions and locations of a profile, each there once."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[tuple[str, str, int], int] = {}

    def text(self, value: str) -> int:
        return self._texts.setdefault(value, len(self._texts))

    def location(self, call: Site) -> int:
        key = (call.function, call.file, call.line)
        self._functions.setdefault((call.function, call.file), len(self._functions) + 1)
        return self._locations.setdefault(key, len(self._locations) + 1)

    def written(self) -> bytes:
        written = bytearray()
        for (name, file, line), number in self._locations.items():
            function = self._functions[name, file]
            place = _number(1, function) + _number(2, line)
            written += _message(4, _number(1, number) + _message(4, place))
        for (name, file), number in self._functions.items():
            # Without a system name pprof takes the name as it is, `<module>` and all.
            body = _number(1, number) + _number(2, self.text(name))
            written += _message(5, body + _number(4, self.text(file)))
        for value in self._texts:
            written += _message(6, value.encode("utf-8", "replace"))
        return bytes(written)


def _samples(each: AllocationSite) -> list[_Sample]:
    """Return the samples of one place: what was allocated in all belongs to the first."""
    calls = each.calls or (Site("", 0, NOWHERE),)
    allocated = (round(each.allocated_objects), round(each.allocated_bytes.estimate))
    shares = [(of.type, of.objects, of.bytes) for of in each.types]
    if not shares:
        shares = [("", each.in_use_objects, each.in_use_bytes.estimate)]
    return [
        _Sample(calls, (*(allocated if not at else (0, 0)), round(objects), round(size)), label)
        for at, (label, objects, size) in enumerate(shares)
    ]


# What protocol buffers are made of: developers.google.com/protocol-buffers/docs/encoding.


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _number(field: int, value: int, *, always: bool = False) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value) if value or always else b""


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(body)) + body


def _packed(field: int, values: Sequence[int]) -> bytes:
    return _message(field, b"".join(map(_varint, values)))
