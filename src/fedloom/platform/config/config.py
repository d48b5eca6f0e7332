"""What API, coordinator and `fedloom up` are told when they start."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from platformdirs import user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fedloom.platform.config.superlink_address import SuperLinkAddress, read_superlinks

__all__ = ["PATH_KEYS", "LogLevel", "PlatformConfig"]

PATH_KEYS = ("dir", "tls_certificate", "tls_key", "ca", "admin_token_file")
"""Keys whose values are files or folders of this machine."""

_Port = Annotated[int, Field(ge=0, le=65535)]
_Seconds = Annotated[float, Field(gt=0, le=7 * 86400)]


class LogLevel(StrEnum):
    """How much a process writes into its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _default_folder() -> Path:
    return user_data_path("fedloom", appauthor=False) / "platform"


class PlatformConfig(BaseModel):
    """All that API and coordinator are told; each takes of it what concerns it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    dir: Path = Field(default_factory=_default_folder)
    """Folder of the state: database, registry, checkpoints, logs."""
    database_url: str = ""
    """Database of tasks: postgresql://USER:PASSWORD@HOST/DATABASE; an SQLite file in dir if not
    given."""
    broker_url: str = "memory://"
    """Broker of wake-ups: amqp://USER:PASSWORD@HOST/VHOST; memory:// does without."""
    broker_prefix: str = ""
    """What stands before the names of exchange and queues on the broker."""
    registry_url: str = ""
    """MLflow server with packages and weights: http://HOST:PORT; a file in dir if not given."""
    artifacts: str | None = None
    """Where an embedded registry keeps files: a folder, or s3://BUCKET/PATH."""
    host: str = "127.0.0.1"
    """Address on which the API listens; more than this machine takes a certificate."""
    port: _Port = 8000
    """Port of the API; 0 takes a free one."""
    public_url: str = ""
    """Under which people reach the API, where it is not host and port."""
    tls_certificate: Path | None = None
    """Certificate of this machine, PEM, for API and gateway."""
    tls_key: Path | None = None
    """Its private key, PEM."""
    ca: Path | None = None
    """Certificates of who vouches for the servers, PEM; the system's if not given."""
    insecure: bool = False
    """Whether to listen for other machines without TLS, as behind a proxy that adds it."""
    superlinks: Annotated[int | tuple[SuperLinkAddress, ...], BeforeValidator(read_superlinks)] = 1
    """How many SuperLinks the coordinator starts, or which ones it uses; of several, each is a
    combiner."""
    gateway_host: str = ""
    """Address on which nodes are let in; this machine alone if not given."""
    gateway_port: _Port = 9092
    """Port on which nodes are let in; a second SuperLink has the next one."""
    known_nodes_only: bool | None = None
    """Whether only nodes are let in whose keys are registered (fedloom node register); if not
    given, yes where gateway_host lets other machines in over TLS. Not for fedloom up."""
    health_port: _Port | None = None
    """Port on which the coordinator answers /health, /ready and /metrics, in the open and without a
    token; none if not given."""
    health_host: str = "127.0.0.1"
    """Address of it."""
    slots: Annotated[int, Field(ge=1, le=1024)] = 2
    """Tasks that one coordinator runs at the same time."""
    policy: str = "fifo"
    """Which waiting task starts next, a policy of fedloom schedule."""
    lease_s: _Seconds = 30.0
    """Seconds after which the task of a coordinator that says nothing goes to another."""
    wait_s: _Seconds = 60.0
    """Seconds that a task waits for nodes with its use case."""
    round_timeout_s: _Seconds = 600.0
    """Seconds after which a round goes on without the nodes that have not answered."""
    startup_wait_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """Seconds that a database of its own may take to answer when all starts at once."""
    keep_days: Annotated[float, Field(gt=0)] | None = None
    """Days after which finished tasks are removed; never if not given."""
    admin_token_file: Path | None = None
    """File with the first admin's token, 32 characters or more; one is made if not given."""
    clients: Annotated[int, Field(ge=0, le=100)] = 3
    """Clients that fedloom up starts."""
    demo: bool = True
    """Whether the clients of fedloom up get demo data and allow the demo package."""
    log_level: LogLevel = LogLevel.INFO
    """How much is written into the log: debug, info, warning or error."""

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: give both or none")
        return self

    @property
    def database(self) -> str:
        """Address of the database, with its secrets."""
        return self.database_url or f"sqlite:///{self.dir / 'fedloom.db'}"

    @property
    def registry(self) -> str:
        """Address of the registry, with its secrets."""
        return self.registry_url or f"sqlite:///{self.dir / 'registry' / 'mlflow.db'}"

    def resolve(self, folder: Path) -> PlatformConfig:
        """Return it with absolute paths; relative ones start in `folder`."""
        found = {
            key: (folder / path.expanduser()).absolute()
            for key in PATH_KEYS
            if (path := getattr(self, key)) is not None
        }
        links = self.superlinks
        if not isinstance(links, int):
            links = tuple(link.resolve(folder) for link in links)
        return self.model_copy(update={**found, "superlinks": links})
