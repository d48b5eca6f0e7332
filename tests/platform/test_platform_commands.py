"""`fedloom task`, `node`, `model`, `token` and `package push` against a real API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.cli import main
from fedloom.cli.listing import spell
from fedloom.cli.times import read_moment
from fedloom.errors import InputError
from fedloom.platform.demo import demo_digest, demo_package
from fedloom.platform.identity import Role
from fedloom.platform.task import TaskResult, TaskStatus

from .platform_world import OWNER, World, make_public_key, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(autouse=True)
def _access(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDLOOM_URL", world.url)
    monkeypatch.setenv("FEDLOOM_TOKEN", world.admin)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def _pushed(world: World) -> None:
    arguments = ["package", "push", str(demo_package()), "--name", "iris", "--use-case", "iris"]
    assert main([*arguments, "--url", world.url, "--token", world.admin]) == 0


iris = pytest.mark.usefixtures("_pushed")


def say(capfd: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """Run a command line and return what it printed, of both kinds."""
    capfd.readouterr()
    assert main([str(word) for word in arguments]) == code, capfd.readouterr().err
    found = capfd.readouterr()
    return found.out + found.err


def read(capfd: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capfd.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def test_push_prints_name_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    printed = say(capfd, "package", "push", demo_package(), "--name", "flowers").splitlines()
    assert printed[:3] == ["name: flowers", "version: 1", f"digest: {demo_digest()}"]
    again = read(capfd, "package", "push", demo_package().parent, "--name", "flowers")
    assert (again["version"], again["kind"]) == (1, "package")
    assert again["was_there"] is True
    assert "already" not in "".join(printed)
    printed = say(capfd, "package", "push", demo_package(), "--name", "flowers").splitlines()
    assert printed[:2] == ["name: flowers", "version: 1"]
    assert "this package was there already: no new version was made" in printed
    assert "does not exist" in say(capfd, "package", "push", "none", "-n", "x", code=2)


@iris
def test_a_task_with_the_seven_names(capfd: pytest.CaptureFixture[str]) -> None:
    words = "--user_id ada --use_case iris --model_name iris --model_version 1"
    more = "--num_global_iterations 4 --run_name first --experiment_name Default"
    made = read(capfd, "task", "create", *words.split(), *more.split())
    assert (made["status"], made["num_global_iterations"], made["run_name"]) == (
        "pending",
        4,
        "first",
    )
    assert "task delete" not in say(capfd, "task", "cancel", made["id"])
    shown = say(capfd, "task", "show", made["id"])
    assert "cancelled by ada" in shown
    assert "delete" in say(capfd, "task", "delete", made["id"], "--yes")
    assert "no task" in say(capfd, "task", "show", made["id"], code=2)


@iris
def test_a_task_with_all_that_may_be_said(capfd: pytest.CaptureFixture[str]) -> None:
    made = read(
        capfd,
        *("task", "create", "--name", "iris", "--rounds", 2, "--algorithm", "fed-adam"),
        *("--param", "server_learning_rate=0.03", "--param", "beta-1=0.8", "--cohort", "0.5"),
        *("--quorum", 2, "--epochs", 3, "--learning-rate", 0.1, "--no-validate"),
        *("--deadline", "2h", "--priority", -5, "--seed", 7, "--round-timeout", 60),
    )
    assert made["algorithm"] == "FedAdam"
    assert made["algorithm_params"] == {"server_learning_rate": 0.03, "beta_1": 0.8}
    assert (made["cohort"], made["quorum"], made["priority"]) == (0.5, 2, -5)
    assert made["local"]["epochs"] == 3
    assert made["validate"] is False
    assert made["deadline"] is not None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "model_name is missing"),
        (("--name", "none"), "none"),
        (("--name", "iris", "--rounds", "-5"), "num_global_iterations"),
        (("--name", "iris", "--param", "mu"), "NAME=NUMBER"),
        (("--name", "iris", "--cohort", "many"), "--cohort 'many'"),
        (("--name", "iris", "--deadline", "soon"), "--deadline 'soon'"),
        (("--name", "iris", "--algorithm", "FedBest"), "FedBest"),
        (("--plan", "none.yaml"), "none.yaml"),
    ],
)
@iris
def test_what_is_wrong_with_a_task_is_said(
    flags: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = say(capfd, "task", "create", *flags, code=2)
    assert said in printed
    assert len(printed.splitlines()) == 1


@iris
def test_a_task_from_beginning_to_end(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = read(capfd, "task", "create", "--name", "iris", "--rounds", 2)
    number = made["id"]
    world.start(number)

    def work() -> None:
        world.add_round(number, 1, 0.5)
        world.add_round(number, 2, 0.75)
        world.store.add_log(number, "client-1", "hello\n\x1b[31mred")
        result = TaskResult(model="iris", version=1, metrics={"global_score": 0.75})
        world.store.finish_task(number, OWNER, TaskStatus.SUCCESS, result=result)

    starter = threading.Timer(0.3, work)
    starter.start()
    watched = say(capfd, "task", "watch", number)
    starter.join()
    assert "round 1/2: score 0.5000, 2 of 3 clients" in watched
    assert f"task {number}: success after 2 rounds; the result is iris version 1" in watched
    assert read(capfd, "task", "watch", number)["status"] == "success"

    assert f"\n{number} " in "\n" + say(capfd, "task", "list", "--status", "success")
    assert [t["id"] for t in read(capfd, "task", "list", "--limit", 1)] == [number]
    assert "no task fits" in say(capfd, "task", "list", "--user-id", "nobody")
    rounds = say(capfd, "task", "rounds", number).splitlines()
    assert rounds[0].split() == "round cohort size participants global score".split()
    assert rounds[2].split() == ["2", "3", "2", "0.75"]
    assert len(read(capfd, "task", "rounds", number, "--clients")) == 4
    assert len(read(capfd, "task", "rounds", number, "--clients", "--after", 1)) == 2
    log = say(capfd, "task", "logs", number)
    assert "client-1: hello\n" in log
    assert "\x1b" not in log
    assert read(capfd, "task", "logs", number)[0]["source"] == "client-1"
    assert json.loads(say(capfd, "task", "documents", number)) == []

    say(capfd, "task", "records", number, "-o", "iris.csv")
    assert len(Path("iris.csv").read_text().splitlines()) == 5
    assert "task-" in say(capfd, "task", "result", number)
    with np.load(f"task-{number}.npz") as found:
        assert len(found.files) == 2


@iris
@pytest.mark.parametrize("command", ["records", "result", "history", "download"])
def test_a_file_that_is_there_is_replaced_only_if_that_is_said(
    world: World, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    number = read(capfd, "task", "create", "--name", "iris", "--rounds", 1)["id"]
    world.start(number)
    world.add_round(number, 1, 0.5)
    done = TaskResult(model="iris", version=1)
    world.store.finish_task(number, OWNER, TaskStatus.SUCCESS, result=done)
    words: dict[str, tuple[object, ...]] = {
        "records": ("task", "records", number),
        "result": ("task", "result", number),
        "history": ("task", "history"),
        "download": ("model", "download", "iris"),
    }
    mine = Path("mine.csv")
    mine.write_text("mine")
    asked = (*words[command], "--output", mine)
    refused = say(capfd, *asked, code=2)
    assert "mine.csv exists already" in refused
    assert "--overwrite" in refused
    assert mine.read_text() == "mine"
    say(capfd, *asked, "--overwrite")
    assert mine.read_bytes()[:4] != b"mine"


@iris
def test_no_part_of_a_history_is_written_where_one_file_is_there(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("all_requests.json").write_text("mine")
    asked = ("task", "history", "--output-prefix", "all")
    assert "all_requests.json exists already" in say(capfd, *asked, code=2)
    assert not Path("all_config.json").exists()
    say(capfd, *asked, "--overwrite")
    assert Path("all_requests.json").read_text() != "mine"


@iris
def test_the_history_is_a_workload(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    number = read(capfd, "task", "create", "--name", "iris", "--rounds", 1)["id"]
    world.start(number)
    world.add_round(number, 1, 0.5)
    world.store.finish_task(number, OWNER, TaskStatus.SUCCESS, result=TaskResult())
    whole = json.loads(say(capfd, "task", "history"))
    assert set(whole) == {"config", "requests"}
    say(capfd, "task", "history", "--output", "all.json", "--output-prefix", "deep/history")
    assert json.loads(Path("all.json").read_text()) == whole
    files = [Path("deep") / f"history_{part}.json" for part in ("config", "requests")]
    assert [json.loads(file.read_text()) for file in files] == [
        whole["config"],
        whole["requests"],
    ]
    flags = ("--config", files[0], "--requests", files[1], "--gpus", 8, "--quiet")
    say(capfd, "schedule", *flags, "--output-prefix", "deep/schedule")


@iris
def test_a_failed_task_is_an_exit_code(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    made = read(capfd, "task", "create", "--name", "iris")
    assert "still pending" in say(capfd, "task", "watch", made["id"], "--wait", 0.1, code=1)
    for flags in ((), ("--clients",), ("--clients", "--after", 2)):
        assert "no round is finished" in say(capfd, "task", "rounds", made["id"], *flags)
        assert read(capfd, "task", "rounds", made["id"], *flags) == []
    world.start(made["id"])
    world.store.fail_task(made["id"], "no node holds it", OWNER)
    printed = say(capfd, "task", "watch", made["id"], code=1)
    assert "failed after 0 rounds: no node holds it" in printed


@iris
def test_interrupting_the_watching_leaves_the_task(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    number = read(capfd, "task", "create", "--name", "iris")["id"]
    world.start(number)
    world.add_round(number, 1, 0.5)
    command = [sys.executable, "-m", "fedloom", "task", "watch", str(number)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "round 1/5" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
        assert process.wait(60) == 130
    assert f"task {number} goes on; to stop it: fedloom task cancel {number}" in told
    assert world.store.get_task(number).status is TaskStatus.RUNNING


def test_nodes(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no node is known" in say(capfd, "node", "list")
    key = tmp_path / "ward.pub"
    key.write_text(make_public_key())
    assert "ward 7 is registered" in say(capfd, "node", "register", "ward 7", key)
    held = {"data": {"iris": {"rows": 60}}, "online": True}
    pem = world.store.get_node("ward 7").public_key
    versions = {"fedloom": "0.1.0"}
    world.store.upsert_node(
        "ward 7", public_key=pem, use_cases=["iris"], versions=versions, attributes=held
    )
    assert "online" in say(capfd, "node", "list")
    assert "iris      ward 7  60    online" in say(capfd, "node", "list", "--data")
    assert read(capfd, "node", "list", "--data")["iris"][0]["rows"] == 60
    assert "fedloom=0.1.0" in say(capfd, "node", "show", "ward 7")
    assert read(capfd, "node", "show", "ward 7")["registered"] is True
    assert "ward 7 is removed" in say(capfd, "node", "remove", "ward 7", "-y")
    assert "ward 7" in say(capfd, "node", "show", "ward 7", code=2)


@iris
def test_models(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "iris" in say(capfd, "model", "list")
    assert demo_digest()[:16] in say(capfd, "model", "versions", "iris")
    assert read(capfd, "model", "show", "iris")["version"] == 1
    assert "as it was pushed" in say(capfd, "model", "lineage", "iris", 1)
    assert read(capfd, "model", "lineage", "iris") == []
    assert "iris-1.npz" in say(capfd, "model", "download", "iris")
    say(capfd, "model", "download", "iris", 1, "--package", "-o", "deep/iris.tgz")
    pushed = read(capfd, "package", "push", "deep/iris.tgz", "--name", "second")
    assert pushed["digest"] == demo_digest()
    assert "is deleted" in say(capfd, "model", "delete", "second", 1, "--yes")
    assert "second" in say(capfd, "model", "show", "second", 1, code=2)


def test_tokens(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    words = ["token", "create", "laptop", "--user-id", "bob", "--expires", "30d"]
    assert main(words) == 0
    made = capfd.readouterr()
    secret = made.out.strip()
    assert secret.startswith("flm_")
    assert secret not in made.err
    file = tmp_path / "secret"
    file.write_text(made.out)
    assert "no task" in say(capfd, "task", "list", "--user-id", "bob", "--token", f"@{file}")
    refused = say(capfd, "task", "delete", "--all", "-y", "--token", secret, code=1)
    assert "viewer" in refused
    assert secret not in refused
    listed = read(capfd, "token", "list")
    number = next(t["id"] for t in listed if t["user_id"] == "bob")
    assert secret not in json.dumps(listed)
    assert "until" in say(capfd, "token", "list")
    say(capfd, "token", "revoke", number)
    assert "revoked" in say(capfd, "token", "list")
    assert "FEDLOOM_TOKEN" in say(capfd, "token", "list", "--token", secret, code=1)
    assert "none" in say(capfd, "task", "list", "--token", "@none", code=2)
    assert "researcher" in say(capfd, "token", "create", "x", "--role", "root", code=2)


def test_asking_first(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", _refuse)
    say(capfd, "task", "delete", "--all", code=130)
    assert "or --all" in say(capfd, "task", "delete", code=2)


def _refuse(_question: str, *, abort: bool) -> None:
    assert abort
    raise KeyboardInterrupt


@iris
def test_names_and_numbers_are_completed(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    number = str(read(capfd, "task", "create", "--name", "iris")["id"])

    def complete(words: str) -> str:
        variables = {
            "_FEDLOOM_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        command = [sys.executable, "-m", "fedloom"]
        ended = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=60
        )
        return ended.stdout

    assert "iris" in complete("fedloom model show ").split()
    assert number in complete("fedloom task show ").split()


def test_where_nobody_is(capfd: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    printed = say(capfd, "task", "list", "--url", "http://127.0.0.1:9", "--timeout", "0.5", code=1)
    assert "cannot be reached" in printed
    assert time.monotonic() - begun < 30
    assert "without TLS" in say(capfd, "task", "list", "--url", "http://x.org", code=2)


def test_viewers_see_and_change_nothing(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    secret = world.token(Role.VIEWER, "vera")
    say(capfd, "model", "list", "--token", secret)
    said = say(capfd, "package", "push", demo_package(), "-n", "x", "--token", secret, code=1)
    assert "vera is a viewer" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (0.123456, "0.1235"),
        ({"a": [1, 2]}, "a=1, 2"),
        ("a\nb", "a b"),
        ((), "–"),
    ],
)
def test_values_on_one_line(value: object, text: str) -> None:
    assert spell(value) == text


@pytest.mark.parametrize("text", ["", "2 fortnights", "h", "1e99d", "2030-13-01", "999999999999d"])
def test_times_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="--expires"):
        read_moment("--expires", text)
