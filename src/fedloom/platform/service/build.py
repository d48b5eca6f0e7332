"""Making a package's first weights here: its `build`, run in a child, in bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fedloom.package.environment import prepare_environment
from fedloom.platform.client.sandbox import Bounds
from fedloom.platform.client.sandbox.commands import confine_commands

if TYPE_CHECKING:
    from fedloom.package.client_folder import PackageCopy

__all__ = ["BUILD_BOUNDS", "BUILD_TIMEOUT_S", "make_builder"]

BUILD_TIMEOUT_S = 600.0
"""Seconds that `build` may take."""

_GIBI = 1024**3
BUILD_BOUNDS = Bounds(
    memory_bytes=4 * _GIBI, file_bytes=2 * _GIBI, folder_bytes=8 * _GIBI, processes=128
)
"""How much `build` may use."""

_SEED = 42


def make_builder(
    hidden: tuple[Path, ...],
    *,
    bounds: Bounds = BUILD_BOUNDS,
    timeout_s: float = BUILD_TIMEOUT_S,
    on_line: Callable[[str], None] | None = None,
) -> Callable[[PackageCopy, Path], Path]:
    """Return what `push_package` calls for the first weights.

    The command runs as on a node: without the network, writing in its own folder alone, and seeing
    nothing of what is hidden, as far as this machine's kernel allows.

    Args:
        hidden: files and folders of the service that the command finds empty.
        bounds: how much it may use.
        timeout_s: seconds that it may take.
        on_line: told every line that it prints.
    """

    def build(copy: PackageCopy, folder: Path) -> Path:
        from fedloom.fleet.package.seed import build_seed

        environment = prepare_environment(copy.project, on_line=on_line)
        folder.mkdir(parents=True)
        work = folder.resolve()
        with confine_commands(
            copy, environment, work, ("build",), hidden=hidden, bounds=bounds
        ) as runner:
            return build_seed(
                copy,
                environment,
                work / "project",
                seed=_SEED,
                timeout_s=timeout_s,
                on_output=on_line,
                runner=runner,
            )

    return build
