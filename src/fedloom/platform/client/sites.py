"""Making a package ready for a task, in a folder that is removed when the task is over."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import fedloom
from fedloom.errors import FedloomError, InputError, PackageError
from fedloom.files import output_errors
from fedloom.package.archive import LIMIT_BYTES, digest_file
from fedloom.package.client_folder import ClientFolder, copy_package
from fedloom.package.environment import PackageEnvironment, prepare_environment
from fedloom.package.run import EntryPointRunner, run_entry_point
from fedloom.package.trainer import PackageTrainer
from fedloom.package.warm.runner import WarmRunner
from fedloom.platform.client.config import NodeConfig
from fedloom.platform.client.datasets import DataShelf
from fedloom.platform.client.order import read_wish
from fedloom.platform.client.policy import Policy, Wish
from fedloom.platform.client.remove import remove_tree
from fedloom.platform.client.sandbox import Isolation, SandboxedRunner, SandboxGuard, View
from fedloom.platform.client.sandbox.leftovers import end_confined

if TYPE_CHECKING:
    from fedloom.fleet.flower.handlers import PackageSite

__all__ = ["Fetch", "Sites"]

_LOGGER = logging.getLogger(__name__)

Fetch: TypeAlias = Callable[[Mapping[str, Any], Path], None]
"""Writes the archive that a task's settings name to a path; it is checked here and not trusted.

`fedloom.fleet.flower.depot.depot_fetch` gives one that fetches from the coordinator's depot.
"""

_LARGEST_ARCHIVE_BYTES = 2 * LIMIT_BYTES

_SOCKETS = (
    "/run/docker.sock",
    "/run/containerd",
    "/run/crio",
    "/run/podman",
    "/run/dbus",
    "/run/user",
    "/run/systemd/private",
)
"""Where services listen that would do for a package what it may not do itself."""


class Sites:
    """The packages that are at work on a node, a folder for each task.

    Args:
        config: of the node.
        shelf: its data.
        fetch: brings archives.
        isolation: what this machine can keep packages from.
        hidden: files that packages must not see, beside those that the configuration names.
    """

    def __init__(
        self,
        config: NodeConfig,
        shelf: DataShelf,
        fetch: Fetch,
        isolation: Isolation,
        hidden: Iterable[Path] = (),
    ) -> None:
        self._config, self._shelf, self._fetch = config, shelf, fetch
        self._isolation = isolation
        own = (config.state, config.key_path, config.policy_path, config.audit_path)
        self._hidden = tuple(path.resolve() for path in (*own, *hidden, *map(Path, _SOCKETS)))
        self._work = config.state / "work"

    def clear(self) -> None:
        """Remove what a node left that was killed, processes and files.

        Raises:
            OutputError: the folder for work cannot be made.
        """
        if self._isolation.namespaces:
            end_confined(self._work.resolve())
        remove_tree(self._work)
        with output_errors(self._work):
            self._work.mkdir(parents=True, mode=0o700)

    def open(self, task: str, settings: Mapping[str, Any], policy: Policy) -> PackageSite:
        """Make a task's package ready: fetch, check, unpack, environment, data, sandbox.

        Raises:
            FedloomError: one of these cannot be done; nothing is left of it.
        """
        from fedloom.fleet.flower.handlers import PackageSite

        wish = read_wish(settings)
        folder = self._work / sha256(task.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        remove_tree(folder)
        with ExitStack() as stack:
            stack.callback(remove_tree, folder)
            with output_errors(folder):
                (folder / "work").mkdir(parents=True, mode=0o700)
            client, trainer = self._assemble(folder.resolve(), wish, settings, policy, stack)
            return PackageSite(client, trainer, folder / "logs", stack.pop_all().close)

    def _assemble(
        self,
        folder: Path,
        wish: Wish,
        settings: Mapping[str, Any],
        policy: Policy,
        stack: ExitStack,
    ) -> tuple[ClientFolder, PackageTrainer]:
        archive = self._bring(wish.digest, settings, folder / "package.tgz")
        copy = copy_package(archive, folder / "package")
        copy.project.require("train")
        if "startup" in copy.project.entry_points and "startup" not in policy.entry_points:
            raise InputError("entry point 'startup' is not among what this node's owner allows")
        environment = prepare_environment(copy.project, offline=not policy.network.install)
        work = folder / "work"
        data = self._shelf.hand_out(wish.use_case, folder / "data")
        client = ClientFolder.make(
            copy,
            work / "client",
            index=self._config.client_index,
            clients=self._config.num_clients,
            seed=_read_seed(settings),
        )
        shown = (copy.project.folder, *data.values(), *_list_needed(environment))
        view = self._view(work, shown, folder / "confined")
        guards = self._guards(policy, view)
        runner = SandboxedRunner(
            self._open_runner(work, guards, stack), guards, _variables(work, data)
        )
        threads = max(1, (os.cpu_count() or 1) // self._config.slots)
        trainer = PackageTrainer(copy.project, environment, runner, policy.limits.time_s, threads)
        return client, trainer

    def _bring(self, digest: str, settings: Mapping[str, Any], target: Path) -> Path:
        """Have an archive written where nobody else can change it, and check it."""
        name = f"package {digest[:16]}…"
        try:
            self._fetch(settings, target)
            size = target.stat().st_size
        except FedloomError:
            raise
        except Exception as error:  # whatever fetches is not ours
            _LOGGER.warning("%s cannot be fetched", name, exc_info=error)
            raise PackageError(f"{name} cannot be fetched ({type(error).__name__})") from error
        if size > _LARGEST_ARCHIVE_BYTES:
            raise PackageError(f"{name} is larger than a package may be")
        if (found := digest_file(target)) != digest:
            raise PackageError(
                f"the package that was fetched has the SHA-256 {found[:16]}… instead of "
                f"{digest[:16]}…"
            )
        return target

    def _view(self, work: Path, shown: Iterable[Path], note: Path) -> View:
        given = {path.resolve() for path in shown}
        others = {path.resolve() for path in self._shelf.paths()} - given
        hidden = {path for path in (*self._hidden, *others) if path.exists()}
        inside = {p for p in given if any(p.is_relative_to(above) for above in hidden)}
        return View(work, tuple(hidden - inside), tuple(inside), note)

    def _guards(self, policy: Policy, view: View) -> dict[str, SandboxGuard]:
        bounds = policy.limits.bounds()
        return {
            name: SandboxGuard(
                self._isolation,
                bounds,
                view,
                network=name == "startup" and policy.network.startup,
            )
            for name in policy.entry_points
        }

    def _open_runner(
        self, work: Path, guards: Mapping[str, SandboxGuard], stack: ExitStack
    ) -> EntryPointRunner:
        """Return what runs commands; at the end all that it started is ended first."""

        def end() -> None:
            for guard in guards.values():
                guard.end_leftovers(all_of_them=True)

        stack.callback(end)
        if self._config.cold:
            return run_entry_point
        records = work / "imports"
        records.mkdir()
        warm = WarmRunner(on_notice=_LOGGER.info, records=records)
        stack.callback(warm.close)
        return warm.run_entry_point


def _variables(work: Path, data: Mapping[str, Path]) -> dict[str, str]:
    """Return where commands find their data, and where they may leave what is theirs."""
    places = {"HOME": work / "home", "TMPDIR": work / "tmp"}
    for place in places.values():
        place.mkdir()
    return {name: str(path) for name, path in {**places, **data}.items()}


def _list_needed(environment: PackageEnvironment) -> list[Path]:
    """Return what Python and our helpers are read from, in case it lies among what is hidden."""
    own = [Path(sys.prefix), Path(sys.base_prefix), Path(fedloom.__file__).parent]
    return [path for path in (*own, environment.folder, environment.python.parent) if path]


def _read_seed(settings: Mapping[str, Any]) -> int:
    told = settings.get("settings")
    seed = told.get("seed", 0) if isinstance(told, Mapping) else 0
    return seed if isinstance(seed, int) else 0
