"""Signatures in the registry: kept with the version, never lost to another one's."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import InputError, NotFoundError, PackageError
from fedloom.package.signing import (
    MOST_SIGNATURES,
    Signature,
    make_key,
    sign_digest,
    sign_package,
)
from fedloom.platform.registry import (
    Registry,
    Version,
    add_signatures,
    delete_version,
    get_version,
    open_registry,
    publish,
    push_package,
)

from .registry_world import WEIGHTS, make_lineage, make_package, make_task, make_template


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("signed")
    return open_registry(f"sqlite:///{make_template(folder)}", cache=folder / "cache")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "project" / "client", train=f"print({str(tmp_path)!r})")


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    np.savez(tmp_path / "seed.npz", **{"0": np.zeros(3, np.float32)})
    return tmp_path / "seed.npz"


def sign(package: Path, name: str) -> Signature:
    key = package.parent.parent / f"{name}.pem"
    if not key.exists():
        make_key(key)
    return sign_package(package, key)


def signers(version: Version) -> set[str]:
    return {signature.key for signature in version.signatures}


def test_a_version_comes_with_its_signatures_and_gets_more(
    registry: Registry, package: Path, seed: Path
) -> None:
    ada, bob, eve = (sign(package, name) for name in ("ada", "bob", "eve"))
    pushed = push_package(registry, package, "iris", seed_model=seed, signatures=[ada, ada])
    assert pushed.signatures == (ada,)
    again = push_package(registry, package, "iris", seed_model=seed, signatures=[bob])
    assert (again.version, set(again.signatures)) == (pushed.version, {ada, bob})
    assert push_package(registry, package, "iris", seed_model=seed).signatures == again.signatures
    assert set(add_signatures(registry, pushed, [eve]).signatures) == {ada, bob, eve}
    assert signers(get_version(registry, "iris", 1)) == {ada.key, bob.key, eve.key}


def test_what_is_signed_is_this_package(registry: Registry, package: Path, seed: Path) -> None:
    good = sign(package, "ada")
    other = sign_digest("a" * 64, package.parent.parent / "ada.pem")
    with pytest.raises(InputError, match="not one of the package"):
        push_package(registry, package, "wrong", seed_model=seed, signatures=[good, other])
    with pytest.raises(NotFoundError):
        get_version(registry, "wrong", 1)
    version = push_package(registry, package, "right", seed_model=seed)
    with pytest.raises(InputError, match="not one of the package"):
        add_signatures(registry, version, [good, other])
    assert get_version(registry, "right", 1).signatures == ()


def test_no_more_signers_than_nodes_look_at(registry: Registry, package: Path, seed: Path) -> None:
    many = [sign(package, f"key{number}") for number in range(MOST_SIGNATURES + 1)]
    with pytest.raises(InputError, match="at most 16"):
        push_package(registry, package, "many", seed_model=seed, signatures=many)
    version = push_package(registry, package, "many", seed_model=seed, signatures=many[:-1])
    assert len(version.signatures) == MOST_SIGNATURES
    with pytest.raises(InputError, match="at most 16"):
        add_signatures(registry, version, many[-1:])
    assert add_signatures(registry, version, many[:3]).signatures == version.signatures


def test_what_is_no_signature_counts_as_nothing(
    registry: Registry, package: Path, seed: Path
) -> None:
    version = push_package(registry, package, "odd", seed_model=seed)
    good = sign(package, "ada")
    client = registry.client()
    client.set_model_version_tag("odd", "1", "fedloom.signature.0", "rubbish")
    client.set_model_version_tag("odd", "1", "fedloom.signature.1", '{"key": "x"}')
    assert add_signatures(registry, version, [good]).signatures == (good,)


def test_two_who_sign_at_once_both_count(registry: Registry, package: Path, seed: Path) -> None:
    version = push_package(registry, package, "race", seed_model=seed)
    given = [sign(package, f"key{number}") for number in range(6)]
    threads = [
        threading.Thread(target=add_signatures, args=(registry, version, [one])) for one in given
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert set(get_version(registry, "race", 1).signatures) == set(given)


def test_what_a_task_trained_keeps_them(registry: Registry, package: Path, seed: Path) -> None:
    ada, bob = sign(package, "ada"), sign(package, "bob")
    push_package(registry, package, "learnt", seed_model=seed, signatures=[ada])
    task = make_task(model_name="learnt")
    trained = publish(registry, task, WEIGHTS, lineage=make_lineage(task))
    assert (trained.name, trained.signatures) == ("trained_learnt", (ada,))
    assert set(add_signatures(registry, trained, [bob]).signatures) == {ada, bob}
    assert get_version(registry, "learnt", 1).signatures == (ada,)


def test_only_what_is_there_and_holds_a_package_is_signed(
    registry: Registry, package: Path, seed: Path
) -> None:
    task = make_task(2, model_name="own")
    ours = publish(registry, task, WEIGHTS, lineage=make_lineage(task), has_package=False)
    with pytest.raises(PackageError, match="holds no package"):
        add_signatures(registry, ours, [sign(package, "ada")])
    gone = push_package(registry, package, "gone", seed_model=seed)
    delete_version(registry, "gone", 1)
    with pytest.raises(NotFoundError, match="was deleted"):
        add_signatures(registry, gone, [sign(package, "ada")])
