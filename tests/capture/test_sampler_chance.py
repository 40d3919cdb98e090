"""The sampler's own logarithm and exponential, held against those of the C library."""

from __future__ import annotations

import ctypes
import math
import statistics
import subprocess

import pytest

from tests.frozen import AGENT, compiler


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("chance") / "chance.so"
    source = AGENT / "sampler_chance.c"
    flags = ("-std=gnu11", "-O2", "-shared", "-fPIC")
    subprocess.run([compiler(), *flags, "-o", str(library), str(source)], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.ls_exponential.restype = loaded.ls_sampled_share.restype = ctypes.c_double
    return loaded


@pytest.mark.parametrize("mean", [1.0, 4096.0, 524288.0, 2.0**40])
def test_a_share_is_one_less_the_exponential(chance: ctypes.CDLL, mean: float) -> None:
    for power in range(41):
        for size in (2**power, 3 * 2**power, 2**power + 1):
            share = chance.ls_sampled_share(ctypes.c_double(size), ctypes.c_double(mean))
            assert share == pytest.approx(-math.expm1(-size / mean), rel=1e-9)


def test_draws_are_exponential(chance: ctypes.CDLL) -> None:
    state, count, mean = ctypes.c_uint64(42), 200_000, 1000.0
    draws = [
        chance.ls_exponential(ctypes.byref(state), ctypes.c_double(mean)) for _ in range(count)
    ]

    assert min(draws) >= 0
    # Within five standard errors: mean and deviation of an exponential are alike.
    assert statistics.mean(draws) == pytest.approx(mean, abs=5 * mean / math.sqrt(count))
    for quantile in (0.01, 0.5, 0.99, 0.999):
        below = sum(draw < -mean * math.log(1 - quantile) for draw in draws) / count
        error = math.sqrt(quantile * (1 - quantile) / count)
        assert below == pytest.approx(quantile, abs=5 * error)
