"""Forges the footers of tables, run as a program: a library that aborts takes only this along.

python -m tests.storage.footer_fuzz SEED COUNT
"""

from __future__ import annotations

import json
import random
import sys

from leakscope.storage.codec import TABLES
from leakscope.storage.graphs import OBJECTS, REFERENCES
from leakscope.storage.parquet import from_parquet
from leakscope.storage.tables import BadTable
from tests.storage.forging import members

FOOTER_BYTES = 600


def forged(content: bytes, source: random.Random) -> bytes:
    """Return a table with a few bytes of its footer changed, lost or added."""
    changed = bytearray(content)
    for _ in range(source.choice([1, 1, 2, 4])):
        position = len(changed) - 1 - source.randrange(min(len(changed), FOOTER_BYTES))
        match source.randrange(4):
            case 0:
                changed[position] ^= 1 << source.randrange(8)
            case 1:
                changed[position] = source.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
            case 2:
                del changed[position : position + source.randrange(1, 4)]
            case _:
                changed[position:position] = source.randbytes(source.randrange(1, 4))
    return bytes(changed)


def run(seed: int, count: int) -> None:
    """Read `count` forged tables; whatever is wrong with them must be a `BadTable`."""
    source, good = random.Random(seed), members()
    infos = json.loads(good["manifest.json"])["members"]
    refused = 0
    for _ in range(count):
        spec = source.choice((*TABLES[:3], OBJECTS, REFERENCES))
        try:
            from_parquet(spec, forged(good[spec.member], source), infos[spec.member]["rows"])
        except BadTable:
            refused += 1
    print(f"{count} read, {refused} refused")


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
