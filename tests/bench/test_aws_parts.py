"""Parts of the provider on EC2 that need no AWS."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fedloom.bench import Cell
from fedloom.bench.aws import AwsOptions, Ec2Config, MachineConfig, read_ec2_config
from fedloom.bench.aws.collect import _check_name
from fedloom.bench.aws.data_file import point_to_data, write_data
from fedloom.bench.aws.journal import Journal, find_region, locate_journal, read_journal
from fedloom.bench.aws.locked import lock_requirements, refuse_unhashed
from fedloom.bench.aws.machine import MachineOrder, MachineRole
from fedloom.bench.aws.names import BUCKET_PREFIX, BucketKeys, ResourceNames
from fedloom.bench.aws.objects import describe_files
from fedloom.bench.aws.prices import bound_cost, find_price, refuse_dear
from fedloom.bench.aws.role import role_policy
from fedloom.bench.aws.user_data import render_user_data
from fedloom.bench.aws.wheel import pack_wheel
from fedloom.errors import DataError, InputError, UnknownNameError
from fedloom.experiment.split import split_dataset

from .aws_world import small_study

CELLS = [Cell("jax", "FedAvg", 2), Cell("jax", "FedAvg", 5)]


def test_a_run_costs_at_most_its_largest_group_for_all_of_its_time() -> None:
    config = Ec2Config(clients=MachineConfig(instance_type="c5.large", disk_gb=73))
    bound = bound_cost(CELLS, config, AwsOptions(max_hours=2), "us-east-1")
    server, client = 0.126 + 0.1 * 32 / 730 + 0.005, 0.085 + 0.01 + 0.005
    assert bound.machines == 6
    assert bound.usd == pytest.approx(2 * (server + 5 * client))


def test_an_unknown_price_has_to_be_said_only_under_a_limit() -> None:
    config = Ec2Config(clients=MachineConfig(instance_type="x9.huge"))
    bound = bound_cost(CELLS, config, AwsOptions(), "us-east-1")
    assert (bound.usd, bound.unknown) == (None, ("x9.huge",))
    refuse_dear(bound, AwsOptions())
    with pytest.raises(InputError, match=r"--price x9\.huge"):
        refuse_dear(bound, AwsOptions(max_cost_usd=100))
    told = AwsOptions(max_cost_usd=100, prices={"x9.huge": 1.0})
    refuse_dear(bound_cost(CELLS, config, told, "us-east-1"), told)


def test_regions_that_may_be_dearer_count_as_dearer() -> None:
    assert find_price("r5.large", {}, "us-west-2") == 0.126
    assert find_price("r5.large", {}, "sa-east-1") == pytest.approx(0.126 * 1.7)
    assert find_price("r5.large", {}, None) == pytest.approx(0.126 * 1.7)


def test_an_older_instance_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ec2_config.yaml"
    disk = "[{DeviceName: /dev/sda1, Ebs: {VolumeSize: 48, VolumeType: gp3}}]"
    path.write_text(
        "server: {ImageId: ami-0fc5d935ebf8bc3bc, InstanceType: r5.large, MinCount: 1}\n"
        f"clients: {{InstanceType: t3.large, BlockDeviceMappings: {disk}}}\n"
    )
    found = read_ec2_config(path)
    assert found.server == MachineConfig(image="ami-0fc5d935ebf8bc3bc")
    assert found.clients == MachineConfig(instance_type="t3.large", disk_gb=48)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: {}", "did you mean 'server'"),
        ("server: {SecurityGroupIds: [sg-1]}", "SecurityGroupIds"),
        ("server: {UserData: rm}", "UserData"),
        ("server: {instance_type: r5 large}", "instance_type"),
        ("server: {disk_gb: 4}", "disk_gb"),
        ("server: 3", "instance_type and the like"),
        ("clients: {BlockDeviceMappings: [{Ebs: {Encrypted: false}}]}", "Encrypted"),
        ("clients: {BlockDeviceMappings: [{Ebs: {DeleteOnTermination: false}}]}", "end"),
        ("clients: {MaxCount: 20}", "MaxCount"),
    ],
)
def test_what_is_unsafe_or_unknown_in_it_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "ec2_config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_ec2_config(path)


def test_names_are_lawful_and_differ_by_run_account_and_region() -> None:
    runs = ["2026-11-23_10-00-00", "A.b_c-" * 10, "x"]
    for run in runs:
        names = ResourceNames(run, "123456789012", "eu-west-1")
        assert names.bucket.startswith(BUCKET_PREFIX)
        assert 3 <= len(names.bucket) <= 63
        assert names.bucket == names.bucket.lower().replace("_", "-").replace(".", "-")
        assert len(names.role) <= 64
    places = [("1", "eu-west-1"), ("2", "eu-west-1"), ("1", "us-east-1")]
    assert len({ResourceNames(r, *place).bucket for r in runs for place in places}) == 9


def test_the_role_reaches_its_own_run_only() -> None:
    text = str(role_policy("aws-cn", "b", BucketKeys("r")))
    assert "arn:aws-cn:s3:::b/runs/r/" in text
    assert "'*'" not in text
    assert "Delete" not in text


def order(**changes: object) -> MachineOrder:
    given = {"run": "r", "role": MachineRole.CLIENT, "group": "jax-2", "cells": ("a", "b")}
    more = {"bucket": "bucket", "region": "eu-west-1", "port": 9092}
    return MachineOrder.model_validate({**given, **more, **changes})


def test_the_start_script_ends_the_machine_first_and_is_sound(tmp_path: Path) -> None:
    text = render_user_data(order(), sums_sha256="0" * 64, wheel="w.whl", limit_s=5400.4)
    assert text.splitlines()[2].startswith("shutdown -P +90 ")
    assert "@" not in text.replace('"$@"', "")
    path = tmp_path / "start.sh"
    path.write_text(text)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, "--severity=info", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_start_script_longer_than_aws_takes_is_refused() -> None:
    many = order(cells=tuple(f"jax-FedAvg-2-r{number}" for number in range(2000)))
    with pytest.raises(InputError, match="too many"):
        render_user_data(many, sums_sha256="0" * 64, wheel="w.whl", limit_s=60)


def test_the_wheel_holds_this_code_and_is_the_same_each_time(tmp_path: Path) -> None:
    import fedloom

    one, two = pack_wheel(tmp_path / "one"), pack_wheel(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        names = archive.namelist()
        ours = archive.read("fedloom/errors.py")
    assert ours == (Path(fedloom.__file__).parent / "errors.py").read_bytes()
    assert "fedloom/bench/aws/start.sh" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    subprocess.run([*install, "--target", str(target), str(one)], check=True, timeout=120)
    assert (target / "fedloom/bench/aws/start.sh").exists()


def test_machines_see_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive gives every client of every repeat the rows that it would have here."""
    study = small_study(repeats=2, n_client_instances=[3])
    sampled = study.plan.model_copy(update={"sample_size": 60})
    study = study.model_copy(update={"plan": sampled})
    write_data(study.plan, tmp_path / "data.npz")
    there = point_to_data(study, "data.npz")
    monkeypatch.chdir(tmp_path)
    for cell in study.cells():
        ours, theirs = split_dataset(study.plan_of(cell)), split_dataset(there.plan_of(cell))
        for one, other in zip(ours.rows, theirs.rows, strict=True):
            np.testing.assert_array_equal(one, other)
        for name in ("train_features", "train_labels", "test_features", "test_labels"):
            mine, its = getattr(ours.dataset, name), getattr(theirs.dataset, name)
            np.testing.assert_array_equal(mine, its)
            assert mine.dtype == its.dtype


def test_a_regression_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = small_study(plan={"dataset": "diabetes", "model": "mlp"})
    write_data(study.plan, tmp_path / "data.npz")
    there = point_to_data(study, "data.npz")
    monkeypatch.chdir(tmp_path)
    cell = next(study.cells())
    ours, theirs = split_dataset(study.plan_of(cell)), split_dataset(there.plan_of(cell))
    assert theirs.dataset.task is ours.dataset.task
    np.testing.assert_array_equal(ours.dataset.train_labels, theirs.dataset.train_labels)


def test_a_model_of_the_user_is_refused_before_anything_starts(tmp_path: Path) -> None:
    plan = small_study().plan.model_copy(update={"model": "nets.py:build"})
    with pytest.raises(InputError, match="--provider local"):
        write_data(plan, tmp_path / "data.npz")


def test_requirements_without_a_hash_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"# made by hand\nnumpy==2.1 \\\n    --hash=sha256:{'0' * 64}\n")
    refuse_unhashed(path)
    path.write_text(path.read_text() + "keras==3.12\n")
    with pytest.raises(InputError, match=r"keras==3\.12 has no hash"):
        refuse_unhashed(path)


def test_a_backend_whose_extra_is_not_known_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.bench.aws import locked

    about = SimpleNamespace(get_all=lambda _: [])
    monkeypatch.setattr(locked.metadata, "metadata", lambda _: about)
    with pytest.raises(InputError, match="no extra 'torch'"):
        lock_requirements(tmp_path / "requirements.txt", ["torch"], "x86_64")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "", "a\\b", "a\0b"])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="leaves its folder"):
        _check_name(name)


def test_files_are_described_with_their_hashes(tmp_path: Path) -> None:
    (tmp_path / ".server").mkdir()
    (tmp_path / ".server/secret").write_text("x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.txt").write_text("hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert describe_files(tmp_path) == {"a/b.txt": {"size": 5, "sha256": digest}}


def test_a_journal_outlives_a_torn_line(tmp_path: Path) -> None:
    journal = Journal(locate_journal(tmp_path))
    journal.note("region", "chosen", "eu-west-1")
    with journal.path.open("a") as file:
        file.write('{"what": "buck')
    assert [line["what"] for line in read_journal(journal.path)] == ["region"]
    assert find_region(tmp_path) == "eu-west-1"


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"max_hours": 0}, {"max_hours": 1000}, {"max_cost_usd": 0}, {"port": 0}):
        with pytest.raises(InputError):
            AwsOptions(**wrong)  # type: ignore[arg-type]


def test_a_study_for_another_fleet_is_refused(tmp_path: Path) -> None:
    from fedloom.bench import RunPlace
    from fedloom.bench.aws import AwsProvider

    study = small_study().model_copy(update={"fleet": "ray"})
    with pytest.raises(InputError, match="fleet=ray"):
        AwsProvider(study, RunPlace(tmp_path), Ec2Config(), AwsOptions())


def test_settings_that_do_not_exist_are_named(tmp_path: Path) -> None:
    from fedloom.bench import RunPlace
    from fedloom.bench.aws import open_provider

    with pytest.raises(UnknownNameError, match="max_hours"):
        open_provider(small_study(), RunPlace(tmp_path), lambda _: None, {"max_hour": 1})
