"""An environment that is in the cache: the time until a package's commands can be started."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from fedloom.package import prepare_environment, read_project
from harness.package_times import PackageTimes, parse_repeats, print_times

__all__ = ["measure_environment"]

_PROJECT = "python_env: python_env.yaml\nentry_points:\n  train: python train.py\n"
_ENVIRONMENT = "name: tiny\ndependencies:\n  - fedn\n  - numpy\n"
"""The first is satisfied by our own helpers, and those need the second in any case."""


def measure_environment(repeats: int) -> PackageTimes:
    """Time `prepare_environment`, the reading of the files included, once the environment is made.

    Making it needs uv, and NumPy from uv's cache or from the network.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        client, cache = Path(name, "client"), Path(name, "cache")
        client.mkdir()
        (client / "fedloom.yaml").write_text(_PROJECT)
        (client / "python_env.yaml").write_text(_ENVIRONMENT)
        prepare_environment(read_project(client), cache_dir=cache)
        seconds = []
        for _ in range(repeats):
            begun = perf_counter()
            environment = prepare_environment(read_project(client), cache_dir=cache)
            seconds.append(perf_counter() - begun)
            if environment.created:
                raise SystemExit("an environment that is in the cache was made again")
    return PackageTimes("environment", tuple(seconds))


def main() -> None:
    """Run what the command line says."""
    print_times(measure_environment(parse_repeats()))


if __name__ == "__main__":
    main()
