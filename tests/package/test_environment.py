from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from time import monotonic, sleep

import pytest

from fedloom.errors import PackageError
from fedloom.files import output_errors
from fedloom.package.environment import (
    PackageEnvironment,
    build,
    describe_environment,
    prepare_environment,
    shim_folder,
)
from fedloom.package.environment.lock import hold_lock
from fedloom.package.project import Project

SOURCE = Path(__file__).parents[2] / "src"
SMALL = "name: small one\ndependencies:\n  - six==1.16.0\n  - fedn>=0.9\n  - scaleoututil\n"

FAKE_UV = """\
#!/bin/sh
# Stands in for uv: takes its time, and leaves an environment that looks right.
folder=
for folder; do :; done
case " $* " in
  *" venv "*)
    echo "started"
    mkdir -p "$folder/bin" "$folder/lib/python3/site-packages"
    ln -s /bin/sh "$folder/bin/python"
    echo "venv" >> "$FAKE_LOG"
    sleep "${FAKE_SLEEP:-0}"
    ;;
  *" pip "*)
    { echo "$*"; cat; echo; } >> "$FAKE_LOG"
    if [ -n "$FAKE_FAILURE" ]; then echo "$FAKE_FAILURE"; exit 3; fi
    ;;
esac
"""

PREPARE = """\
import sys
from pathlib import Path
from fedloom.package.environment import build, prepare_environment
from fedloom.package.project import Project
folder, cache, uv = sys.argv[1:]
if uv:
    build.find_uv = lambda: Path(uv)
project = Project(Path(folder), Path("fedloom.yaml"), Path("python_env.yaml"), {}, ())
environment = prepare_environment(project, cache_dir=Path(cache))
print(environment.created, environment.python)
"""


def make_project(folder: Path, text: str | None = SMALL) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (folder / "python_env.yaml").write_text(text, "utf-8")
    python_env = None if text is None else Path("python_env.yaml")
    return Project(folder, folder / "fedloom.yaml", python_env, {}, ())


def start_preparing(project: Project, cache: Path, uv: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, str(project.folder), str(cache), str(uv or "")],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(environment: PackageEnvironment, code: str, base: Mapping[str, str] = os.environ) -> str:
    """Run code by the name `python`, as a package's commands do, away from our sources."""
    variables = {name: value for name, value in base.items() if name != "PYTHONPATH"}
    return subprocess.run(
        ["python", "-c", code],
        env=environment.variables(variables),
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a cache")


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> tuple[Project, PackageEnvironment, list[str]]:
    lines: list[str] = []
    project = make_project(tmp_path_factory.mktemp("small") / "a client")
    return project, prepare_environment(project, cache_dir=cache, on_line=lines.append), lines


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "uv"
    path.write_text(FAKE_UV)
    path.chmod(0o755)
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(build, "find_uv", lambda: path)
    return path


def await_file(path: Path) -> None:
    deadline = monotonic() + 20
    while not path.exists():
        assert monotonic() < deadline, f"{path} did not appear"
        sleep(0.02)


# Real environments


def test_an_environment_holds_what_the_file_asks_for_and_our_helpers(
    small: tuple[Project, PackageEnvironment, list[str]], cache: Path
) -> None:
    _, environment, lines = small
    assert environment.created
    assert environment.folder is not None
    assert environment.folder.parent == cache / "environments"
    assert environment.folder.name.startswith("small-one-")
    assert any("six==1.16.0" in line for line in lines)
    assert not any("fedn" in line or "scaleout" in line for line in lines)
    code = (
        "import six, numpy, sys; from scaleoututil.helpers.helpers import get_helper; "
        "import importlib.metadata as m; names = {d.name for d in m.distributions()}; "
        "print(sys.prefix, six.__version__, get_helper('numpyhelper').name, "
        "names & {'fedn', 'fedloom', 'scaleoututil', 'typer'})"
    )
    assert ask(environment, code) == f"{environment.folder} 1.16.0 numpyhelper set()"


def test_helpers_are_there_by_hand_with_neither_variables_nor_fedloom(
    small: tuple[Project, PackageEnvironment, list[str]],
) -> None:
    environment = small[1]
    code = (
        "import fedn.utils.helpers.helpers as a, scaleoututil.helpers.helpers as b, "
        "fedloom.package.helpers as c; print(a.get_helper is b.get_helper is c.get_helper)"
    )
    ended = subprocess.run(
        [environment.python, "-I", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == "True\n", ended.stderr


def test_it_is_found_again_at_once_and_without_network(
    small: tuple[Project, PackageEnvironment, list[str]],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, environment, _ = small
    monkeypatch.setattr(build, "find_uv", lambda: pytest.fail("uv is not needed"))
    started = monotonic()
    again = prepare_environment(project, offline=True, cache_dir=cache)
    assert monotonic() - started < 5.0
    assert again == PackageEnvironment(environment.python, environment.folder, created=False)


def test_two_builders_at_once_make_it_once(tmp_path: Path) -> None:
    project = make_project(tmp_path / "client")
    both = [start_preparing(project, tmp_path / "cache") for _ in range(2)]
    told = [process.communicate(timeout=120)[0].split(maxsplit=1) for process in both]
    assert sorted(made for made, _ in told) == ["False", "True"]
    assert told[0][1] == told[1][1]
    subprocess.run([told[0][1].strip(), "-c", "import six, numpy"], check=True, timeout=60)


def test_what_cannot_be_resolved_is_refused_with_what_uv_said(tmp_path: Path) -> None:
    project = make_project(tmp_path, "dependencies: [six==99.99]\n")
    with pytest.raises(
        PackageError, match=r"cannot make the environment of .*six==99\.99"
    ) as caught:
        prepare_environment(project, cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not [*(tmp_path / "cache" / "environments").glob("python_env-*")]


def test_offline_without_what_is_needed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    project = make_project(tmp_path / "client")
    with pytest.raises(PackageError, match=r"without the network \(--offline\): uv ended"):
        prepare_environment(project, offline=True, cache_dir=tmp_path / "cache")


# What decides whether an environment is made anew


def test_only_what_it_resolves_from_makes_another_one(tmp_path: Path, fake_uv: Path) -> None:
    def prepare(text: str) -> PackageEnvironment:
        return prepare_environment(make_project(tmp_path, text), cache_dir=tmp_path / "cache")

    first = prepare("name: a\ndependencies: [six, idna]\n")
    same = prepare(
        "# other words\nname: a\ndependencies:\n  - six  # the same\n  - idna\n  - fedn\n"
    )
    assert (same.folder, same.created) == (first.folder, False)
    changed = prepare("name: a\ndependencies: [six>1, idna]\n")
    assert changed.folder != first.folder
    built = prepare("name: a\nbuild_dependencies: [pip]\ndependencies: [six, idna]\n")
    assert built.folder not in (first.folder, changed.folder)
    assert prepare("name: a\ndependencies: [six, idna]\n").created is False


def test_a_changed_requirements_file_makes_another_one(tmp_path: Path, fake_uv: Path) -> None:
    more = tmp_path / "more.txt"
    project = make_project(tmp_path, "dependencies: [-r more.txt]\n")
    more.write_text("six\n")
    first = prepare_environment(project, cache_dir=tmp_path / "cache")
    more.write_text("six>1\n")
    second = prepare_environment(project, cache_dir=tmp_path / "cache")
    assert second.folder != first.folder
    assert second.created


def test_changed_helpers_make_another_one(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    first = prepare_environment(project, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(build, "digest_shim", lambda: "another")
    assert prepare_environment(project, cache_dir=tmp_path / "cache").folder != first.folder


@pytest.mark.parametrize("lost", [build.MARKER, "bin/python"])
def test_a_damaged_one_is_made_anew_in_its_place(tmp_path: Path, fake_uv: Path, lost: str) -> None:
    project = make_project(tmp_path)
    first = prepare_environment(project, cache_dir=tmp_path / "cache")
    assert first.folder is not None
    (first.folder / lost).unlink()
    (first.folder / "left over").touch()
    again = prepare_environment(project, cache_dir=tmp_path / "cache")
    assert again == first
    assert not (first.folder / "left over").exists()


# What uv is asked for


def test_uv_gets_build_dependencies_first_then_the_others_with_numpy(
    tmp_path: Path, fake_uv: Path
) -> None:
    text = "build_dependencies: [setuptools]\ndependencies: [six, FEDn]\n"
    made = prepare_environment(make_project(tmp_path, text), cache_dir=tmp_path / "cache")
    assert made.folder is not None
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == "venv"
    given = [line for line in log[1:] if line and not line.startswith("--")]
    assert given == ["setuptools", "six", "numpy"]
    assert (made.folder / "never-fetched.txt").read_text().split() == [
        "fedn",
        "scaleout",
        "scaleoututil",
    ]


def test_lines_and_errors_show_no_address_of_pip(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "https://name:password@index.example/simple"
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", secret)
    monkeypatch.setenv("FAKE_FAILURE", f"  ×  not found\n  ╰─▶ in {secret}")
    lines: list[str] = []
    with pytest.raises(PackageError, match="with code 3 and said: not found in ") as caught:
        prepare_environment(
            make_project(tmp_path), cache_dir=tmp_path / "cache", on_line=lines.append
        )
    written = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any("password" in text for text in [str(caught.value), *lines])
    assert not any(b"password" in content for content in written)


def test_without_uv_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match="pip install uv"):
        prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "cache")


# Broken off


def test_a_killed_builder_leaves_nothing_that_counts(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its uv lives on for a while: the next builder waits for that, then starts anew."""
    project = make_project(tmp_path / "client")
    monkeypatch.setenv("FAKE_SLEEP", "1")
    builder = start_preparing(project, tmp_path / "cache", fake_uv)
    await_file(tmp_path / "log")
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=20)
    monkeypatch.delenv("FAKE_SLEEP")
    lines: list[str] = []
    made = prepare_environment(project, cache_dir=tmp_path / "cache", on_line=lines.append)
    assert made.created
    assert lines[0].startswith(f"waiting for process {builder.pid}, which makes the environment")
    assert (tmp_path / "log").read_text().split("\n").count("venv") == 2


def test_an_interrupted_build_is_removed_and_its_uv_ended(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SLEEP", "60")

    def interrupt(line: str) -> None:
        if line == "started":
            raise KeyboardInterrupt

    started = monotonic()
    with pytest.raises(KeyboardInterrupt):
        prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "cache", on_line=interrupt)
    assert monotonic() - started < 20
    assert not [*(tmp_path / "cache" / "environments").glob("small-*")]
    monkeypatch.delenv("FAKE_SLEEP")
    # Nobody holds the lock any more.
    assert prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "cache", limit_s=5)


def test_uv_that_hangs_is_ended(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SLEEP", "60")
    with pytest.raises(PackageError, match=r"uv ended after 0\.5 s and said: started"):
        prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "cache", limit_s=0.5)


def test_a_lock_is_waited_for_with_a_limit_and_by_name(tmp_path: Path) -> None:
    lock, waits = tmp_path / "locks" / "a.lock", []
    with (
        hold_lock(lock, what="it", limit_s=1, on_wait=waits.append),
        pytest.raises(PackageError, match=f"it is still being made by process {os.getpid()} after"),
        hold_lock(lock, what="it", limit_s=0.2, on_wait=waits.append),
    ):
        pytest.fail("both hold it")
    assert waits == [f"waiting for process {os.getpid()}, which makes it"]
    with hold_lock(lock, what="it", limit_s=0, on_wait=waits.append):
        assert len(waits) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, fake_uv: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackageError, match=r"cannot keep environments in .*FEDLOOM_CACHE_DIR"):
        prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "file")


@pytest.mark.parametrize("step", ["copy_shim", "write_text"])
def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*arguments: object) -> None:
        with output_errors(tmp_path) if step == "write_text" else nullcontext():
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, step, refuse)
    with pytest.raises(PackageError, match=r"cannot keep environments in .*: No space left on dev"):
        prepare_environment(make_project(tmp_path), cache_dir=tmp_path / "cache")
    assert not [*(tmp_path / "cache" / "environments").glob("small-*")]


# Which Python, and how a process is started in it


def test_a_python_that_is_not_there_is_warned_of(tmp_path: Path, fake_uv: Path) -> None:
    lines: list[str] = []
    project = make_project(tmp_path, "python: '2.7'\n")
    made = prepare_environment(project, cache_dir=tmp_path / "cache", on_line=lines.append)
    assert len(made.warnings) == 1
    assert "Python 2.7 is asked for" in made.warnings[0]
    assert lines[0] == f"warning: {tmp_path / 'python_env.yaml'}: {made.warnings[0]}"


def test_without_a_file_it_is_the_environment_that_runs_fedloom(tmp_path: Path) -> None:
    environment = prepare_environment(make_project(tmp_path, None), cache_dir=tmp_path / "cache")
    assert (environment.folder, environment.created) == (None, False)
    code = (
        "import sys; from fedn.utils.helpers.helpers import save_metrics; "
        "import fedloom_helpers; print(sys.prefix, fedloom_helpers.__file__)"
    )
    where = shim_folder() / "fedloom_helpers" / "__init__.py"
    assert ask(environment, code) == f"{sys.prefix} {where}"


def test_a_python_without_that_name_gets_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "bin" / "python3"
    alone.parent.mkdir()
    alone.write_text("#!/bin/sh\necho this one\n")
    alone.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(alone))
    for _ in range(2):
        environment = prepare_environment(
            make_project(tmp_path, None), cache_dir=tmp_path / "cache"
        )
    assert environment.python.name == "python"
    assert ask(environment, "") == "this one"


def test_variables_pass_on_all_but_what_leads_astray(tmp_path: Path) -> None:
    base = {"PATH": "/bin", "PYTHONHOME": "/wrong", "PYTHONPATH": "/mine", "TOKEN": "x"}
    own = PackageEnvironment(tmp_path / "bin" / "python", tmp_path, created=False)
    assert own.variables(base) == {
        "PATH": f"{tmp_path / 'bin'}:/bin",
        "PYTHONPATH": "/mine",
        "TOKEN": "x",
        "VIRTUAL_ENV": str(tmp_path),
    }
    current = PackageEnvironment(Path("/opt/bin/python"), None, created=False).variables(base)
    assert current["PYTHONPATH"] == f"{shim_folder()}:/mine"
    assert own.variables({})["PATH"] == f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}"
    assert base["PYTHONHOME"] == "/wrong"


def test_the_description_activates_it(
    small: tuple[Project, PackageEnvironment, list[str]], tmp_path: Path
) -> None:
    code = "python -c 'import sys, fedn.utils.helpers.helpers; print(sys.prefix)'"
    current = prepare_environment(make_project(tmp_path, None), cache_dir=tmp_path)
    for environment, prefix in ((small[1], str(small[1].folder)), (current, sys.prefix)):
        described = describe_environment(environment)
        activate = next(line for line in described.splitlines() if line.startswith("activate: "))
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        ended = subprocess.run(
            ["bash", "-euc", f"{activate.removeprefix('activate: ')}\n{code}"],
            cwd="/",
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.stdout.strip() == prefix, ended.stderr
