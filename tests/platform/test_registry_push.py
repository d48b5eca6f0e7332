"""Packages in the registry: pushed once, found again, brought back whole or not at all."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import (
    InputError,
    LinkError,
    NotFoundError,
    OutputError,
    PackageError,
)
from fedloom.package.archive import create_archive, digest_file, digest_folder
from fedloom.platform.registry import (
    Registry,
    VersionKind,
    check_model_name,
    delete_version,
    download_package,
    download_weights,
    get_lineage,
    get_version,
    list_models,
    list_versions,
    load_weights,
    name_trained,
    open_registry,
    push_package,
)

from .registry_world import copy_template, count_versions, make_package, make_template

IRIS = Path(__file__).parents[2] / "examples" / "iris" / "client"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    url = copy_template(template, tmp_path / "registry")
    return open_registry(url, cache=tmp_path / "cache")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "project" / "client")


# Pushing


def test_a_package_becomes_version_one_with_all_that_is_said_of_it(
    registry: Registry, package: Path
) -> None:
    pushed = push_package(registry, package, "iris", use_case="irises", description="flowers")
    assert (pushed.name, pushed.version) == ("iris", 1)
    assert pushed.digest == digest_folder(package)
    assert get_version(registry, "iris", 1) == pushed
    assert pushed.kind is VersionKind.PACKAGE
    assert pushed.use_case == "irises"
    assert pushed.entry_points == ("build", "train")
    assert pushed.made_by is not None
    assert pushed.description == "flowers"
    assert pushed.parent is pushed.task_id is None
    assert get_lineage(registry, pushed) is None
    [model] = list_models(registry).items
    assert (model.name, model.latest, model.use_case) == ("iris", 1, "irises")
    assert model.description == "flowers"
    assert model.kind is VersionKind.PACKAGE


def test_first_weights_are_those_that_build_writes(registry: Registry, package: Path) -> None:
    [array] = load_weights(registry, push_package(registry, package, "iris"))
    assert array.dtype == np.float32
    assert np.array_equal(array, np.full((3, 2), 0.5))
    assert not (package.parent / "seed.npz").exists(), "build ran in the user's folder"


def test_first_weights_may_be_brought(registry: Registry, tmp_path: Path) -> None:
    package = make_package(tmp_path / "p", model=None)
    np.savez_compressed(tmp_path / "seed.npz", **{"0": np.ones(4), "1": np.zeros((2, 2))})
    pushed = push_package(registry, package, "iris", seed_model=tmp_path / "seed.npz")
    first, second = load_weights(registry, pushed)
    assert np.array_equal(first, np.ones(4))
    assert second.shape == (2, 2)


def test_the_example_is_pushed(registry: Registry, tmp_path: Path) -> None:
    np.savez(tmp_path / "seed.npz", **{"0": np.zeros((4, 3), np.float32)})
    pushed = push_package(registry, IRIS, "iris", use_case="iris", seed_model=tmp_path / "seed.npz")
    assert sorted(pushed.entry_points) == ["build", "predict", "startup", "train", "validate"]


def test_the_same_package_is_the_same_version(registry: Registry, package: Path) -> None:
    first = push_package(registry, package, "iris")
    (package / "model.py").touch()
    again = push_package(registry, package, "iris", build=_never)
    assert again == first
    assert (first.was_there, again.was_there) == (False, True)
    assert push_package(registry, package, "iris", force=True).version == 2
    assert push_package(registry, package, "iris").version == 1
    (package / "train.py").write_text("print('changed')")
    assert push_package(registry, package, "iris").version == 3
    assert push_package(registry, package, "other").version == 1


def _never(*_: object) -> Path:
    raise AssertionError("build ran again")


def test_another_seed_or_use_case_is_another_version(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        np.savez(tmp_path / f"{number}.npz", **{"0": np.full(3, float(number))})
    assert push_package(registry, package, "iris").version == 1
    assert push_package(registry, package, "iris", use_case="a").version == 2
    assert push_package(registry, package, "iris", seed_model=tmp_path / "1.npz").version == 3
    assert push_package(registry, package, "iris", seed_model=tmp_path / "2.npz").version == 4
    assert push_package(registry, package, "iris", seed_model=tmp_path / "1.npz").version == 3


def test_an_archive_is_as_good_as_its_folder(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    archive = create_archive(package, tmp_path / "package.tgz")
    pushed = push_package(registry, archive.path, "iris")
    assert pushed.digest == archive.sha256
    assert push_package(registry, package, "iris").version == pushed.version


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        ({"train": None}, "train"),
        ({"model": "raise SystemExit(3)"}, "exit code 3"),
        ({"model": "print()"}, "no seed model"),
        ({"model": None}, "no entry point 'build'"),
        (
            {"model": "import numpy as n; n.savez('../seed.npz', **{'0': n.array([n.nan])})"},
            "NaN",
        ),
        ({"model": "import time; time.sleep(60)"}, "time limit"),
    ],
)
def test_a_package_that_is_not_as_agreed_leaves_nothing(
    registry: Registry, tmp_path: Path, scripts: dict[str, str | None], said: str
) -> None:
    package = make_package(tmp_path / "wrong", **scripts)
    with pytest.raises(PackageError, match=said):
        push_package(registry, package, "iris", build_timeout_s=2.0)
    assert list_models(registry).items == []
    assert list((tmp_path / "cache").glob(".working*")) == []


def test_a_seed_that_is_no_model_is_refused(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "seed.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(PackageError, match=r"seed\.npz"):
        push_package(registry, package, "iris", seed_model=tmp_path / "seed.npz")


# Names


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a%b", "a'b", 'a"b', ".", "..", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused(registry: Registry, package: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be named"):
        push_package(registry, package, name)


def test_a_published_models_name_is_refused(registry: Registry, package: Path) -> None:
    with pytest.raises(InputError, match="leave out 'trained_'"):
        push_package(registry, package, "trained_iris")


@given(st.text(max_size=220))
def test_mlflow_takes_every_name_that_we_take(name: str) -> None:
    from mlflow.utils.validation import _validate_model_name

    try:
        check_model_name(name)
    except InputError:
        return
    _validate_model_name(name)
    _validate_model_name(name_trained(name))


@pytest.mark.parametrize("use_case", ["", " ", "a\nb", "\x00"])
def test_a_use_case_must_be_visible(registry: Registry, package: Path, use_case: str) -> None:
    with pytest.raises(InputError, match="use case"):
        push_package(registry, package, "iris", use_case=use_case)


# Bringing back


def test_a_package_is_brought_back_whole(registry: Registry, package: Path, tmp_path: Path) -> None:
    pushed = push_package(registry, package, "iris")
    written = download_package(registry, pushed, tmp_path / "out" / "iris.tgz")
    assert written == tmp_path / "out" / "iris.tgz"
    assert digest_file(written) == pushed.digest
    assert digest_file(download_package(registry, pushed)) == pushed.digest


def _artifact(tmp_path: Path, name: str) -> Path:
    [found] = (tmp_path / "registry" / "artifacts").rglob(name)
    return found


def _empty(cache: Path) -> None:
    for path in cache.iterdir():
        path.unlink()


def test_what_was_changed_in_the_registry_is_refused(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    pushed = push_package(registry, package, "iris")
    for name, download in (("package.tgz", download_package), ("weights.npz", download_weights)):
        with _artifact(tmp_path, name).open("r+b") as file:
            file.seek(100)
            file.write(b"evil")
        _empty(tmp_path / "cache")
        with pytest.raises(PackageError, match=r"iris version 1 has the SHA-256 \w+ instead of"):
            download(registry, pushed, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert list((tmp_path / "cache").iterdir()) == []


def test_weights_that_are_no_model_are_named(registry: Registry, package: Path) -> None:
    pushed = push_package(registry, package, "iris")
    wrong = replace(pushed, weights=pushed.package)
    with pytest.raises(PackageError, match=r"the weights of iris version 1: .* is n") as caught:
        load_weights(registry, wrong)
    assert "\n" not in str(caught.value)


def test_what_was_downloaded_is_not_downloaded_again(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    pushed = push_package(registry, package, "iris")
    kept = download_package(registry, pushed)
    _artifact(tmp_path, "package.tgz").unlink()
    assert download_package(registry, pushed) == kept


def test_a_damaged_cache_is_mended(registry: Registry, package: Path, tmp_path: Path) -> None:
    pushed = push_package(registry, package, "iris")
    download_package(registry, pushed).write_bytes(b"torn")
    assert digest_file(download_package(registry, pushed)) == pushed.digest


def test_files_that_are_gone_are_named(registry: Registry, package: Path, tmp_path: Path) -> None:
    pushed = push_package(registry, package, "iris")
    _artifact(tmp_path, "package.tgz").unlink()
    _empty(tmp_path / "cache")
    with pytest.raises(NotFoundError, match="the package of iris version 1 is gone") as caught:
        download_package(registry, pushed)
    said = str(caught.value)
    assert registry.address.shown in said
    assert "\n" not in said


def test_a_registry_whose_file_goes_while_it_is_used_says_so(
    registry: Registry, package: Path
) -> None:
    push_package(registry, package, "iris")
    file = registry.address.file
    assert file is not None
    shutil.move(file, file.with_name("kept.db"))
    for look in (registry.check, lambda: get_version(registry, "iris", 1)):
        with pytest.raises(LinkError, match=r"was deleted or replaced .* start again") as caught:
            look()
        assert registry.address.shown in str(caught.value)
    assert not file.exists()
    file.touch()  # as SQLite would make it, empty
    with pytest.raises(LinkError, match="deleted or replaced"):
        registry.check()


def test_what_a_task_names_and_a_new_registry_lacks_is_explained(
    registry: Registry, package: Path
) -> None:
    before = datetime.now(UTC)
    made = registry.made_at()
    assert made is not None
    assert abs((before - made).total_seconds()) < 300
    push_package(registry, package, "iris")
    for name, version, lack in (("roses", 1, "no model 'roses'"), ("iris", 7, "no version 7")):
        with pytest.raises(NotFoundError) as caught:
            get_version(registry, name, version, asked_at=made - timedelta(days=1))
        said = str(caught.value)
        assert lack in said
        assert f"the registry at {registry.address.shown} was made anew" in said
        assert "push the package again" in said
        with pytest.raises(NotFoundError) as caught:
            get_version(registry, name, version, asked_at=before + timedelta(days=1))
        said = str(caught.value)
        assert lack in said
        assert f"the registry at {registry.address.shown} has lost it" in said
        assert "made anew" not in said


def test_another_programs_version_is_shown_and_not_trained(registry: Registry) -> None:
    client = registry.client()
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "file:///elsewhere", await_creation_for=0)
    theirs = get_version(registry, "theirs", 1)
    assert (theirs.kind, theirs.digest) == (VersionKind.FOREIGN, "")
    assert list_models(registry).items == []
    with pytest.raises(PackageError, match="theirs version 1 holds no package"):
        download_package(registry, theirs)
    with pytest.raises(PackageError, match="theirs version 1 holds no weights"):
        load_weights(registry, theirs)


def test_tags_that_somebody_changed_are_no_crash(registry: Registry, package: Path) -> None:
    push_package(registry, package, "iris")
    for tag in (
        "package",
        "weights",
        "kind",
        "entry_points",
        "task",
        "rounds",
        "parent",
        "clients",
    ):
        registry.client().set_model_version_tag("iris", "1", f"fedloom.{tag}", '{"x": [}')
    changed = get_version(registry, "iris", 1)
    assert (changed.kind, changed.entry_points) == (VersionKind.FOREIGN, ())


# Finding


def test_unknown_models_and_versions_are_named(registry: Registry, package: Path) -> None:
    push_package(registry, package, "iris")
    for name, version, said in (
        ("irsi", 1, "there is no model 'irsi': did you mean 'iris'?"),
        ("iris", 7, "the model 'iris' has no version 7: its newest is 1"),
        ("iris", 0, "counted from 1"),
        ("iris", 2**31, "counted from 1"),
        ("o'brien", 1, 'there is no model "o\'brien"'),
    ):
        with pytest.raises(NotFoundError, match="no ") as caught:
            get_version(registry, name, version)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
    for name in ("irsi", "o'brien", "a'b\"c"):
        with pytest.raises(NotFoundError, match="there is no model"):
            list_versions(registry, name)


def test_lists_come_in_pages(registry: Registry, package: Path) -> None:
    for number in range(5):
        push_package(registry, package, f"model-{number}")
    for number in range(4):
        push_package(registry, package, "model-0", use_case=f"case-{number}")
    names, token = [], None
    for size in (2, 2, 1):
        page = list_models(registry, limit=2, token=token)
        assert len(page.items) == size
        names += [model.name for model in page.items]
        token = page.next_token
    assert token is None
    assert names == [f"model-{number}" for number in range(5)]
    first = list_versions(registry, "model-0", limit=3)
    rest = list_versions(registry, "model-0", limit=3, token=first.next_token)
    assert [found.version for found in (*first.items, *rest.items)] == [5, 4, 3, 2, 1]
    assert rest.next_token is None
    for limit in (0, 201):
        with pytest.raises(InputError, match="limit"):
            list_models(registry, limit=limit)
    with pytest.raises(InputError, match="token"):
        list_models(registry, token="made up")


def test_a_deleted_versions_number_is_not_used_again(registry: Registry, package: Path) -> None:
    push_package(registry, package, "iris")
    delete_version(registry, "iris", 1)
    with pytest.raises(NotFoundError, match="it has none"):
        get_version(registry, "iris", 1)
    with pytest.raises(NotFoundError, match="no version 1"):
        delete_version(registry, "iris", 1)
    assert push_package(registry, package, "iris").version == 2


# At once


def test_threads_that_push_one_package_make_one_version(registry: Registry, package: Path) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(push_package(registry, package, "iris")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [version.version for version in found] == [1, 1, 1, 1]
    assert count_versions(registry, "iris") == 1


# Places that cannot be written


def test_a_cache_that_cannot_be_written_is_named(
    template: Path, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    registry = open_registry(
        copy_template(template, tmp_path / "registry"), cache=tmp_path / "file" / "cache"
    )
    with pytest.raises(OutputError, match="FEDLOOM_CACHE_DIR"):
        push_package(registry, package, "iris")


def test_artifacts_that_cannot_be_written_are_named(
    template: Path, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    url = copy_template(template, tmp_path / "registry")
    registry = open_registry(url, artifacts=tmp_path / "file" / "a", cache=tmp_path / "cache")
    with pytest.raises(OutputError, match="Not a directory") as caught:
        push_package(registry, package, "iris")
    assert "\n" not in str(caught.value)
    assert list_models(registry).items == []
