from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedloom.package.shim import copy_shim, digest_shim, shim_folder

FILES = sorted(shim_folder().rglob("*.py"))
OURS = {"fedloom_helpers", "scaleoututil", "fedn"}

SAME = """\
import fedloom_helpers as ours
from fedloom_helpers.numpyhelper import Helper as NumpyHelper
from fedloom_helpers.binaryhelper import Helper as BinaryHelper
from importlib import import_module

names = {"get_helper", "save_metadata", "load_metadata", "save_metrics"}
for prefix in ("scaleoututil.helpers", "fedn.utils.helpers"):
    helpers = import_module(prefix + ".helpers")
    assert set(helpers.__all__) == names
    assert all(getattr(helpers, name) is getattr(ours, name) for name in names)
    assert import_module(prefix + ".helperbase").HelperBase is ours.HelperBase
    assert import_module(prefix + ".plugins.numpyhelper").Helper is NumpyHelper
    assert import_module(prefix + ".plugins.binaryhelper").Helper is BinaryHelper
import fedloom.package.helpers as canonical
assert canonical.get_helper is ours.get_helper
import sys
loaded = sorted(name for name in sys.modules if name.startswith("fedloom."))
assert loaded == ["fedloom.package", "fedloom.package.helpers"], loaded
helper = canonical.get_helper("numpyhelper")
print(helper.load(sys.argv[1])[0].tolist())
"""


def run_bare(code: str, *arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run a plain Python that sees nothing but its standard library and `path`."""
    return subprocess.run(
        [sys.executable, "-S", "-B", "-c", code, *arguments],
        env={"PYTHONPATH": ":".join(map(str, path)), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def only_numpy(tmp_path: Path) -> Path:
    """Make a folder with NumPy and nothing else."""
    folder = tmp_path / "only numpy"
    folder.mkdir()
    installed = Path(np.__file__).parent
    for source in (installed, installed.with_name("numpy.libs")):
        if source.exists():
            (folder / source.name).symlink_to(source)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a model.npz", **{"0": np.arange(3)})
    return tmp_path / "a model.npz"


def test_all_names_are_one_implementation_without_fedloom(only_numpy: Path, model: Path) -> None:
    ended = run_bare(SAME, str(model), path=[shim_folder(), only_numpy])
    assert (ended.stdout, ended.stderr) == ("[0, 1, 2]\n", "")


def test_a_copy_does_the_same(only_numpy: Path, model: Path, tmp_path: Path) -> None:
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    copy_shim(site_packages)
    names = {"fedloom", "fedloom_helpers", "fedn", "scaleoututil"}
    assert {path.name for path in site_packages.iterdir()} == names
    assert not [*site_packages.rglob("__pycache__")]
    ended = run_bare(SAME, str(model), path=[site_packages, only_numpy])
    assert (ended.stdout, ended.stderr) == ("[0, 1, 2]\n", "")


def test_an_installed_fedloom_is_neither_hidden_nor_written_into(
    only_numpy: Path, tmp_path: Path
) -> None:
    installed = tmp_path / "site-packages" / "fedloom"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("real = True\n")
    copy_shim(installed.parent)
    assert [path.name for path in installed.iterdir()] == ["__init__.py"]
    code = "import fedloom, fedn.utils.helpers.helpers; print(fedloom.real)"
    ended = run_bare(code, path=[shim_folder(), installed.parent, only_numpy])
    assert ended.stdout == "True\n", ended.stderr


def test_the_helpers_are_quick_to_import(only_numpy: Path) -> None:
    """They bring in NumPy and a handful of small modules of the standard library."""
    code = (
        "import __future__, sys, numpy, json, tempfile; before = set(sys.modules)\n"
        "import scaleoututil.helpers.helpers\n"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    ended = run_bare(code, path=[shim_folder(), only_numpy])
    assert ended.stdout.split() == ["fedloom_helpers", "scaleoututil"], ended.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(shim_folder())))
def test_a_module_runs_on_old_pythons_with_numpy_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module.split(".")[0])
    assert imported <= set(sys.stdlib_module_names) | {"numpy"} | OURS


def test_the_digest_follows_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_shim()
    copy_shim(tmp_path)
    monkeypatch.setattr("fedloom.package.shim.shim_folder", lambda: tmp_path)
    copied = digest_shim()
    assert copied != before  # without the folder's own module
    (tmp_path / "fedn" / "__pycache__").mkdir()
    (tmp_path / "fedn" / "__pycache__" / "a.pyc").touch()
    assert digest_shim() == copied
    (tmp_path / "fedn" / "__init__.py").write_text("changed = True\n")
    assert digest_shim() != copied
