"""What stands in a project file, as one model: for reading it and for its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema

__all__ = [
    "ENTRY_POINT_NAMES",
    "SCHEMA_FILE",
    "EntryPointSection",
    "ProjectFile",
    "package_schema",
    "render_schema",
]

ENTRY_POINT_NAMES = ("build", "startup", "train", "validate", "predict", "forward", "backward")
"""Entry points with a meaning; others can be run by name."""

SCHEMA_FILE = Path(__file__).with_name("schema.json")
"""The JSON Schema as it is shipped; written by `render_schema`."""

Command = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")
]


class EntryPointSection(BaseModel):
    """A command of the package; plain text stands for a section with that command."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    command: Command = Field(
        description="Run by a shell in the package's folder, with the entry point's arguments "
        "appended.",
        examples=["python train.py"],
    )

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Let the schema say that a text will do."""
        section = handler.resolve_ref_schema(handler(core_schema))
        described = {key: section.pop(key) for key in ("title", "description")}
        return {**described, "anyOf": [section, section["properties"]["command"]]}


class ProjectFile(BaseModel):
    """The project file of a compute package: fedloom.yaml, scaleout.yaml or fedn.yaml.

    Unknown keys are kept out of the way, never refused: files of other systems have some.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    python_env: str | None = Field(
        default=None,
        description="Path, from the package's folder, of the file that describes the Python "
        "environment; without it, commands run in the current environment.",
        examples=["python_env.yaml"],
    )
    entry_points: dict[str, EntryPointSection] = Field(
        min_length=1,
        description=f"Name → command. Names with a meaning: {', '.join(ENTRY_POINT_NAMES)}.",
    )


def package_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the project file.

    Example:
        >>> package_schema()["required"]
        ['entry_points']
    """
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return draft | ProjectFile.model_json_schema()


def render_schema() -> str:
    """Return the text of the JSON Schema, as it is shipped and printed."""
    return json.dumps(package_schema(), indent=2) + "\n"
