"""Putting a package into the registry, with its first weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from fedloom._version import __version__
from fedloom.errors import InputError
from fedloom.package.archive import create_archive
from fedloom.package.signing import Signature, check_signatures
from fedloom.platform.registry.cache import digest_of
from fedloom.platform.registry.claim import (
    ensure_model,
    find_experiment,
    find_version,
    make_key,
    make_run,
    make_version,
)
from fedloom.platform.registry.content import store_file, write_weights
from fedloom.platform.registry.names import TRAINED, check_model_name
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.sign import add_signatures, check_number, signature_tags
from fedloom.platform.registry.version import Tag, Version, VersionKind, read_version

if TYPE_CHECKING:
    from fedloom.package.client_folder import PackageCopy

__all__ = ["SeedBuilder", "push_package"]

SeedBuilder: TypeAlias = Callable[["PackageCopy", Path], Path]
"""Makes a package's first weights: (the package, a folder that does not exist yet) → an npz."""

_EXPERIMENT = "fedloom-packages"
_SEED = 42
_BUILD_TIMEOUT_S = 3600.0


def push_package(
    registry: Registry,
    path: Path,
    name: str,
    *,
    use_case: str | None = None,
    seed_model: Path | None = None,
    description: str = "",
    signatures: Sequence[Signature] = (),
    force: bool = False,
    build: SeedBuilder | None = None,
    build_timeout_s: float = _BUILD_TIMEOUT_S,
    on_line: Callable[[str], None] | None = None,
) -> Version:
    """Put a package into the registry as a version of a model.

    The same package with the same seed model and use case is the version that it was before; its
    `Version.was_there` says so.

    Args:
        registry: where to.
        path: the package's folder, a folder around it, or an archive.
        name: of the model.
        use_case: nodes that hold data for it can train it.
        seed_model: file of the first weights. Without one, the package's entry point ``build`` is
            run in a process of its own and writes them.
        description: what people should know about it.
        signatures: of the package; those that a version has already stay.
        force: whether to make a new version even of what is there.
        build: makes the first weights in place of ``build`` as this process would run it.
        build_timeout_s: seconds that ``build`` may take.
        on_line: told every line of progress.

    Raises:
        PackageError: the package or the seed model is not as agreed, or ``build`` fails.
        InputError: the name or the use case cannot be used, or a signature is not of this package.
        LinkError: the registry cannot be reached.
        OutputError: the registry's folder cannot be written.
    """
    from fedloom.fleet.package.seed import read_seed
    from fedloom.package.client_folder import copy_package

    _check_names(name, use_case)
    with registry.cache.working_folder() as working:
        folder = Path(working)
        copy = copy_package(path, folder / "package")
        copy.project.require("train")
        check_signatures(copy.digest, signatures)
        check_number(signatures)
        given = None
        if seed_model is not None:
            given = write_weights(folder / "given" / "weights.npz", read_seed(seed_model))
        digest_given = digest_of(given) if given else "build"
        once = str(uuid4()) if force else ""
        key = make_key("package", copy.digest, digest_given, use_case or "", once)
        if found := find_version(registry, name, key):
            kept = add_signatures(registry, read_version(found), signatures)
            return replace(kept, was_there=True)
        if given is None:
            made = (build or _builder(build_timeout_s, on_line))(copy, folder / "build")
            given = write_weights(folder / "built" / "weights.npz", read_seed(made))
        archive = create_archive(copy.project.folder, folder / "package.tgz")
        experiment = find_experiment(registry, _EXPERIMENT)
        run = make_run(registry, experiment, key, name, _tags(use_case))
        files = {
            Tag.PACKAGE: store_file(registry, run.info.run_id, archive.path),
            Tag.WEIGHTS: store_file(registry, run.info.run_id, given),
        }
    tags = _tags(use_case) | {str(Tag.ENTRY_POINTS): json.dumps(list(copy.project.entry_points))}
    tags |= {str(tag): stored.to_tag() for tag, stored in files.items()}
    tags |= signature_tags(signatures)
    ensure_model(registry, name, _tags(use_case), description)
    address = f"{run.info.artifact_uri}/fedloom"
    made = make_version(registry, name, key, address, run.info.run_id, tags, description)
    # Another one may have been first with this version, and with other signatures.
    return add_signatures(registry, read_version(made), signatures)


def _check_names(name: str, use_case: str | None) -> None:
    check_model_name(name)
    if name.startswith(TRAINED):
        raise InputError(
            f"the name {name!r} is for what tasks publish: leave out {TRAINED!r} at its beginning"
        )
    if use_case is not None and (not use_case.strip() or not use_case.isprintable()):
        raise InputError(f"the use case {use_case!r} cannot be used: write visible characters")


def _builder(timeout_s: float, on_line: Callable[[str], None] | None) -> SeedBuilder:
    def build(copy: PackageCopy, folder: Path) -> Path:
        from fedloom.fleet.package.seed import build_seed
        from fedloom.package.environment import prepare_environment

        environment = prepare_environment(copy.project, on_line=on_line)
        return build_seed(
            copy, environment, folder, seed=_SEED, timeout_s=timeout_s, on_output=on_line
        )

    return build


def _tags(use_case: str | None) -> dict[str, str]:
    tags = {
        Tag.OURS: "true",
        Tag.KIND: VersionKind.PACKAGE,
        Tag.MADE_BY: __version__,
        **({Tag.USE_CASE: use_case} if use_case else {}),
    }
    return {str(key): str(value) for key, value in tags.items()}
