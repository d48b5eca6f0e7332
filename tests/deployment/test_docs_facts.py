"""What docs/platform.md and docs/operations.md say of names, held against the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLATFORM = (ROOT / "docs" / "platform.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows of the table whose first line begins with `head`, cell by cell."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(head))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def quoted(cells: Iterator[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_key_of_the_configuration_is_in_the_table() -> None:
    from fedloom.platform.config import PlatformConfig

    rows = table(OPERATIONS, "| key | variable |")
    assert quoted(row[0] for row in rows) == set(PlatformConfig.model_fields)
    for variable in re.findall(r"FEDLOOM_(\w+)", " ".join(row[1] for row in rows)):
        assert variable.lower() in PlatformConfig.model_fields


def test_the_variables_of_the_original_are_those_that_count() -> None:
    from fedloom.platform.config.environment import older_variables

    named = re.search(r"The original's variables count .*?: (.*?)\. At a node", OPERATIONS, re.S)
    assert named is not None
    names = re.findall(r"[A-Z]+_[A-Z]+", named[1])
    filled = dict.fromkeys(names, "7") | {"DB_MODE": "postgresql"}
    found = older_variables(filled)
    assert set(found) == {"registry_url", "broker_url", "database_url"}
    assert found["broker_url"][0] == "amqp://7:7@7:7/"
    assert found["database_url"][0] == "postgresql://7:7@7:7/7"


def test_every_field_of_a_task_is_in_the_table() -> None:
    from fedloom.platform.task import NewTask

    rows = table(PLATFORM, "| field | flag of")
    fields = {field.alias or name for name, field in NewTask.model_fields.items()}
    assert quoted(row[0] for row in rows) == fields


def test_the_flags_of_a_task_exist() -> None:
    import typer

    from fedloom.cli.task import task

    group = typer.main.get_command(task)
    create = group.commands["create"]  # type: ignore[attr-defined]
    known = {flag for option in create.params for flag in (*option.opts, *option.secondary_opts)}
    rows = table(PLATFORM, "| field | flag of")
    told = {name.split()[0] for name in quoted(row[1] for row in rows)}
    assert told - known == set()


def test_roles_may_what_the_table_says() -> None:
    from fedloom.platform.identity import Role

    rows = table(PLATFORM, "| role | may |")
    assert [row[0] for row in rows] == [role.value for role in Role]


def test_every_address_of_the_api_is_in_the_table(addresses: set[str]) -> None:
    told = told_addresses()
    assert told - addresses == set(), "told, but not there"
    assert {a for a in addresses - told if not a.startswith("/ui")} <= {"/"}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    from fedloom.platform.api.app import make_app
    from fedloom.platform.registry import open_registry
    from fedloom.platform.service import Service
    from fedloom.platform.store import open_store

    folder = tmp_path_factory.mktemp("api")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    registry = open_registry(f"sqlite:///{folder / 'mlflow.db'}")
    try:
        app = make_app(Service(store, registry, folder=folder / "service"))
        yield {tidy(path) for path in app.openapi()["paths"]}
    finally:
        store.close()


def tidy(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path.rstrip("/")) or "/"


def told_addresses() -> set[str]:
    """Return what the table names; `…` and what has no beginning go on from the one before."""
    found, before = set(), ""
    for row in table(PLATFORM, "| address | what |"):
        for name in re.findall(r"`([^`]+)`", row[0]):
            path = name.split("?")[0].rpartition(" ")[2]
            if not path.startswith(("/", "…")):
                continue  # a verb beside the next one
            if path.startswith("…"):
                path = re.sub(r"/versions.*", "/versions/{n}", before) + path[1:].replace(
                    "/{n}", ""
                )
            elif path in ("/clients", "/logs", "/documents", "/result"):
                path = f"/tasks/{{id}}{path}"
            before = path
            found.add(tidy(path))
    return found


def test_every_metric_is_in_the_table() -> None:
    told = quoted(row[0] for row in table(OPERATIONS, "| metric | meaning |"))
    code = (ROOT / "src/fedloom/platform/api/measures.py").read_text("utf-8")
    plain = set(re.findall(r'"(fedloom_\w+)"', code))
    gauges = {f"fedloom_{name}" for name in re.findall(r'_gauge\(\s*"(\w+)"', code)}
    assert {name.removesuffix("_total") for name in told} == plain | gauges


def test_limits_are_those_of_the_code() -> None:
    from fedloom.platform.api.gate import BODY_LIMIT_BYTES, UPLOAD_LIMIT_BYTES
    from fedloom.platform.coordinator import CoordinatorSettings
    from fedloom.platform.identity.attempts import Attempts

    assert f"{BODY_LIMIT_BYTES // 2**20} MiB for JSON" in OPERATIONS
    assert f"{UPLOAD_LIMIT_BYTES // 2**30} GiB for a package" in OPERATIONS
    assert f"`max_attempts` ({CoordinatorSettings().max_attempts})" in OPERATIONS
    assert (Attempts().limit, Attempts().window_s, Attempts().lock_s) == (10, 60.0, 60.0)


def test_the_versions_of_kubernetes_are_those_that_were_tried() -> None:
    from .test_charts import KUBERNETES

    said = ", ".join(version.rpartition(".")[0] for version in KUBERNETES[:-1])
    assert f"Kubernetes {said} and {KUBERNETES[-1].rpartition('.')[0]}" in OPERATIONS


@pytest.mark.parametrize("name", ["docker-compose.yml", "templates/dot_env", "fl-chart", "scripts"])
def test_what_the_page_names_is_there(name: str) -> None:
    assert name.split("/")[0] in OPERATIONS
    assert (ROOT / name).exists()
