"""The JSON Schema of configuration files."""

from __future__ import annotations

from typing import Any

from fedloom.workload.config.schema import ConfigFile

__all__ = ["config_schema"]


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration file.

    Example:
        >>> config_schema()["required"]
        ['models', 'workflows']
    """
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = draft | ConfigFile.model_json_schema()
    for definition in (schema, *schema["$defs"].values()):
        for field in definition.get("properties", {}).values():
            if "description" in field:  # written over several lines of code
                field["description"] = " ".join(field["description"].split())
    return schema
