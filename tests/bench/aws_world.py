"""AWS on this machine: moto's server, and what plays its machines."""

from __future__ import annotations

import base64
import logging
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from socket import socket
from threading import Event, Lock, Thread
from typing import Any

import boto3
import httpx
import pytest
from botocore.loaders import Loader
from moto.server import ThreadedMotoServer

from fedloom.bench import RunPlace, Study
from fedloom.bench.aws import AwsOptions, AwsProvider, Cloud, Ec2Config, open_cloud
from fedloom.bench.study_file import make_study, write_study

REGION = "eu-west-1"
_LOADER = Loader()


@dataclass
class Calls:
    """Every call that a session made: service, operation, parameters."""

    made: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def listen(self, session: Any) -> None:
        session.events.register("provide-client-params.*.*", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.made.append((model.service_model.service_name, model.name, dict(params)))

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [params for _, name, params in self.made if name == operation]

    def names(self) -> list[str]:
        return [name for _, name, _ in self.made]


@cache
def _make_client(url: str, region: str, service: str) -> Any:
    session = boto3.Session("test", "test", region_name=region)
    return session.client(service, endpoint_url=url)


@cache
def _share_cloud(url: str, region: str) -> Cloud:
    return open_cloud(region)


@dataclass
class World:
    """AWS as a test sees it."""

    url: str
    folder: Path
    cloud: Cloud
    calls: Calls

    def client(self, service: str) -> Any:
        """A client of our own, whose calls are not noted."""
        return _make_client(self.url, self.cloud.region, service)

    def living(self) -> list[str]:
        pages = self.client("ec2").describe_instances()["Reservations"]
        return [
            one["InstanceId"]
            for page in pages
            for one in page["Instances"]
            if one["State"]["Name"] != "terminated"
        ]

    def left(self) -> dict[str, list[str]]:
        """Everything that is there beyond what an empty account has."""
        iam, ec2 = self.client("iam"), self.client("ec2")
        groups = ec2.describe_security_groups()["SecurityGroups"]
        found = {
            "machines": self.living(),
            "volumes": [v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]],
            "groups": [g["GroupId"] for g in groups if g["GroupName"] != "default"],
            "roles": [r["RoleName"] for r in iam.list_roles()["Roles"]],
            "profiles": [
                p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]
            ],
            "buckets": [b["Name"] for b in self.client("s3").list_buckets()["Buckets"]],
        }
        return {kind: names for kind, names in found.items() if names}


@contextmanager
def serve_aws() -> Iterator[str]:
    """Serve moto's AWS, empty, and yield its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        empty(url)
        yield url
    finally:
        server.stop()


def empty(url: str) -> None:
    """Forget everything that is there; it outlives the server."""
    httpx.post(f"{url}/moto-api/reset", timeout=60).raise_for_status()


@contextmanager
def open_world(
    url: str,
    folder: Path,
    patch: pytest.MonkeyPatch,
    region: str = REGION,
    *,
    shared: bool = False,
) -> Iterator[World]:
    """Point this process to a served AWS, which is left empty.

    With a session of its own, unless it is shared with other tests, which saves making clients.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "very-secret-key",
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
    patch.chdir(folder)
    # The models of the services are large, and need to be read once only.
    patch.setattr("botocore.loaders.create_loader", lambda _=None: _LOADER)
    cloud, calls = _share_cloud(url, region) if shared else open_cloud(region), Calls()
    if not shared:
        calls.listen(cloud.session)
    world = World(url, folder, cloud, calls)
    yield world
    if world.left():
        empty(url)


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_study(**options: Any) -> Study:
    plan = {"dataset": "iris", "model": "logistic", "batch_size": 16}
    given = {"backend": "jax", "strategy": ["FedAvg"], "n_client_instances": [2], "num_rounds": 2}
    return make_study({**given, "plan": plan, **options})


def quick_options(folder: Path, **options: Any) -> AwsOptions:
    """Options that bring their own wheels, and look often."""
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    for name in ("toy-1-py3-none-any.whl", "fedloom-0-py3-none-any.whl"):
        (wheels if name.startswith("toy") else folder).joinpath(name).write_bytes(name.encode())
    requirements = folder / "requirements.txt"
    requirements.write_text(f"toy==1 --hash=sha256:{'0' * 64}\n")
    quick = {
        "wheel": folder / "fedloom-0-py3-none-any.whl",
        "requirements": requirements,
        "wheels": wheels,
        "poll_s": 0.05,
        "boot_limit_s": 60.0,
        "farewell_s": 30.0,
        "end_limit_s": 30.0,
        "port": free_port(),
    }
    return AwsOptions(**{**quick, **options})


def make_provider(world: World, study: Study, *, run: str = "run-1", **options: Any) -> AwsProvider:
    place = RunPlace(world.folder / "results" / run)
    write_study(place.study, study)
    chosen = quick_options(world.folder, **options)
    told: list[str] = []
    provider = AwsProvider(study, place, Ec2Config(), chosen, cloud=world.cloud, tell=told.append)
    provider.told = told  # type: ignore[attr-defined]
    return provider


_SHIMS = {
    "shutdown": 'echo "$@" >>"$FEDLOOM_HOME/shutdown.txt"\n',
    "dnf": "exit 0\n",
    "useradd": "exit 0\n",
    "runuser": 'shift 3\nmkdir -p "$FEDLOOM_HOME/work"\nexec "$@"\n',
    "curl": """
case "${@: -1}" in
  */api/token) echo token ;;
  */instance-id) echo "$PLAYED_ID" ;;
  */local-ipv4) echo 127.0.0.1 ;;
  */ami-launch-index) echo "$PLAYED_INDEX" ;;
  *) exit 22 ;;
esac
""",
    # A virtual environment whose Python is this one, and whose pip installs nothing.
    "python3.11": """
if [ "$2" = venv ]; then
  mkdir -p "$3/bin"
  cp "$PLAYED_PYTHON_SHIM" "$3/bin/python"
fi
""",
    "aws": 'exec "$PLAYED_PYTHON" "$PLAYED_AWS" "$@"\n',
}

_PYTHON = """#!/bin/bash
if [ "$2" = pip ]; then
  echo "$@" >>"$FEDLOOM_HOME/pip.txt"
  exit 0
fi
exec "$PLAYED_PYTHON" "$@"
"""

_AWS = """
import os, sys
from pathlib import Path
import boto3
words = [w for w in sys.argv[1:] if not w.startswith("--only")]
region = words[words.index("--region") + 1]
words = [w for w in words if w not in ("--region", region, "--recursive")]
assert words[:2] == ["s3", "cp"], words
s3 = boto3.client("s3", region_name=region)
source, target = words[2:]
if target.startswith("s3://"):
    bucket, _, key = target[5:].partition("/")
    s3.upload_file(source, bucket, key)
else:
    bucket, _, prefix = source[5:].partition("/")
    for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        path = Path(target) / one["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, one["Key"], str(path))
"""


class Machines:
    """Plays the machines: runs the user data of each as a process of this machine.

    A machine whose script has called ``shutdown -P now`` is ended in moto as AWS would.
    """

    def __init__(self, world: World) -> None:
        self._world, self._over, self._lock = world, Event(), Lock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.homes: dict[str, Path] = {}
        self._shims = world.folder / "shims"
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Machines:
        self._shims.mkdir()
        for name, text in _SHIMS.items():
            path = self._shims / name
            path.write_text(f"#!/bin/bash\n{text}")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        python = self._shims / "python"
        python.write_text(_PYTHON)
        python.chmod(0o755)
        (self._shims / "aws.py").write_text(_AWS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        for machine in list(self.processes):
            self.kill(machine)

    def kill(self, machine: str) -> None:
        """End a machine's processes as a power cut would, whatever group they made themselves."""
        mark = f"PLAYED_ID={machine}".encode()
        while found := [pid for pid in _list_others() if mark in _read_environment(pid)]:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # those of it that are ours to wait for
                self.processes[machine].wait(1.0)
        self.processes[machine].wait(10)

    def lose(self, machine: str) -> None:
        """Let a machine die, as AWS sees it, too."""
        self.kill(machine)
        self._world.client("ec2").terminate_instances(InstanceIds=[machine])

    def _run(self) -> None:
        ec2 = self._world.client("ec2")
        while not self._over.wait(0.1):
            for page in ec2.describe_instances()["Reservations"]:
                for one in page["Instances"]:
                    self._play(ec2, one)

    def _play(self, ec2: Any, one: dict[str, Any]) -> None:
        machine, state = one["InstanceId"], one["State"]["Name"]
        process = self.processes.get(machine)
        if process is None and state == "running":
            self._boot(ec2, machine, one["AmiLaunchIndex"])
        elif process is not None and state == "terminated" and process.poll() is None:
            self.kill(machine)
        elif process is not None and state == "running" and process.poll() is not None:
            said = self.homes[machine] / "shutdown.txt"
            if said.exists() and "-P now" in said.read_text():
                ec2.terminate_instances(InstanceIds=[machine])

    def _boot(self, ec2: Any, machine: str, index: int) -> None:
        found = ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")
        home = self._world.folder / "machines" / machine
        home.mkdir(parents=True)
        script = home / "user-data.sh"
        script.write_bytes(base64.b64decode(found["UserData"]["Value"]))
        environment = {
            **os.environ,
            "PATH": f"{self._shims}:/usr/bin:/bin",
            "FEDLOOM_HOME": str(home),
            "PLAYED_ID": machine,
            "PLAYED_INDEX": str(index),
            "PLAYED_PYTHON": sys.executable,
            "PLAYED_PYTHON_SHIM": str(self._shims / "python"),
            "PLAYED_AWS": str(self._shims / "aws.py"),
        }
        self.homes[machine] = home
        with (home / "output.txt").open("wb") as output:
            self.processes[machine] = subprocess.Popen(
                ["/bin/bash", str(script)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def homes_with(self, name: str) -> list[Path]:
        """Homes of the machines whose work has a folder of that name."""
        return [home for home in self.homes.values() if (home / "work" / name).exists()]

    def describe(self) -> str:
        """What machines printed, for a failing test's output."""
        texts = []
        for machine, home in self.homes.items():
            for name in ("output.txt", "start.log"):
                path = home / name
                text = path.read_text()[-3000:] if path.exists() else ""
                texts.append(f"--- {machine} {name}\n{text}")
        return "\n".join(texts)


def _list_others() -> list[int]:
    own = os.getpid()
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and p.name != str(own)]


def _read_environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return []
