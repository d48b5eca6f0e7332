"""Everything that is made in AWS is safe while it is there, and gone whatever happens."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedloom.bench import CellStatus
from fedloom.bench.aws import clean_up, fetch_results, find_leftovers
from fedloom.bench.outcome import read_outcome
from fedloom.bench.places import RunPlace
from fedloom.errors import ConflictError, FedloomError, OutputError, RunFailedError

from .aws_paper import PaperMachines
from .aws_steps import STEPS, carry_out, steps_of
from .aws_world import World, make_provider, open_world, serve_aws, small_study

CELL = "jax-FedAvg-2"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with serve_aws() as url:
        yield url


@pytest.fixture
def world(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with open_world(aws, tmp_path, monkeypatch) as opened:
        yield opened


def test_a_run_is_safe_while_it_lasts_and_leaves_nothing(world: World) -> None:
    study = small_study(strategy=["FedAvg", "FedAdam"])
    provider = make_provider(world, study)
    with PaperMachines(world):
        outcomes = carry_out(provider, study)
    assert [(o.cell, o.status) for o in outcomes] == [
        (CELL, CellStatus.FINISHED),
        ("jax-FedAdam-2", CellStatus.FINISHED),
    ]
    assert world.left() == {}
    assert steps_of(world) == STEPS
    folder = world.folder / "results/run-1/jax/FedAvg/2"
    assert (folder / "server_log.log").read_text() == "a line\n"
    assert len(list(folder.glob("client_i_*_log.log"))) == 2
    check_network(world)
    check_machines(world)
    check_bucket(world)
    check_role(world)
    check_tags(world)


def check_network(world: World) -> None:
    (ingress,) = world.calls.of("AuthorizeSecurityGroupIngress")
    (rule,) = ingress["IpPermissions"]
    assert rule["FromPort"] == rule["ToPort"]
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [ingress["GroupId"]]
    assert "0.0.0.0/0" not in json.dumps(ingress)
    assert "::/0" not in json.dumps(ingress)
    (revoked,) = world.calls.of("RevokeSecurityGroupEgress")
    assert revoked["IpPermissions"][0]["IpProtocol"] == "-1"
    (egress,) = world.calls.of("AuthorizeSecurityGroupEgress")
    outward = [rule for rule in egress["IpPermissions"] if rule.get("IpRanges")]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in outward] == [(443, 443)]
    assert len(world.calls.of("CreateSecurityGroup")) == 1


def check_machines(world: World) -> None:
    server, clients = world.calls.of("RunInstances")
    assert (server["MinCount"], server["MaxCount"]) == (1, 1)
    assert (clients["MinCount"], clients["MaxCount"]) == (2, 2)
    for call in (server, clients):
        assert call["InstanceInitiatedShutdownBehavior"] == "terminate"
        assert call["MetadataOptions"]["HttpTokens"] == "required"
        (disk,) = call["BlockDeviceMappings"]
        assert disk["Ebs"]["Encrypted"] is True
        assert disk["Ebs"]["DeleteOnTermination"] is True
        assert call["IamInstanceProfile"]
        assert "KeyName" not in call
        script = call["UserData"]
        first, second = script.splitlines()[1:3]
        assert (first[0], second.split()[:3]) == ("#", ["shutdown", "-P", "+360"])
        for secret in ("very-secret-key", "AWS_SECRET", "AWS_ACCESS", "PRIVATE KEY", "aws_session"):
            assert secret not in script
    assert len({server["ClientToken"], clients["ClientToken"]}) == 2


def check_bucket(world: World) -> None:
    (made,) = world.calls.of("CreateBucket")
    assert made["CreateBucketConfiguration"] == {"LocationConstraint": "eu-west-1"}
    (closed,) = world.calls.of("PutPublicAccessBlock")
    assert set(closed["PublicAccessBlockConfiguration"].values()) == {True}
    (encrypted,) = world.calls.of("PutBucketEncryption")
    assert "AES256" in json.dumps(encrypted)
    assert world.calls.of("PutBucketLifecycleConfiguration")
    assert all(call.get("ACL") is None for call in world.calls.of("PutObject"))


def check_role(world: World) -> None:
    bucket = world.calls.of("CreateBucket")[0]["Bucket"]
    (made,) = world.calls.of("PutRolePolicy")
    allowed = [
        (statement["Action"], resource, statement.get("Condition"))
        for statement in json.loads(made["PolicyDocument"])["Statement"]
        for resource in [statement["Resource"]]
    ]
    home = f"arn:aws:s3:::{bucket}/runs/run-1/"
    assert allowed == [
        ("s3:GetObject", [f"{home}bundle/*", f"{home}groups/*"], None),
        ("s3:PutObject", [f"{home}groups/*", f"{home}cells/*"], None),
        (
            "s3:ListBucket",
            f"arn:aws:s3:::{bucket}",
            {"StringLike": {"s3:prefix": ["runs/run-1/*"]}},
        ),
    ]


def check_tags(world: World) -> None:
    tagged = [
        *(call["TagSpecifications"] for call in world.calls.of("RunInstances")),
        *(call["TagSpecifications"] for call in world.calls.of("CreateSecurityGroup")),
        *([{"Tags": call["Tags"]}] for call in world.calls.of("CreateRole")),
        *([{"Tags": call["Tags"]}] for call in world.calls.of("CreateInstanceProfile")),
        *([{"Tags": call["Tagging"]["TagSet"]}] for call in world.calls.of("PutBucketTagging")),
    ]
    assert len(tagged) == 6
    for specifications in tagged:
        for specification in specifications:
            tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
            assert tags["fedloom:owner"] == "fedloom"
            assert tags["fedloom:run"] == "run-1"
            assert tags["fedloom:expires"] > "20"
    kinds = {
        s["ResourceType"]
        for call in world.calls.of("RunInstances")
        for s in call["TagSpecifications"]
    }
    assert kinds == {"instance", "volume"}
    groups = [json.dumps(call["TagSpecifications"]) for call in world.calls.of("RunInstances")]
    assert all("jax-2" in text for text in groups)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateBucket", "AccessDenied"),
        ("PutBucketEncryption", "AccessDenied"),
        ("PutObject", "SlowDown"),
        ("CreateRole", "AccessDenied"),
        ("PutRolePolicy", "MalformedPolicyDocument"),
        ("CreateInstanceProfile", "LimitExceeded"),
        ("AddRoleToInstanceProfile", "AccessDenied"),
        ("CreateSecurityGroup", "SecurityGroupLimitExceeded"),
        ("AuthorizeSecurityGroupIngress", "UnauthorizedOperation"),
        ("RunInstances", "VcpuLimitExceeded"),
    ],
)
def test_what_aws_refuses_is_one_line_and_leaves_nothing(
    operation: str, code: str, world: World
) -> None:
    refuse(world, operation, code)
    study = small_study()
    with pytest.raises(FedloomError) as raised:
        carry_out(make_provider(world, study), study)
    assert code in str(raised.value)
    assert "\n" not in str(raised.value)
    assert world.left() == {}


def test_a_full_disk_is_one_line_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_to_copy(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fedloom.bench.aws.bundle.shutil.copyfile", refuse_to_copy)
    study = small_study()
    with pytest.raises(OutputError, match="No space left on device"):
        carry_out(make_provider(world, study), study)
    assert world.left() == {}


def refuse(world: World, operation: str, code: str, *, after: int = 0) -> None:
    """Let AWS refuse a call, as if it had answered so."""
    from botocore.exceptions import ClientError

    count = [0]

    def answer(model: Any, **_: Any) -> None:
        count[0] += 1
        if count[0] > after:
            raise ClientError({"Error": {"Code": code, "Message": "no more"}}, operation)

    world.cloud.session.events.register(f"before-call.*.{operation}", answer)


def test_clients_that_aws_does_not_give_end_the_server(world: World) -> None:
    refuse(world, "RunInstances", "InsufficientInstanceCapacity", after=1)
    study = small_study()
    with PaperMachines(world), pytest.raises(FedloomError, match="InsufficientInstanceCapacity"):
        carry_out(make_provider(world, study), study)
    assert len(world.calls.of("RunInstances")) == 2
    assert world.left() == {}


def test_what_cannot_be_undone_is_told_with_what_removes_it(world: World) -> None:
    refuse(world, "DeleteRole", "ServiceFailure")
    study = small_study()
    provider = make_provider(world, study)
    with PaperMachines(world), pytest.raises(RunFailedError, match="bench clean --run run-1"):
        carry_out(provider, study)
    assert list(world.left()) == ["roles"]


def test_a_server_that_never_answers_is_not_waited_for_forever(world: World) -> None:
    study = small_study()
    provider = make_provider(world, study, boot_limit_s=0.5)
    with PaperMachines(world, mute=True), pytest.raises(RunFailedError, match="did not answer"):
        carry_out(provider, study)
    assert len(world.calls.of("RunInstances")) == 1  # clients were never started
    assert world.left() == {}


def test_a_lost_client_machine_fails_its_cell_and_others_go_on(world: World) -> None:
    study = small_study(strategy=["FedAvg", "FedAdam"])
    provider = make_provider(world, study)
    with PaperMachines(world, dying=(CELL,)):
        first, second = carry_out(provider, study)
    assert first.status is CellStatus.FAILED
    assert "client_2 is" in first.reason
    assert second.status is CellStatus.FINISHED
    assert len(world.calls.of("RunInstances")) == 4  # a second set of machines
    assert list(world.left()) == ["buckets"]
    assert "bench fetch run-1" in provider.told[-1]  # type: ignore[attr-defined]


def test_missing_results_keep_the_bucket_until_they_are_fetched(world: World) -> None:
    study = small_study()
    provider = make_provider(world, study, farewell_s=0.3)
    with PaperMachines(world, silent=(CELL,)):
        carry_out(provider, study)
    assert list(world.left()) == ["buckets"]
    assert any("bench fetch run-1" in text for text in provider.told)  # type: ignore[attr-defined]
    place = RunPlace(world.folder / "results/run-1")
    found = fetch_results(world.cloud, place)
    assert (found.complete, list(found.partial), found.removed) == ((), [CELL], False)
    assert (place.path / ".aws/partial" / CELL / "server/cell.json").exists()
    with pytest.raises(ConflictError, match="still there"):
        carry_out(make_provider(world, study), study)
    assert list(world.left()) == ["buckets"]
    clean_up(world.cloud, find_leftovers(world.cloud), limit_s=30, poll_s=0.05)
    assert world.left() == {}


def test_results_that_are_not_what_was_listed_fail_the_cell(world: World) -> None:
    study = small_study()
    with PaperMachines(world, broken=(CELL,)):
        (outcome,) = carry_out(make_provider(world, study), study)
    assert outcome.status is CellStatus.FAILED
    assert "is not what its machine listed" in outcome.reason
    assert list(world.left()) == ["buckets"]


def test_the_end_of_the_time_ends_the_machines_and_leaves_the_cell(world: World) -> None:
    study = small_study()
    provider = make_provider(world, study, max_hours=2 / 3600, farewell_s=0.1)
    with PaperMachines(world, mute=True), pytest.raises(RunFailedError):
        carry_out(provider, study)
    assert world.left() == {}
    assert read_outcome(RunPlace(world.folder / "results/run-1/jax/FedAvg/2").path / "x") is None


def test_a_launcher_at_work_here_is_not_cleaned_away(world: World) -> None:
    from fedloom.bench.run_lock import lock_run

    study = small_study()
    provider = make_provider(world, study)
    provider.__enter__()
    results = world.folder / "results"
    with lock_run(results / "run-1"), pytest.raises(OutputError, match="at work"):
        clean_up(world.cloud, find_leftovers(world.cloud), results=results)
    provider.__exit__(None, None, None)
    assert world.left() == {}


def test_two_runs_are_told_apart(world: World) -> None:
    one, two = (make_provider(world, small_study(), run=run) for run in ("run-1", "run-2"))
    with one, two:
        clean_up(world.cloud, find_leftovers(world.cloud, "run-1"), limit_s=30, poll_s=0.05)
        assert {left.run for left in find_leftovers(world.cloud)} == {"run-2"}
    assert world.left() == {}


def test_where_roles_may_not_be_made_none_is(world: World) -> None:
    study = small_study()
    provider = make_provider(world, study, instance_profile="LabInstanceProfile")
    world.client("iam").create_instance_profile(InstanceProfileName="LabInstanceProfile")
    with PaperMachines(world):
        carry_out(provider, study)
    assert not [name for name in world.calls.names() if "Role" in name or "Profile" in name]
    used = {call["IamInstanceProfile"]["Name"] for call in world.calls.of("RunInstances")}
    assert used == {"LabInstanceProfile"}
    assert world.left() == {"profiles": ["LabInstanceProfile"]}


def test_spot_machines_are_asked_for_once(world: World) -> None:
    study = small_study()
    with PaperMachines(world):
        carry_out(make_provider(world, study, spot=True), study)
    for call in world.calls.of("RunInstances"):
        assert call["InstanceMarketOptions"]["SpotOptions"]["SpotInstanceType"] == "one-time"
    assert world.left() == {}


def test_the_first_region_is_not_named_as_a_place(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_world(aws, tmp_path, monkeypatch, region="us-east-1") as world:
        study = small_study()
        with PaperMachines(world):
            carry_out(make_provider(world, study), study)
        (made,) = world.calls.of("CreateBucket")
        assert "CreateBucketConfiguration" not in made
        assert world.left() == {}


def test_a_request_to_end_during_a_call_waits_for_its_answer(world: World) -> None:
    """What was made by a call that a signal came into is known, and undone."""
    study = small_study()
    provider = make_provider(world, study)
    world.cloud.session.events.register(
        "after-call.ec2.RunInstances", lambda **_: os.kill(os.getpid(), signal.SIGINT)
    )
    with PaperMachines(world), pytest.raises(KeyboardInterrupt):
        carry_out(provider, study)
    assert world.left() == {}
    assert "server-machines:making" in steps_of(world)
