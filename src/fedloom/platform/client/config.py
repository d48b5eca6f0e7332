"""A node's configuration: one file, over it the environment, over that the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from fedloom.errors import InputError
from fedloom.platform.client.data_source import DataSource

__all__ = ["NodeConfig", "example_config", "load_node_config", "show_config"]

_PREFIX = "FEDLOOM_CLIENT_"
_NAME_LENGTH = 100


def _check_name(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be visible characters, without blanks at its ends")
    return text


def _check_node_name(text: str) -> str:
    if "/" in text or text in {".", ".."}:
        raise ValueError('must not contain "/" or be dots: it is a part of addresses, /nodes/NAME')
    return text


_Name = Annotated[str, Field(min_length=1, max_length=_NAME_LENGTH), AfterValidator(_check_name)]
_NodeName = Annotated[_Name, AfterValidator(_check_node_name)]


class NodeConfig(BaseModel):
    """All that a node is told when it starts; what may run there is in its policy."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    name: _NodeName = "client"
    """How the node calls itself; unique in a federation."""
    superlink: str = "127.0.0.1:9092"
    """Address of the SuperLink, or of what lets nodes through to it."""
    ca: Path | None = None
    """Certificates of who vouches for the servers; the system's if not given."""
    insecure: bool = False
    """Whether to do without TLS."""
    api: str | None = None
    """Address of the API, where packages are fetched."""
    token: SecretStr | None = None
    """Token for the API."""
    state: Path = Field(default_factory=lambda: user_data_path("fedloom", False) / "node")
    """Folder of this node's key, policy, audit log and work."""
    key: Path | None = None
    """This node's private key; made on first use in `state`."""
    policy: Path | None = None
    """What may run; policy.yaml in `state` if not given."""
    audit: Path | None = None
    """The log of what came in, ran and left; audit.jsonl in `state` if not given."""
    slots: Annotated[int, Field(ge=1, le=1024)] = 2
    """Orders at work at the same time."""
    cold: bool = False
    """Whether packages start Python anew in every call."""
    client_index: Annotated[int, Field(ge=0)] = 0
    """What packages that split data by themselves take as this client's number, from 0."""
    num_clients: Annotated[int, Field(ge=1)] = 1
    """How many clients such packages split data for."""
    datasets: dict[_Name, DataSource] = Field(default_factory=dict)
    """The owner's data, by use case."""

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.client_index >= self.num_clients:
            raise ValueError(f"client_index must be below num_clients, {self.num_clients}")
        return self

    @property
    def key_path(self) -> Path:
        """Where this node's private key lies."""
        return self.key or self.state / "node.key"

    @property
    def policy_path(self) -> Path:
        """Where the policy lies."""
        return self.policy or self.state / "policy.yaml"

    @property
    def audit_path(self) -> Path:
        """Where the audit log lies."""
        return self.audit or self.state / "audit.jsonl"

    def resolve(self, folder: Path) -> NodeConfig:
        """Return it with absolute paths; relative ones start in `folder`."""
        found: dict[str, Any] = {
            name: (folder / path.expanduser()).absolute()
            for name in ("ca", "state", "key", "policy", "audit")
            if (path := getattr(self, name)) is not None
        }
        sources = {name: source.resolve(folder) for name, source in self.datasets.items()}
        return self.model_copy(update={**found, "datasets": sources})


def load_node_config(
    path: Path | None = None,
    overrides: Mapping[str, Any] = {},
    environment: Mapping[str, str] | None = None,
) -> NodeConfig:
    """Read a node's configuration.

    Each key of the file may be given as a variable, ``FEDLOOM_CLIENT_`` and the key in capitals;
    ``datasets`` as YAML. Of the original's variables, NODE_NAME is the name, and DATA_PATH the
    CSV file of the use case ``iris``, where the configuration says nothing of its own.

    Args:
        path: the file; none if None.
        overrides: what the command line says, by key; None counts as not given.
        environment: the process's if None.

    Returns:
        The configuration with absolute paths: those of the file start in its folder, others in
        the working directory.

    Raises:
        InputError: something is unreadable or wrong; the message says where and which key.
    """
    variables = os.environ if environment is None else environment
    here, home = Path.cwd(), Path.cwd() if path is None else path.absolute().parent
    merged = _older_variables(variables)
    merged |= {} if path is None else _anchor(_read_file(path), home)
    merged |= _read_variables(variables)
    merged |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return NodeConfig.model_validate(merged).resolve(here)
    except ValidationError as error:
        raise InputError(_explain(error, path)) from None


def show_config(config: NodeConfig) -> str:
    """Return the whole configuration as YAML, secrets hidden."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def example_config() -> str:
    """Return a configuration to start from, with comments."""
    return Path(__file__).with_name("example.yaml").read_text("utf-8")


def _read_file(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"configuration {path} does not exist") from error
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line} is no YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    if document is not None and not isinstance(document, dict):
        raise InputError(f"{path} holds {type(document).__name__}: wanted is a mapping")
    return document or {}


def _anchor(document: dict[str, Any], home: Path) -> dict[str, Any]:
    """Let relative paths of the file start in its folder."""

    def place(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        return {
            k: str(home / Path(v).expanduser()) if k in names and isinstance(v, str) else v
            for k, v in values.items()
        }

    found = place(document, ("ca", "state", "key", "policy", "audit"))
    sources = found.get("datasets")
    if isinstance(sources, dict):
        found["datasets"] = {
            k: place(v, ("path", "test")) if isinstance(v, dict) else v for k, v in sources.items()
        }
    return found


def _read_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in NodeConfig.model_fields:
        text = variables.get(f"{_PREFIX}{key.upper()}", "")
        if text and key == "datasets":
            try:
                found[key] = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise InputError(f"{_PREFIX}{key.upper()} is no YAML: {error}") from error
        elif text:
            found[key] = text
    return found


def _older_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if name := variables.get("NODE_NAME"):
        found["name"] = name
    if data := variables.get("DATA_PATH"):
        found["datasets"] = {"iris": {"path": data, "form": "csv", "label": "class"}}
    return found


def _explain(error: ValidationError, path: Path | None) -> str:
    first = error.errors(include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"configuration {path}" if path is not None else "the node's configuration"
    return f"{where}: {key or 'the whole'}: {first['msg']}"
