"""What tests of the registry share: small packages, tasks, and a registry that is there at once."""

from __future__ import annotations

import sqlite3
import textwrap
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fedloom.platform.registry import Lineage, Registry, open_registry
from fedloom.platform.task import Task

SCRIPTS = {
    "model": """
        import numpy as np
        from fedloom.package.helpers import get_helper
        get_helper("numpyhelper").save([np.full((3, 2), 0.5, np.float32)], "../seed.npz")
    """,
    "train": "print('trained')",
}
WEIGHTS = [np.arange(6, dtype=np.float32).reshape(3, 2), np.array(7, np.int64)]


def make_package(folder: Path, **scripts: str | None) -> Path:
    """Write a package with `build` and `train`; `train=None` leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: scripts.get(k, v) for k, v in SCRIPTS.items()}
    points = {"model": "build", "train": "train"}
    lines = [f"  {points[name]}: python {name}.py" for name, text in kept.items() if text]
    (folder / "fedloom.yaml").write_text("\n".join(["entry_points:", *lines]))
    for name, text in kept.items():
        if text:
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def make_task(number: int = 1, **changes: Any) -> Task:
    asked = {
        "id": number,
        "user_id": "ada",
        "use_case": "irises",
        "model_name": "iris",
        "model_version": 1,
        "num_global_iterations": 3,
        "run_name": "first",
        "experiment_name": "trials",
        "status": "running",
        "created_at": datetime(2030, 1, 1, 12, 0, number, tzinfo=UTC),
    }
    return Task.model_validate(asked | changes)


def make_lineage(task: Task) -> Lineage:
    clients = tuple(f"node-{number}" for number in range(3))
    return Lineage(task.model_name, task.model_version, task.id, clients, 3)


def make_template(folder: Path) -> Path:
    """Make an empty embedded registry, which takes seconds."""
    open_registry(f"sqlite:///{folder}/mlflow.db", cache=folder / "cache").client()
    return folder / "mlflow.db"


def copy_template(template: Path, folder: Path) -> str:
    """Return the address of a copy of it, which keeps its files beside itself."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mlflow.db"
    with (
        closing(sqlite3.connect(template)) as source,
        closing(sqlite3.connect(file)) as connection,
    ):
        source.backup(connection)
        place = (folder / "artifacts" / "0").as_uri()
        connection.execute("UPDATE experiments SET artifact_location = ?", (place,))
        connection.commit()
    return f"sqlite:///{file}"


def count_versions(registry: Registry, name: str) -> int:
    return len(registry.client().search_model_versions(f"name = '{name}'"))
