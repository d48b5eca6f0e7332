"""The engines of the study, each in its best known configuration, and how each is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.workloads import ModelName, Workload

__all__ = ["ENGINES", "OURS", "PEERS_PYTHON", "Engine", "build_command", "build_environment"]

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
OURS = "fedloom"


@dataclass(frozen=True)
class Engine:
    """An engine in one configuration.

    Attributes:
        name: what `--engine` takes.
        title: its row in the table; "{cores}" is filled in.
        module: what is run.
        peer: whether "the fastest peer" may mean it; others are yardsticks.
        threaded: whether its one process uses a thread per core (else one thread).
        launcher: what starts the module, where it is not Python alone.
        layout: see `harness.assignment.Assignment`.
        models: the models it is run with; the others would repeat another row.
        rounds: (warm, timed) rounds of workloads on which it is slow.
        skips: workloads that it runs only with ``--slow``, and why.
        cuda: whether it can use a GPU.
    """

    name: str
    title: str
    module: str
    peer: bool = True
    threaded: bool = False
    launcher: tuple[str, ...] = ()
    layout: str = "plain"
    models: tuple[ModelName, ...] = tuple(ModelName)
    rounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    skips: Mapping[str, str] = field(default_factory=dict)
    cuda: bool = False

    @property
    def python(self) -> Path:
        """The interpreter whose environment has it."""
        return Path(sys.executable) if self.name == OURS else PEERS_PYTHON


_TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node={cores}")
_FLOWER_SLOW = (
    "not run (--slow runs it): by estimate a round takes at least ten times that of 1,000, since "
    "Flower's time per client does not fall as clients are added"
)

ENGINES = (
    Engine(OURS, "Fedloom", "engines.fedloom_engine", peer=False, cuda=True),
    Engine(
        "flower",
        "Flower 1.41 simulation (Ray, {cores} actors)",
        "engines.flower_engine",
        rounds={"small-1000": (1, 2)},
        skips={"small-10000": _FLOWER_SLOW},
        cuda=True,
    ),
    Engine("pfl", "pfl 0.6, {cores} processes", "engines.pfl_engine", launcher=_TORCHRUN),
    Engine("pfl-single", "pfl 0.6, 1 process", "engines.pfl_engine", cuda=True),
    Engine("torch-loop", "PyTorch loop, 1 thread", "engines.torch_loop", cuda=True),
    Engine(
        "torch-loop-threads",
        "PyTorch loop, {cores} threads",
        "engines.torch_loop",
        threaded=True,
        models=(ModelName.MLP, ModelName.CNN),  # 32×64×10 products do not feed two threads
    ),
    Engine(
        "torch-pool", "hand-written PyTorch pool, {cores} processes", "engines.torch_pool", False
    ),
    Engine(
        "torch-pool-tuned",
        "the same, channels_last",
        "engines.torch_pool",
        peer=False,
        layout="channels_last",
        models=(ModelName.CNN,),
    ),
)


def build_command(
    engine: Engine, workload: Workload, rounds: tuple[int, int], cores: int, device: str
) -> list[str]:
    """Return the command line of one trial; `rounds` is (warm, timed)."""
    launcher = [part.format(cores=cores) for part in engine.launcher]
    options = {
        "--warm": rounds[0],
        "--rounds": rounds[1],
        "--cores": cores,
        "--threads": cores if engine.threaded else 1,
        "--device": device,
        "--layout": engine.layout,
    }
    flags = [str(word) for option in options.items() for word in option]
    modules = ["-m", *launcher, "-m"] if launcher else ["-m"]
    return [str(engine.python), *modules, engine.module, workload.name, *flags]


def build_environment(engine: Engine, cores: int, device: str) -> dict[str, str]:
    """Return the environment of an engine: threads pinned, nothing phones home."""
    threads = str(cores if engine.threaded else 1)
    environment = dict(os.environ) | {
        "PYTHONPATH": str(ROOT / "benchmarks"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
        "PFL_PYTORCH_DEVICE": device,
    }
    if engine.name != OURS:  # Fedloom decides for itself, as it does for its users
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if device == "cpu":
        environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return environment
