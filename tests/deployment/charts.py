"""Rendering the charts with Helm itself, and reading what comes out."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLATFORM, NODE = ROOT / "fl-chart", ROOT / "fl-node-chart"
RELEASE = "fl-components"

SECRETS = {
    "POSTGRES_USER": "fedloom",
    "POSTGRES_PASSWORD": "not-a-secret",
    "RABBIT_USER": "fedloom",
    "RABBIT_PASSWORD": "not-a-secret",
    "SUPERLINK_SECRET": "s" * 32,
    "FEDLOOM_ADMIN_TOKEN": "flm_" + "t" * 43,
}


@cache
def helm() -> Any:
    """Return Helm's bindings, or skip: they are among the development tools."""
    return pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")


def read_values(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "k8s" / name).read_text("utf-8"))
    return values


def render(chart: Path, values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rendered manifests by kind and name."""
    with helm().Chart.load(str(chart)) as loaded:
        loaded.validate_schema(values)
        rendered = loaded.render(values, name=RELEASE, namespace="fl")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path, text in rendered.items():
        if path.endswith(".txt"):
            continue
        for manifest in yaml.safe_load_all(text):
            if manifest is not None:
                key = manifest["kind"], manifest["metadata"]["name"]
                assert key not in found, key
                found[key] = manifest
    return found


def containers(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return {one["name"]: one for one in pod["containers"]}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    """Return the variables; one that comes from a secret as the secret's name and key."""
    found = {}
    for one in container.get("env", []):
        if "value" in one:
            found[one["name"]] = one["value"]
        else:
            reference = one["valueFrom"]["secretKeyRef"]
            found[one["name"]] = (reference["name"], reference["key"])
    return found
