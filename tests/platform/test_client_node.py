"""A whole node with a fake transport: real packages in real children, good ones and bad ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Timer
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from fedloom.errors import ConflictError
from fedloom.fleet.flower.handlers import keras_settings, package_settings
from fedloom.fleet.flower.messages import (
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Train,
    Trained,
)
from fedloom.package.archive import create_archive
from fedloom.package.signing import make_key, sign_digest
from fedloom.platform.client.audit_check import verify_audit
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config
from fedloom.platform.client.sandbox import Isolation, find_isolation
from fedloom.platform.client.sandbox.leftovers import find_confined

FOUND = find_isolation()
needs_namespaces = pytest.mark.skipif(
    not FOUND.namespaces, reason=f"no user namespaces here: {dict(FOUND.lacking)}"
)

TRAIN = """
import os, sys
import numpy as np
from fedloom.package.helpers import get_helper, save_metadata
helper = get_helper("numpyhelper")
weights = helper.load(sys.argv[1])
rows = open(os.environ["FEDLOOM_DATA_PATH"]).read().splitlines()[1:]
helper.save([w + STEP for w in weights], sys.argv[2])
save_metadata({"num_examples": len(rows), "loss": 0.123456, "secret": {"mean": 7}}, sys.argv[2])
"""
VALIDATE = """
import json, sys
json.dump({"accuracy": 0.987654, "loss": 0.5, "secret": {"mean": 7}}, open(sys.argv[2], "w"))
"""
WEIGHTS = [np.zeros((3, 2), np.float32), np.zeros(2, np.float32)]


class World:
    """A folder with data, a registry of archives, and at most one node at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archives, self.packed = folder, dict[str, Path](), 0
        self.fetched: list[str] = []
        self.node: ClientNode | None = None
        rows = "".join(f"{i},{i + 1},{i % 2}\n" for i in range(40))
        (folder / "data.csv").write_text(f"a,b,label\n{rows}")
        (folder / "other.csv").write_text("a,b,label\n1,2,0\n3,4,1\n")
        self.configure()
        self.allow(mode="allow", network={"install": False})

    def configure(self, **demo: Any) -> None:
        sources = {
            "demo": {"path": "data.csv", "label": "label"} | demo,
            "other": {"path": "other.csv", "label": "label"},
        }
        text = yaml.safe_dump({"name": "n1", "state": "state", "datasets": sources})
        (self.folder / "node.yaml").write_text(text)

    def allow(self, **policy: Any) -> None:
        place = self.folder / "state" / "policy.yaml"
        place.parent.mkdir(exist_ok=True)
        place.write_text(yaml.safe_dump(policy))

    def open(self, isolation: Isolation = FOUND) -> ClientNode:
        self.close()
        config = load_node_config(self.folder / "node.yaml", environment={})
        self.node = ClientNode(config, self.fetch, isolation=isolation)
        return self.node

    def close(self) -> None:
        if self.node is not None:
            self.node.close()
            self.node = None

    def fetch(self, settings: Mapping[str, Any], target: Path) -> None:
        digest = settings["package"]["digest"]
        self.fetched.append(digest)
        shutil.copyfile(self.archives[digest], target)

    def pack(self, train: str = "", **scripts: str) -> dict[str, Any]:
        """Pack scripts by entry point, and return the settings of a task with them."""
        self.packed += 1
        folder = self.folder / f"package{self.packed}"
        folder.mkdir()
        given = {"train": train or TRAIN.replace("STEP", "1"), "validate": VALIDATE} | scripts
        entry_points = {name: f"python {name}.py" for name in given}
        (folder / "fedloom.yaml").write_text(yaml.safe_dump({"entry_points": entry_points}))
        for name, script in given.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(script))
        archive = create_archive(folder, self.folder / f"{folder.name}.tgz")
        self.archives[archive.sha256] = archive.path
        return package_settings(folder.name, archive.sha256, "demo")

    def describe(self, settings: Mapping[str, Any], task: str = "t") -> Description:
        answer = self.require().handle(Describe(task, settings), Event())
        assert isinstance(answer, Description)
        json.dumps(asdict(answer))
        return answer

    def train(
        self,
        settings: Mapping[str, Any],
        number: int = 1,
        task: str = "t",
        stop: Event | None = None,
    ) -> Any:
        order = Train(task, settings, number, 0, 7, "none", WEIGHTS)
        return self.require().handle(order, stop or Event())

    def evaluate(self, settings: Mapping[str, Any], number: int = 1, task: str = "t") -> Any:
        return self.require().handle(Evaluate(task, settings, number, 0, WEIGHTS), Event())

    def forget(self, task: str = "t") -> None:
        assert self.require().handle(Forget(task), Event()) == Done()

    def require(self) -> ClientNode:
        return self.node or self.open()

    def audit(self, event: str = "") -> list[dict[str, Any]]:
        lines = (self.folder / "state" / "audit.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        return [line for line in found if event in ("", line["event"])]

    def leftovers(self) -> list[str]:
        work = self.folder / "state" / "work"
        return [str(p) for p in work.iterdir()] + [str(p) for p in find_confined(work)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path.resolve())
    yield made
    made.close()
    assert made.leftovers() == []
    report = verify_audit(made.folder / "state" / "audit.jsonl")
    assert report.intact, report.fault


def test_a_task_from_beginning_to_end(world: World) -> None:
    world.allow(
        mode="allow",
        redaction={"drop": ["secret*"], "rounded": {"*": 2}},
        network={"install": False},
    )
    settings = world.pack()
    told = world.describe(settings)
    assert (told.takes_part, told.num_examples) == (True, 32)
    assert world.fetched == []
    for number in (1, 2):
        done = world.train(settings, number)
        assert isinstance(done, Trained), done
        assert all((w == 1).all() for w in done.weights)
        assert (done.num_examples, done.metrics, done.train_loss) == (40, {"loss": 0.12}, 0.12)
        scored = world.evaluate(settings, number)
        assert isinstance(scored, Evaluated), scored
        assert scored.document == scored.scalars == {"accuracy": 0.99, "loss": 0.5}
    assert len(world.fetched) == 1
    world.forget()
    assert world.leftovers() == []
    events = [(line["event"], line.get("verb")) for line in world.audit()]
    assert events == [
        ("opened", None),
        ("described", "query.describe"),
        *[("started", "train"), ("finished", "train")],
        *[("started", "evaluate"), ("finished", "evaluate")],
        *[("started", "train"), ("finished", "train")],
        *[("started", "evaluate"), ("finished", "evaluate")],
        ("forgot", None),
    ]
    finished = world.audit("finished")[0]
    assert (finished["outcome"], finished["bytes_out"], finished["num_examples"]) == (
        "done",
        32,
        40,
    )
    started = world.audit("started")[0]
    assert started["digest"] == settings["package"]["digest"]
    assert (started["bytes_in"], started["decision"]) == (32, "all code is allowed")
    text = (world.folder / "state" / "audit.jsonl").read_text()
    for word in ("accuracy", "loss", "secret", "0.987654", "0.123456"):
        assert word not in text.replace(settings["package"]["digest"], "")


def test_by_default_nothing_runs(world: World) -> None:
    (world.folder / "state" / "policy.yaml").unlink()
    settings = world.pack("open('/tmp/ran', 'w')")
    told = world.describe(settings)
    assert not told.takes_part
    assert "not among what this node's owner allows" in told.reason
    assert (told.num_examples, told.attributes) == (0, {})
    refused = world.train(settings)
    assert isinstance(refused, Failed)
    assert refused.failure == "rejected"
    assert world.fetched == []
    assert [line["reason"] for line in world.audit("refused")] == [refused.reason]
    model = {"trainer": "keras", "use_case": "demo", "training": {"model": "mlp"}}
    assert not world.describe(model).takes_part


@pytest.mark.parametrize("mode", ["deny", "ask", "allow"])
def test_a_node_without_the_use_case_says_that_it_has_no_part_and_not_that_it_refuses(
    world: World, mode: str
) -> None:
    world.allow(mode=mode, use_cases=["demo", "missing"])
    settings = world.pack()
    told = {}
    for use_case in ("missing", "other"):  # it has none of one, and keeps the other to itself
        asked = settings | {"use_case": use_case}
        told[use_case] = world.describe(asked, use_case).reason
        answer = world.train(asked, task=use_case)
        assert (answer.failure, answer.reason) == ("rejected", told[use_case])
    assert told == {
        "missing": "it has no part in the use case 'missing'",
        "other": "it has no part in the use case 'other'",
    }
    assert dict(world.require().policy.pending()) == {}
    assert world.fetched == []
    assert list(world.require().about()["use_cases"]) == ["demo"]


def test_asking_first(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fedloom.platform.client")
    world.allow(mode="ask", network={"install": False})
    settings = world.pack()
    for _ in range(2):
        assert "waits for the approval" in world.describe(settings).reason
    assert caplog.text.count("waits for the approval") == 1, "the owner reads it in the log, once"
    assert world.train(settings).failure == "rejected"
    digest = settings["package"]["digest"]
    assert list(world.require().policy.pending()) == [digest]
    world.require().policy.approve(digest[:8])
    assert world.describe(settings).takes_part
    assert isinstance(world.train(settings), Trained)
    world.require().policy.refuse(digest)
    assert "was refused" in world.train(settings, 2).reason
    world.forget()


def test_signed_packages(world: World, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key.pem")
    world.allow(trusted_keys=[key], network={"install": False})
    settings = world.pack()
    assert not world.describe(settings).takes_part
    signature = sign_digest(settings["package"]["digest"], tmp_path / "key.pem").describe()
    signed = settings | {"package": settings["package"] | {"signatures": [signature]}}
    assert world.describe(signed).takes_part
    assert isinstance(world.train(signed), Trained)
    other = world.pack(TRAIN.replace("STEP", "3"))
    forged = other | {"package": other["package"] | {"signatures": [signature]}}
    assert not world.describe(forged, "u").takes_part
    assert world.train(forged, task="u").failure == "rejected"


def test_what_the_owner_changes_counts_for_the_next_order(world: World) -> None:
    settings = world.pack()
    assert isinstance(world.train(settings), Trained)
    world.allow(mode="deny")
    assert world.train(settings, 2).failure == "rejected"
    world.allow(mode="allow", entry_points=["train"])
    assert isinstance(world.train(settings, 3), Trained)
    assert "'validate'" in world.evaluate(settings, 3).reason
    (world.folder / "state" / "policy.yaml").write_text("mode: [")
    refused = world.train(settings, 4)
    assert refused.failure == "rejected"
    assert str(world.folder) not in refused.reason


@pytest.mark.parametrize("wrong", ["other", "damaged", "raises", "missing", "path"])
def test_only_the_archive_that_was_allowed_runs(world: World, wrong: str) -> None:
    settings, other = world.pack(), world.pack("open('ran', 'w')")
    digest = settings["package"]["digest"]
    if wrong == "other":
        world.archives[digest] = world.archives[other["package"]["digest"]]
    elif wrong == "damaged":
        path = world.archives[digest]
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif wrong == "raises":
        del world.archives[digest]
    elif wrong == "missing":
        world.archives[digest].unlink()
    else:
        settings = settings | {"package": {"name": "p", "digest": "../../../etc/passwd"}}
    refused = world.train(settings)
    assert isinstance(refused, Failed)
    assert refused.failure == "rejected"
    assert str(world.folder) not in refused.reason
    assert world.leftovers() == []
    assert isinstance(world.train(world.pack(TRAIN.replace("STEP", "2")), task="next"), Trained)


BAD = {
    "raises": ("raise ValueError('no rows')", "error", "no rows"),
    "nothing": ("pass", "error", "not written"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "lost", "SIGKILL"),
    "nan": (TRAIN.replace("w + STEP", "w * float('nan')"), "diverged", "NaN"),
    "memory": ("bytearray(2 << 30)", "error", "ran out of memory"),
    "file": ("open('big', 'wb').write(bytes(40 << 20))", "error", "File too large"),
    "network": (
        "import socket; socket.create_connection(('10.1.2.3', 80), 5)",
        *("error", "train ended with exit code 1"),
    ),
    "outside": (
        "open('../../../../stolen', 'w')",
        *("error", "train ended with exit code 1"),
    ),
    "trap": (
        "import os, sys; os.symlink(os.path.abspath('../../../policy.yaml'), sys.argv[2])",
        *("error", "no plain file"),
    ),
    "hang": ("import time; time.sleep(60)", "timeout", "time limit"),
    "forks": (
        "import os, time\nfor _ in range(100):\n    if not os.fork(): time.sleep(20); os._exit(0)\n"
        "time.sleep(20)",
        *("lost", ""),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_package_fails_and_the_next_task_does_not_meet_it(world: World, name: str) -> None:
    script, failure, reason = BAD[name]
    limits = {"memory": "900MiB", "file": "10MiB", "processes": 40}
    limits |= {"time_s": 1.5} if name == "hang" else {}
    world.allow(mode="allow", limits=limits, network={"install": False})
    failed = world.train(world.pack(script), task="bad")
    assert isinstance(failed, Failed), failed
    if name == "forks" and os.getuid() != 0:  # there the system itself refuses to fork
        failure = "error"
    assert (failed.failure, reason in failed.reason) == (failure, True), failed
    assert str(world.folder) not in failed.reason + "".join(failed.tail)
    assert world.audit("finished")[-1]["outcome"] == failure
    assert not (world.folder / "stolen").exists()
    world.forget("bad")
    assert world.leftovers() == []
    done = world.train(world.pack(TRAIN.replace("STEP", "5")), task="good")
    assert isinstance(done, Trained), done
    assert float(done.weights[0][0, 0]) == 5.0


def test_the_next_task_never_runs_the_code_of_the_one_before(world: World) -> None:
    first = world.pack(TRAIN.replace("STEP", "1"))
    second = world.pack(TRAIN.replace("STEP", "2"))
    broken = world.pack(startup="raise SystemExit(3)")
    for task, settings, expected in (("a", first, 1.0), ("b", broken, None), ("c", second, 2.0)):
        for number in (1, 2):
            done = world.train(settings, number, task)
            if expected is None:
                assert isinstance(done, Failed)
                assert "startup" in done.reason
            else:
                assert float(done.weights[0][0, 0]) == expected
    again = world.train(second, 1, "a2")
    assert float(again.weights[0][0, 0]) == 2.0


@needs_namespaces
def test_a_package_sees_its_own_data_and_no_secrets(world: World, monkeypatch: Any) -> None:
    monkeypatch.setenv("FEDLOOM_CLIENT_TOKEN", "s3cret")
    script = f"""
        import os, sys
        from pathlib import Path
        base = Path({str(world.folder)!r})
        seen = [p.read_text() for p in (base / "other.csv", base / "state/policy.yaml",
                base / "state/audit.jsonl") if p.exists()]
        assert not any(seen), seen
        assert "s3cret" not in str(os.environ)
        for name in ("SCALEOUT_DATA_PATH", "FEDN_DATA_PATH", "FEDLOOM_DATA_PATH"):
            assert os.environ[name] == str(base / "data.csv"), name
        assert os.environ["FEDLOOM_NUM_CLIENTS"] == "1"
        Path(os.environ["TMPDIR"], "x").write_text("x")
        Path(os.environ["HOME"], "x").write_text("x")
    """
    done = world.train(world.pack(textwrap.dedent(script) + TRAIN.replace("STEP", "1")))
    assert isinstance(done, Trained), done


def test_packages_may_get_arrays(world: World) -> None:
    world.configure(give="npz", classes=["0", "1", "2"])
    script = """
import os, sys
import numpy as np
from fedloom.package.helpers import get_helper, save_metadata
helper = get_helper("numpyhelper")
data = np.load(os.environ["FEDLOOM_DATA_PATH"])
helper.save(helper.load(sys.argv[1]), sys.argv[2])
save_metadata({"num_examples": len(data["x_train"]), "test": len(data["y_test"])}, sys.argv[2])
"""
    done = world.train(world.pack(script))
    assert isinstance(done, Trained), done
    assert (done.num_examples, done.metrics) == (32, {"test": 8})
    assert world.describe(world.pack()).attributes["classes"] == 3


@needs_namespaces
@pytest.mark.parametrize("allowed", [False, True])
def test_the_network_in_startup_is_the_owners_choice(world: World, allowed: bool) -> None:
    world.allow(mode="allow", network={"startup": allowed, "install": False})
    count = "import os; count = open('/proc/net/dev').read().count(':')\n"
    settings = world.pack(
        f"{count}assert count == 1, count\n" + TRAIN.replace("STEP", "1"),
        startup=f"{count}print('interfaces', count); assert (count > 1) == {allowed}",
    )
    if Path("/proc/net/dev").read_text().count(":") < 2:
        pytest.skip("this machine has no network to keep from anyone")
    done = world.train(settings)
    assert isinstance(done, Trained), done


def test_startup_may_be_forbidden(world: World) -> None:
    world.allow(mode="allow", entry_points=["train"], network={"install": False})
    refused = world.train(world.pack(startup="open('ran', 'w')"))
    assert refused.failure == "rejected"
    assert "'startup' is not among" in refused.reason


def test_too_few_rows(world: World) -> None:
    world.configure(min_examples=33)
    settings = world.pack()
    told = world.describe(settings)
    assert (told.takes_part, told.num_examples) == (False, 0)
    assert "fewer than the 33 rows" in told.reason
    assert world.train(settings).failure == "rejected"
    assert world.fetched == []
    world.close()
    world.configure(min_examples=20)
    script = TRAIN.replace("STEP", "1").replace("len(rows)", "3")
    refused = world.train(world.pack(script))
    assert refused.failure == "rejected"
    assert "trained on fewer than the 20 rows" in refused.reason


def test_nothing_tells_where_data_lie(world: World) -> None:
    settings = world.pack()
    assert str(world.folder) not in json.dumps(asdict(world.describe(settings)))
    assert "label_counts" not in world.describe(settings).attributes
    (world.folder / "data.csv").write_text("a,b,label\n1,x,0\n")
    told = world.describe(settings)
    assert not told.takes_part
    assert "cannot be read" in told.reason
    refused = world.train(settings)
    assert refused.failure == "rejected"
    assert str(world.folder) not in told.reason + refused.reason
    unknown = settings | {"use_case": "nobody's"}
    assert "other" not in world.describe(unknown).reason


def test_label_counts_if_the_owner_shares_them(world: World) -> None:
    world.configure(share_label_counts=True)
    counts = world.describe(world.pack()).attributes["label_counts"]
    assert counts == {"0": 16, "1": 16}


def test_who_a_node_is(world: World) -> None:
    told = world.describe({})
    assert not told.takes_part
    assert told.attributes["use_cases"] == {
        "demo": {"rows": 32, "test_rows": 8, "classes": 2},
    }
    assert {"fedloom", "python", "isolation", "audit_head"} < set(told.attributes)
    (world.folder / "other.csv").write_text("a,b,label\n" + "1,2,0\n3,4,1\n" * 4)
    assert set(world.describe({}).attributes["use_cases"]) == {"demo", "other"}
    world.allow(use_cases=["oth*"])
    assert set(world.describe({}).attributes["use_cases"]) == {"other"}


def test_cancelling_stops_the_child(world: World) -> None:
    stop = Event()
    timer = Timer(1.0, stop.set)
    timer.start()
    begun = monotonic()
    done = world.train(world.pack("import time; time.sleep(60)"), stop=stop)
    timer.join()
    assert isinstance(done, Failed)
    assert done.failure == "timeout"
    assert monotonic() - begun < 50


def test_without_an_audit_log_nothing_runs_and_refusals_still_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, node = world.pack(), world.open()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fedloom.platform.client.audit._write_whole", full)
        assert "audit log cannot be written" in world.describe(settings).reason
        refused = world.train(settings)
        assert refused.failure == "rejected"
        assert "audit log cannot be written" in refused.reason
        world.allow(mode="deny")
        assert "not among what" in world.train(settings).reason
        assert world.fetched == []
        world.forget()
    world.allow(mode="allow", network={"install": False})
    assert world.node is node
    assert world.describe(settings).takes_part
    assert isinstance(world.train(settings), Trained)


def test_what_cannot_be_noted_does_not_leave(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = world.pack()
    world.train(settings)
    from fedloom.platform.client import audit

    write, calls = audit._write_whole, []

    def fill_up(*args: Any) -> None:
        calls.append(args)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(audit, "_write_whole", fill_up)
        assert world.train(settings, 2).failure == "rejected"


def test_settings_that_make_no_sense(world: World) -> None:
    world.open()
    for settings in ({}, {"trainer": "toy"}, {"trainer": "package", "use_case": "demo"}):
        assert not world.describe(settings).takes_part
        assert world.train(settings).failure == "rejected"


def test_an_owner_may_insist_on_isolation(world: World) -> None:
    world.allow(mode="allow", require_isolation=True)
    settings = world.pack()
    world.open(replace(FOUND, namespaces=False, landlock=False, seccomp=False))
    assert "cannot isolate packages" in world.describe(settings).reason
    assert world.train(settings).failure == "rejected"
    assert world.require().isolation.describe() == {
        **{"network": False, "writing": False, "reading": False}
    }


def test_without_any_isolation_packages_still_run(world: World) -> None:
    world.open(Isolation())
    done = world.train(world.pack())
    assert isinstance(done, Trained), done


def test_one_state_is_one_nodes(world: World) -> None:
    node = world.open()
    with pytest.raises(ConflictError, match="another node uses"):
        ClientNode(node.config, world.fetch, isolation=FOUND)
    world.close()
    world.open()


NODE = """
import shutil
import sys
from pathlib import Path
from threading import Event
import numpy as np
from fedloom.fleet.flower.handlers import package_settings
from fedloom.fleet.flower.messages import Train
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config
config = load_node_config(Path(sys.argv[1]))
node = ClientNode(config, lambda settings, target: shutil.copyfile(sys.argv[2], target))
settings = package_settings("p", sys.argv[3], "demo")
print("ready", flush=True)
node.handle(Train("t", settings, 1, 0, 7, "none", [np.zeros(2, np.float32)]), Event())
"""


@needs_namespaces
def test_a_node_that_is_killed_leaves_nothing_to_the_next(world: World) -> None:
    script = "import os, time\nos.fork() or os.setsid()\ntime.sleep(120)"
    settings = world.pack(script)
    digest = settings["package"]["digest"]
    arguments = [str(world.folder / "node.yaml"), str(world.archives[digest]), digest]
    process = subprocess.Popen([sys.executable, "-c", NODE, *arguments], stdout=subprocess.PIPE)
    work = world.folder / "state" / "work"
    until = monotonic() + 30
    while len(find_confined(work) if work.exists() else []) < 2:
        assert monotonic() < until, "the package did not start"
        sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    left = find_confined(work)
    assert len(left) >= 2
    world.open()
    assert world.leftovers() == []
    assert not any(psutil.pid_exists(pid) and _lives(pid) for pid in left)
    assert isinstance(world.train(world.pack()), Trained)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


REMOVE_AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from fedloom.platform.client.remove import remove_tree

base = Path(sys.argv[1])
folder = base / "work"
if os.getuid() == 0:  # whom rights do not bind
    for place in (base, *base.rglob("*")):
        os.chown(place, 1234, 1234, follow_symlinks=False)
    os.setgid(1234)
    os.setuid(1234)
for name in ("a", "b"):
    for place in ("inner/deep", "inner", ""):
        (folder / name / place).chmod(0)
remove_tree(folder)
sys.exit(folder.exists())
"""


def test_what_a_package_makes_unreadable_is_removed() -> None:
    base = Path(mkdtemp(prefix="fedloom-remove-"))
    folder = base / "work"
    for name in ("a", "b"):
        (folder / name / "inner" / "deep").mkdir(parents=True)
        (folder / name / "inner" / "deep" / "file").touch()
    (folder / "link").symlink_to("/etc")
    command = [sys.executable, "-c", REMOVE_AS_ANOTHER_USER, str(base)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert Path("/etc/passwd").exists()
    base.rmdir()


def test_models_of_our_own(
    world: World, compiled_once: None, make_training: Callable[[], Any]
) -> None:
    from fedloom.federation.algorithm import build_algorithm

    world.allow(models=["mlp"], redaction={"rounded": {"train_loss": 1}})
    algorithm = build_algorithm("FedAvg", clients=1, cohort=1)
    settings = keras_settings(make_training(), algorithm, "demo")
    assert world.describe(settings).takes_part
    weights = [np.zeros(shape, np.float32) for shape in ((2, 4), (4,), (4, 2), (2,))]
    order = Train("t", settings, 1, 0, 7, "none", weights)
    done = world.require().handle(order, Event())
    assert isinstance(done, Trained), done
    assert done.num_examples == 32
    assert done.train_loss == round(done.train_loss or 0.0, 1)
    scored = world.require().handle(Evaluate("t", settings, 1, 0, weights), Event())
    assert isinstance(scored, Evaluated), scored
    assert set(scored.scalars) == {"loss", "score"}
    other = keras_settings(replace(make_training(), model="cnn"), algorithm, "demo")
    assert not world.describe(other).takes_part
    world.forget()


@pytest.fixture
def make_training() -> Callable[[], Any]:
    from fedloom.learning.local_training import LocalTraining

    return lambda: LocalTraining("mlp", (4,), 1, 1, 8, "sgd", 0.1)


def test_the_sandbox_leaves_python_as_it_is(world: World) -> None:
    """An archive with what packages may hold: folders, data of their own, a module."""
    folder = world.folder / "larger"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "__init__.py").write_text("STEP = 4\n")
    (folder / "fedloom.yaml").write_text("entry_points:\n  train: cd . && python -m inner.run\n")
    (folder / "inner" / "run.py").write_text(f"from inner import STEP\n{TRAIN}")
    archive = create_archive(folder, world.folder / "larger.tgz")
    world.archives[archive.sha256] = archive.path
    done = world.train(package_settings("larger", archive.sha256, "demo"))
    assert isinstance(done, Trained), done
    assert float(done.weights[0][0, 0]) == 4.0
    shutil.rmtree(folder)
