"""The house is in order: modules, contracts, dependencies, and every command that the docs show."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType

import click
import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fedloom
from fedloom.cli import program
from fedloom.cli.bench import BenchGroup

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "fedloom"
# Templates are others' code to be: scripts of a package, which export nothing.
TEMPLATES = PACKAGE / "package" / "templates"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(TEMPLATES))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_SECONDS = 300


# Modules


def module_id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def bound_names(tree: ast.Module) -> set[str]:
    """Return what a module binds at its top level, also under `if` and `try`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


def exported_names(tree: ast.Module) -> list[str] | None:
    """Return the literal `__all__`, or None where there is none."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                return list(ast.literal_eval(value))
    return None


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_says_what_it_is_for_and_what_it_exports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    exported = exported_names(tree)
    assert exported is not None, "no __all__"
    assert len(exported) == len(set(exported)), "a name is exported twice"
    bound = bound_names(tree)
    if "__getattr__" not in bound:
        assert not set(exported) - bound, "exported, but not there"
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert not public - set(exported), "public by name, but not exported"


def test_everything_that_fedloom_exports_is_there_and_documented() -> None:
    for name in fedloom.__all__:
        assert getattr(fedloom, name).__doc__, name


# Dependencies


def load_script(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_licences_of_all_that_is_needed_are_listed() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", page, re.MULTILINE)[1:]
    listed = {canonicalize_name(name) for name, _, _ in rows}
    assert listed == load_script("licences").runtime_closure(), "run `make licences`"
    assert all(licence != "UNKNOWN" for _, _, licence in rows)


def test_constraints_pin_all_that_is_needed_and_hold_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="ascii")
    pins = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"==[0-9A-Za-z.]+", str(pin.specifier)) for pin in pins)
    assert not any(pin.url for pin in pins)
    pinned = {canonicalize_name(pin.name) for pin in pins}
    assert not load_script("licences").runtime_closure() - pinned, "run `make constraints`"


def test_scripts_can_be_executed() -> None:
    for script in (ROOT / ".ci" / "run", ROOT / "scripts" / "make-venv"):
        assert os.access(script, os.X_OK), script


# Documentation


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path, text: str) -> Iterator[Block]:
    """Yield the fenced blocks; one right after `<!-- run -->` is to be run."""
    pattern = r"^(<!-- run -->\s*\n)?^```(\w+)\n(.*?)^```$"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        line = text[: found.start(2)].count("\n") + 1
        yield Block(page, line, found[2], found[3], bool(found[1]))


def command_lines(shell: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of `fedloom` in a piece of shell."""
    for line in shell.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        for token in [*lexer, ";"]:
            if not token or set(token) - set("|&;()"):
                command.append(token)
                continue
            while command and (command[0] == "$" or re.fullmatch(r"\w+=.*", command[0])):
                command.pop(0)
            if command and command[0] == "fedloom":
                yield command[1 : next_redirection(command)]
            command = []


def next_redirection(command: list[str]) -> int:
    return next((i for i, token in enumerate(command) if token in ("<", ">", ">>")), len(command))


def check_flags(arguments: list[str]) -> None:
    """Raise a usage error where a command or one of its flags does not exist."""
    group = typer.main.get_command(program.app)
    assert isinstance(group, click.Group)
    completed = program.complete_arguments(group, arguments)
    context = click.Context(group, info_name="fedloom")
    if not completed[0].startswith("-"):
        _, command, rest = group.resolve_command(context, completed)
        assert command is not None
        context = click.Context(command, info_name=command.name, parent=context)
        if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            _, command, rest = command.resolve_command(context, list(rest))
            assert command is not None
            context = click.Context(command, info_name=command.name, parent=context)
        if isinstance(command, BenchGroup):
            rest = command.spread(list(rest))
        command.make_parser(context).parse_args(list(rest))
    else:
        group.make_parser(context).parse_args(list(completed))


BLOCKS = [block for page in PAGES for block in read_blocks(page, page.read_text(encoding="utf-8"))]
SHELL_BLOCKS = [block for block in BLOCKS if block.language in ("bash", "sh", "console")]
RUN_BLOCKS = [block for block in BLOCKS if block.runs]


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_every_command_in_the_docs_exists_with_its_flags(block: Block) -> None:
    for arguments in command_lines(block.text):
        check_flags(arguments)


def test_every_command_in_the_makefile_exists_with_its_flags() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)/", "")
    lines = [line.strip() for line in makefile.splitlines() if line.startswith("\tfedloom ")]
    assert lines
    for arguments in command_lines("\n".join(lines)):
        check_flags(arguments)


@pytest.mark.parametrize("block", RUN_BLOCKS, ids=str)
def test_every_marked_block_of_the_docs_runs(block: Block, tmp_path: Path) -> None:
    interpreters = {"python": [sys.executable, "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}
    scripts = Path(sys.executable).parent
    ended = subprocess.run(
        [*interpreters[block.language], block.text],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr


# The collector itself


def test_blocks_are_found_with_their_language_line_and_mark() -> None:
    text = "a\n\n<!-- run -->\n```bash\nfedloom doctor\n```\n\n```python\nx = 1\n```\n"
    first, second = read_blocks(ROOT / "page.md", text)
    assert (first.language, first.text, first.runs) == ("bash", "fedloom doctor\n", True)
    assert (second.language, second.line, second.runs) == ("python", 8, False)
    assert str(first) == "page.md:4"


def test_calls_are_found_in_shell() -> None:
    shell = """\
# fedloom is not called here
$ fedloom generate --clients 3 \\
    --output 'a b.csv'  # a word
A=1 fedloom doctor --json | head > x && fedloom merge "runs/*.csv"
cd fedloom; ls
fedloom report x.csv > y.txt
"""
    assert list(command_lines(shell)) == [
        ["generate", "--clients", "3", "--output", "a b.csv"],
        ["doctor", "--json"],
        ["merge", "runs/*.csv"],
        ["report", "x.csv"],
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--jsn"],
        ["docter"],
        ["doctor", "--deep", "--what=3"],
        ["package", "pack"],
        ["run", "train", "--inputs=x"],
    ],
)
def test_a_wrong_call_is_noticed(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        check_flags(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--json"],
        ["--help"],
        ["--version"],
        ["doctor", "--help"],
        ["package", "--help"],
        ["run", "train", "--path", "client"],
        [],
    ],
)
def test_a_right_call_is_let_through(arguments: list[str]) -> None:
    check_flags(arguments)
