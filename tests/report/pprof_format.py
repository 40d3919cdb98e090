"""The messages of pprof's `profile.proto`, declared here once more, to read what was written.

Source: github.com/google/pprof/blob/main/proto/profile.proto (Apache 2.0).
"""

from __future__ import annotations

import gzip
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

INT64, UINT64, BOOL, STRING, MESSAGE = 3, 4, 8, 9, 11

MESSAGES: dict[str, list[tuple[str, int, int, bool, str]]] = {
    "Profile": [
        ("sample_type", 1, MESSAGE, True, "ValueType"),
        ("sample", 2, MESSAGE, True, "Sample"),
        ("mapping", 3, MESSAGE, True, "Mapping"),
        ("location", 4, MESSAGE, True, "Location"),
        ("function", 5, MESSAGE, True, "Function"),
        ("string_table", 6, STRING, True, ""),
        ("drop_frames", 7, INT64, False, ""),
        ("keep_frames", 8, INT64, False, ""),
        ("time_nanos", 9, INT64, False, ""),
        ("duration_nanos", 10, INT64, False, ""),
        ("period_type", 11, MESSAGE, False, "ValueType"),
        ("period", 12, INT64, False, ""),
        ("comment", 13, INT64, True, ""),
        ("default_sample_type", 14, INT64, False, ""),
    ],
    "ValueType": [("type", 1, INT64, False, ""), ("unit", 2, INT64, False, "")],
    "Sample": [
        ("location_id", 1, UINT64, True, ""),
        ("value", 2, INT64, True, ""),
        ("label", 3, MESSAGE, True, "Label"),
    ],
    "Label": [
        ("key", 1, INT64, False, ""),
        ("str", 2, INT64, False, ""),
        ("num", 3, INT64, False, ""),
        ("num_unit", 4, INT64, False, ""),
    ],
    "Mapping": [
        ("id", 1, UINT64, False, ""),
        ("memory_start", 2, UINT64, False, ""),
        ("memory_limit", 3, UINT64, False, ""),
        ("file_offset", 4, UINT64, False, ""),
        ("filename", 5, INT64, False, ""),
        ("build_id", 6, INT64, False, ""),
        ("has_functions", 7, BOOL, False, ""),
        ("has_filenames", 8, BOOL, False, ""),
        ("has_line_numbers", 9, BOOL, False, ""),
        ("has_inline_frames", 10, BOOL, False, ""),
    ],
    "Location": [
        ("id", 1, UINT64, False, ""),
        ("mapping_id", 2, UINT64, False, ""),
        ("address", 3, UINT64, False, ""),
        ("line", 4, MESSAGE, True, "Line"),
        ("is_folded", 5, BOOL, False, ""),
    ],
    "Line": [
        ("function_id", 1, UINT64, False, ""),
        ("line", 2, INT64, False, ""),
        ("column", 3, INT64, False, ""),
    ],
    "Function": [
        ("id", 1, UINT64, False, ""),
        ("name", 2, INT64, False, ""),
        ("system_name", 3, INT64, False, ""),
        ("filename", 4, INT64, False, ""),
        ("start_line", 5, INT64, False, ""),
    ],
}


def _profile_class() -> Any:  # noqa: ANN401
    file = descriptor_pb2.FileDescriptorProto(
        name="profile.proto", package="perftools.profiles", syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated, of in fields:
            message.field.add(
                name=field,
                number=number,
                type=kind,
                label=3 if repeated else 1,
                type_name=f".perftools.profiles.{of}" if of else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.profiles.Profile"))


def read(content: bytes) -> Any:  # noqa: ANN401
    """Return the `Profile` message that a file holds."""
    return _profile_class().FromString(gzip.decompress(content))
