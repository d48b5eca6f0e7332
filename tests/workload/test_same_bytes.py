"""The same seed gives the same files: next year, with other hash seeds, threads and processors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import hashlib, json, sys
from pathlib import Path

import polars as pl

from fedloom.workload.config.check import check_mapping
from fedloom.workload.config.read import read_config
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.generate import Workload
from fedloom.workload.save import save_workload

LAWS = ("normal", "lognormal", "gamma", "exponential", "uniform", "pareto")


def of_laws():
    models = {
        law: {
            "memory_gb": 1, "gpus_required": 1, "tokens_per_second": 50.0,
            "prefill_tokens_per_second": 3000.0, "token_correlation": 0.4,
            "input_tokens": {"mean": 900, "std": 500, "law": law},
            "output_tokens": {"mean": 300, "std": 200, "law": law},
        }
        for law in LAWS
    }
    models |= {
        f"{law}-time": {
            "type": "any", "memory_gb": 1, "gpus_required": 1, "time_law": law,
            "inference_time_mean": 3.0, "inference_time_std": 2.0,
        }
        for law in LAWS
    }
    nodes = [{"id": name, "model": name} for name in models]
    arrivals = {"closed_loop": {"users": 7}}
    workflows = {"w": {"nodes": nodes}}
    document = {"models": models, "workflows": workflows, "arrivals": arrivals}
    return check_mapping(document, name="laws").config


def digest(path):
    content = path.read_bytes()
    if path.suffix == ".parquet":  # its bytes are Polars' affair, what they hold is ours
        content = json.dumps(pl.read_parquet(path).rows(), default=str).encode()
    return hashlib.sha256(content).hexdigest()[:16]


whole, lines = list(FileFormat), [FileFormat.JSONL]
found = {}
for name, config, count, formats in (
    ("baseline", read_config(["test_baseline.json"]).config, 300, whole),
    ("tenants", read_config(["tenants.yaml"]).config, 400, whole),
    ("blocks", read_config(["minimal.json"]).config, 17_000, lines),
    ("laws", of_laws(), 200, lines),
):
    saved = save_workload(Workload(config, count), Path(sys.argv[1], name), formats)
    found |= {path.name: digest(path) for path in saved.paths}
print(json.dumps(found))
"""

GOLDEN = {
    "baseline_requests.json": "a047e216b12e4674",
    "baseline_requests.yaml": "f0b4a1381f64e13f",
    "baseline_requests.jsonl": "68c15e097b534d00",
    "baseline_requests.csv": "81c9ba25d8d7c84a",
    "baseline_requests.parquet": "71d064eb569ceca0",
    "baseline_stats.json": "dc55ecddcdf5c387",
    "tenants_requests.json": "e083d512d88490e7",
    "tenants_requests.yaml": "f3aa3bd7d226edc2",
    "tenants_requests.jsonl": "bb5e28658960de8c",
    "tenants_requests.csv": "8230f29c1accd423",
    "tenants_requests.parquet": "380bbeaaee837d78",
    "tenants_stats.json": "7f67ebc7f4165ee1",
    "blocks_requests.jsonl": "d243b192a17a97ab",
    "blocks_stats.json": "0662f7ca8c90a98b",
    "laws_requests.jsonl": "ca2ffb957f55e3c6",
    "laws_stats.json": "e1461a333e13738c",
}


def vector_features() -> str:
    """Return what NumPy may use on this processor beyond what it needs."""
    try:
        from numpy._core import _multiarray_umath as umath
    except ImportError:  # NumPy 1
        from numpy.core import _multiarray_umath as umath  # type: ignore[no-redef]
    found = umath.__cpu_features__
    return " ".join(name for name in umath.__cpu_dispatch__ if found.get(name))


MACHINES = {
    "this one": {},
    "another hash seed": {"PYTHONHASHSEED": "7"},
    "one thread": {"PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "no vector units": {"PYTHONHASHSEED": "0", "NPY_DISABLE_CPU_FEATURES": vector_features()},
    # The C library then takes other code for `pow`, `exp` and `log`, with other last digits.
    "no fused multiply-add": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-FMA_Usable,-AVX2_Usable"
    },
    "another language and zone": {"LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Auckland"},
}


def digests(machine: str, folder: Path) -> dict[str, str]:
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(folder)],
        env={**os.environ, **MACHINES[machine]},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    found: dict[str, str] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_a_seed_means_the_same_files(machine: str, tmp_path: Path) -> None:
    """A change here changes everybody's workloads: say so in the change log."""
    assert digests(machine, tmp_path) == GOLDEN
