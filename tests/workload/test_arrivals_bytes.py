"""The same seed gives the same bytes: on this machine, on a lesser one, and next year."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedloom.workload.arrivals.settings import ArrivalSettings, ClosedLoop
from fedloom.workload.arrivals.stream import ClosedLoopUsers, arrival_times, split_count

DIURNAL = {"kind": "diurnal"}
BURSTS = {"kind": "bursts"}
STEPS = {"kind": "piecewise", "steps": [{"at_minutes": 1, "factor": 3}], "every_minutes": 7}
SPIKES = [{"at_minutes": 5, "duration_minutes": 2, "factor": 4}]
GOLDEN: list[tuple[dict[str, Any], str, str]] = [
    ({}, "1db1adac12d562ba", "8a43aa69e358b956"),
    ({"gaps": "gamma", "cv": 2.0}, "480263fcd21cafd7", "21558debec85490d"),
    ({"gaps": "gamma", "cv": 0.5, "profile": BURSTS}, "d30880eead26dca6", "ca59b81a7f795b6a"),
    ({"gaps": "weibull", "cv": 3.0, "profile": DIURNAL}, "0043d9954189af44", "0a467c5500cec3ff"),
    ({"gaps": "fixed", "profile": STEPS, "spikes": SPIKES}, "aba9438ee48102e4", "e807df076ac05b01"),
]


def digest(chunks: Iterator[NDArray[np.int64]]) -> str:
    state = blake2b(digest_size=8)
    for chunk in chunks:
        state.update(chunk.astype("<i8").tobytes())
    return state.hexdigest()


def times_digest(shape: dict[str, Any], rate: float | None) -> str:
    settings = ArrivalSettings.model_validate({**shape, "rate_per_second": rate})
    count = 50_000 if rate is None else None
    return digest(arrival_times(settings, count=count, duration_us=10**9, seed=42, key="k"))


def loop_digest() -> str:
    users = ClosedLoopUsers(ClosedLoop(users=70), duration_us=10**9, seed=42, key="k")
    return digest(iter(users.next_block(np.full(5_000, 1_000_000))))


@pytest.mark.parametrize(("shape", "with_rate", "with_count"), GOLDEN)
def test_a_seed_means_what_it_meant(shape: dict[str, Any], with_rate: str, with_count: str) -> None:
    """A change here changes everybody's workloads: say so in the change log."""
    assert times_digest(shape, 50.0) == with_rate
    assert times_digest(shape, None) == with_count


def test_a_seed_means_the_same_users_and_shares() -> None:
    assert loop_digest() == "6b3f7e4c5e673d49"
    assert split_count(1_000, [1, 2, 3.5, 0], 42, "k") == [163, 308, 529, 0]


def vector_features() -> str:
    """Return what NumPy may use on this processor beyond what it needs."""
    try:
        from numpy._core import _multiarray_umath as umath
    except ImportError:  # NumPy 1
        from numpy.core import _multiarray_umath as umath  # type: ignore[no-redef]
    found = umath.__cpu_features__
    return " ".join(name for name in umath.__cpu_dispatch__ if found.get(name))


LESSER = {
    "another hash seed": {"PYTHONHASHSEED": "7"},
    "no vector units": {"PYTHONHASHSEED": "0", "NPY_DISABLE_CPU_FEATURES": vector_features()},
    # The C library then takes other code for `pow`, `exp` and `log`, with other last digits.
    "no fused multiply-add": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-FMA_Usable,-AVX2_Usable"
    },
}

PROGRAM = """
import json, sys
import numpy as np
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.stream import arrival_times

for line in sys.stdin:
    settings = ArrivalSettings.model_validate_json(line)
    count = None if settings.rate_per_second else 50_000
    for chunk in arrival_times(settings, count=count, duration_us=10**9, seed=42, key="k"):
        sys.stdout.buffer.write(chunk.astype("<i8").tobytes())
"""


@pytest.mark.parametrize("machine", LESSER)
def test_another_machine_gives_the_same_bytes(machine: str) -> None:
    shapes = [
        ArrivalSettings.model_validate({**shape, "rate_per_second": rate})
        for shape, _, _ in GOLDEN
        for rate in (50.0, None)
    ]
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input="\n".join(shape.model_dump_json() for shape in shapes).encode(),
        env={**os.environ, **LESSER[machine]},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    here = blake2b(digest_size=8)
    for settings in shapes:
        count = None if settings.rate_per_second else 50_000
        for chunk in arrival_times(settings, count=count, duration_us=10**9, seed=42, key="k"):
            here.update(chunk.astype("<i8").tobytes())
    assert blake2b(answer.stdout, digest_size=8).hexdigest() == here.hexdigest()
