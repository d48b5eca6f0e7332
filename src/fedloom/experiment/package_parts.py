"""From a plan that names a package to the parts that carry it out."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fedloom.errors import InputError, PackageError
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.described import describe_package
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import Plan
from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.fleet import LocalEvaluation
from fedloom.federation.loop import LoopSettings
from fedloom.federation.select import resolve_cohort
from fedloom.files import output_errors

if TYPE_CHECKING:
    from fedloom.package.client_folder import PackageCopy
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.run import EntryPointRunner

__all__ = ["PackageParts", "refuse_objective", "refuse_private"]


class PackageParts:
    """A package as it was when the run began; see `fedloom.experiment.parts.Parts` for the calls.

    Args:
        plan: names the package.

    Raises:
        PackageError: there is no such package, or it is not the one that the plan means.
    """

    def __init__(self, plan: Plan) -> None:
        from fedloom.package.client_folder import copy_package

        assert plan.package is not None
        self._stack = ExitStack()
        self._folder = Path(
            self._stack.enter_context(
                TemporaryDirectory(prefix="fedloom-package-", ignore_cleanup_errors=True)
            )
        )
        try:
            with output_errors(self._folder):
                self._copy: PackageCopy = copy_package(Path(plan.package), self._folder / "package")
            self._copy.project.require("train")
            self._seed = self._keep_seed(plan)
            self.digest = self._make_digest()
            _check_digest(plan, self._copy.digest, self.digest)
            self.plan = plan.model_copy(update={"package_digest": self.digest})
        except BaseException:
            self.close()
            raise

    @property
    def changed(self) -> str:
        """What to say where the digest differs from an earlier one."""
        return f"package {self.plan.package} has changed"

    def close(self) -> None:
        """Remove all copies."""
        self._stack.close()

    def assemble(self, plan: Plan, folder: RunFolder, *, going_on: bool) -> Assembly:
        """Make the environment, the seed model and the fleet; clients start with their training.

        Raises:
            PackageError: the environment cannot be made, or there is no seed model.
            InputError: the algorithm is not for packages.
        """
        from fedloom.fleet.cores import count_cores
        from fedloom.fleet.package import PackageFleet
        from fedloom.fleet.package.fleet import NEWS
        from fedloom.fleet.package.seed import read_seed
        from fedloom.package.environment import prepare_environment
        from fedloom.package.server_code import ServerCode, find_functions
        from fedloom.package.trainer import PackageTrainer

        cohort = resolve_cohort(plan.cohort, plan.clients)
        algorithm = build_algorithm(
            plan.algorithm, clients=plan.clients, cohort=cohort, params=plan.algorithm_settings
        )
        functions = find_functions(self._copy.project)
        refuse_objective(algorithm)
        refuse_private(algorithm, functions)
        for warning in self._copy.project.warnings:
            NEWS.warning("%s", warning)
        environment = prepare_environment(self._copy.project, on_line=NEWS.warning)
        seed = self._find_seed(plan, environment, folder, going_on=going_on)
        weights = read_seed(seed)
        common = (self._copy.project, environment, self._open_runner(plan))
        workers = min(plan.workers or count_cores(), cohort)
        threads = max(1, count_cores() // workers)
        trainer = PackageTrainer(*common, plan.client_timeout_s, threads)
        server = ServerCode(*common, self._folder / "server", plan.client_timeout_s)
        if "aggregate" in functions:
            algorithm = replace(algorithm, reducer=server.reducer())
        fleet = PackageFleet(
            self._copy,
            trainer,
            clients=plan.clients,
            seed=plan.seed,
            settings={"seed": plan.seed, **plan.package_settings},
            folder=self._folder / "clients",
            logs=folder.logs,
            workers=workers,
            configure=server.configure if "configure" in functions else None,
        )
        settings = LoopSettings(
            rounds=plan.rounds,
            cohort=cohort,
            epochs=plan.epochs,
            seed=plan.seed,
            trainable_indices=[i for i, w in enumerate(weights) if w.dtype.kind == "f"],
            dropout=plan.dropout,
            local_evaluation=LocalEvaluation.NONE,
            deadline_s=plan.client_timeout_s,
            choose=server.select if "select" in functions else None,
        )
        resolved = {
            "cohort": cohort,
            "algorithm_params": dict(algorithm.params),
            "workers": fleet.workers,
            "package": self._copy.name,
            "server_functions": sorted(functions),
            "left_out": list(self._copy.left_out),
        }
        described = describe_package(plan, self._copy.name)
        return Assembly(
            algorithm,
            fleet,
            settings,
            weights,
            resolved,
            described,
            take_reports=fleet.take_reports,
            seed_file=seed,
        )

    def _keep_seed(self, plan: Plan) -> Path | None:
        """Copy the user's seed model, so that a change while the run works does not matter."""
        if plan.seed_model is None:
            return None
        if not Path(plan.seed_model).is_file():
            raise PackageError(f"seed_model={plan.seed_model!r}: there is no such file")
        kept = self._folder / "given_seed.npz"
        with output_errors(kept):
            shutil.copyfile(plan.seed_model, kept)
        return kept

    def _make_digest(self) -> str:
        if self._seed is None:
            return self._copy.digest
        return f"{self._copy.digest}+{sha256(self._seed.read_bytes()).hexdigest()}"

    def _find_seed(
        self, plan: Plan, environment: PackageEnvironment, folder: RunFolder, *, going_on: bool
    ) -> Path:
        """Return the seed model: the user's, that of the run which goes on, or one built now."""
        from fedloom.fleet.package.seed import build_seed

        if self._seed is not None:
            return self._seed
        if going_on and folder.seed_model.is_file():
            return folder.seed_model
        return build_seed(
            self._copy,
            environment,
            self._folder / "build",
            seed=plan.seed,
            timeout_s=plan.client_timeout_s,
        )

    def _open_runner(self, plan: Plan) -> EntryPointRunner:
        from fedloom.fleet.package.fleet import NEWS
        from fedloom.package.run import run_entry_point
        from fedloom.package.warm import WarmRunner

        if plan.cold:
            return run_entry_point
        warm = self._stack.enter_context(WarmRunner(on_notice=NEWS.warning))
        return warm.run_entry_point


def refuse_objective(algorithm: Algorithm) -> None:
    """Refuse what asks for a say in every step of training, which a package does by itself.

    Raises:
        InputError: the message names the algorithm, and some that would be right.
    """
    if algorithm.objective.name != "plain":
        raise InputError(
            f"algorithm={algorithm.name}: it corrects every gradient of its clients, and a "
            "package computes its gradients by itself; one of the others, such as FedAvg, "
            "FedAdam or FedMedian, would be right"
        )


def refuse_private(algorithm: Algorithm, functions: frozenset[str]) -> None:
    """Refuse a privacy that a package's own choice or mean would make a wrong promise of."""
    own = sorted(functions & {"select", "aggregate"})
    if own and algorithm.privacy is not None:
        raise InputError(
            f"algorithm={algorithm.name}: its privacy does not hold with {own[0]} of the package's "
            "server.py; take another algorithm, or remove that function"
        )


def _check_digest(plan: Plan, package: str, whole: str) -> None:
    if plan.package_digest is not None and plan.package_digest.lower() not in (package, whole):
        raise PackageError(
            f"package {plan.package} has the SHA-256 {whole} instead of {plan.package_digest}: it "
            "has changed, or is another one"
        )
