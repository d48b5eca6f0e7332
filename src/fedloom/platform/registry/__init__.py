"""The registry: packages and trained weights as versions of registered models, in MLflow.

`open_registry` says where it is. `push_package` puts a package in, with its first weights;
`publish` puts a finished task's last aggregate in, once, whatever happens between; `get_version`,
`list_models` and `list_versions` find them again; `download_package` and `load_weights` bring back
what was put in, or refuse it. `add_signatures` says who answers for a package. `open_task_runs`
keeps a task's metrics by round.

Embedded, the registry is an SQLite file with a folder beside it; for real it is an MLflow server.
"""

from __future__ import annotations

from fedloom.platform.registry.content import download_package, download_weights, load_weights
from fedloom.platform.registry.find import (
    delete_version,
    find_package,
    get_lineage,
    get_version,
    list_models,
    list_versions,
)
from fedloom.platform.registry.names import check_model_name, name_trained
from fedloom.platform.registry.publish import publish
from fedloom.platform.registry.push import push_package
from fedloom.platform.registry.registry import Registry, open_registry
from fedloom.platform.registry.sign import add_signatures
from fedloom.platform.registry.task_runs import TaskRuns, open_task_runs
from fedloom.platform.registry.version import Lineage, Model, Page, Version, VersionKind

__all__ = [
    "Lineage",
    "Model",
    "Page",
    "Registry",
    "TaskRuns",
    "Version",
    "VersionKind",
    "add_signatures",
    "check_model_name",
    "delete_version",
    "download_package",
    "download_weights",
    "find_package",
    "get_lineage",
    "get_version",
    "list_models",
    "list_versions",
    "load_weights",
    "name_trained",
    "open_registry",
    "open_task_runs",
    "publish",
    "push_package",
]
