"""The handle of a registry: opened in the background, waited for only by who needs it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

from fedloom.errors import LinkError
from fedloom.platform.registry.address import RegistryAddress, read_registry_address
from fedloom.platform.registry.cache import FileCache
from fedloom.platform.registry.failures import registry_errors
from fedloom.platform.registry.lock import hold_registry
from fedloom.platform.registry.opening import open_mlflow
from fedloom.settings import load_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Registry", "open_registry"]

_LOCK_S = 60.0


class Registry:
    """Where packages and trained weights are kept; safe to use from several threads.

    Args:
        address: where it is.
        cache: keeps what was downloaded.
        ready_timeout_s: seconds that a call waits for it to be opened.
    """

    def __init__(
        self, address: RegistryAddress, cache: FileCache, *, ready_timeout_s: float
    ) -> None:
        self.address = address
        self.cache = cache
        self._ready_timeout_s = ready_timeout_s
        self._lock = Lock()
        self._opening: Future[MlflowClient] | None = None
        self._file_id: tuple[int, int] | None = None
        self._made_at: datetime | None = None

    @property
    def embedded(self) -> bool:
        """Whether it is a file of this machine."""
        return self.address.file is not None

    @property
    def is_ready(self) -> bool:
        """Whether a call would go through without waiting for the opening."""
        opening = self._opening
        return opening is not None and opening.done() and opening.exception() is None

    def start(self) -> None:
        """Open it in the background, unless that is done or under way; returns at once."""
        self._begin()

    def client(self) -> MlflowClient:
        """Return MLflow's client; wait until the registry is open.

        An opening that failed is tried again by the next call.

        Raises:
            LinkError: it is not open in time, or its file went away while it was used.
            OutputError: its file or folder cannot be written.
        """
        try:
            client = self._begin().result(self._ready_timeout_s)
        except FutureTimeoutError:
            raise LinkError(
                f"the registry at {self.address.shown} is still being opened: waited"
                f" {self._ready_timeout_s:g} s for it"
            ) from None
        if self.address.file is not None and _identify(self.address.file) != self._file_id:
            # SQLite would go on with the file that nobody sees any more, or make an empty one.
            raise LinkError(
                f"the registry at {self.address.shown} was deleted or replaced while it was used:"
                " put it back from a backup, and start again"
            )
        return client

    def made_at(self) -> datetime | None:
        """Return when its tables were made, in UTC; None where MLflow does not say.

        What was asked for earlier names versions of another registry, which was in its place.

        Raises:
            LinkError: it cannot be reached, or fails.
        """
        if self._made_at is None:
            client = self.client()
            with registry_errors(self.address, "look how old the registry is"):
                first = client.get_experiment_by_name("Default")
            since_ms = getattr(first, "creation_time", None)
            if since_ms:
                self._made_at = datetime.fromtimestamp(since_ms / 1000, UTC)
        return self._made_at

    def check(self) -> None:
        """Ask it for something; for a probe of readiness.

        Raises:
            LinkError: it cannot be reached, or fails.
        """
        client = self.client()
        with registry_errors(self.address, "look into the registry"):
            client.search_registered_models(max_results=1)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Look and write in one step, as far as the registry allows.

        An embedded one is locked for all other processes and threads. A server cannot be: there,
        whoever writes looks again afterwards and takes back what came second.

        Raises:
            LinkError: another process held it for too long.
        """
        if self.address.file is None:
            yield
            return
        with hold_registry(_lock_file(self.address.file), limit_s=_LOCK_S):
            yield

    def _begin(self) -> Future[MlflowClient]:
        with self._lock:
            opening = self._opening
            if opening is None or (opening.done() and opening.exception() is not None):
                opening = self._opening = Future()
                Thread(
                    target=self._open, args=(opening,), name="fedloom-registry", daemon=True
                ).start()
            return opening

    def _open(self, opening: Future[MlflowClient]) -> None:
        try:
            with registry_errors(self.address, "open the registry"), self.deciding():
                client = open_mlflow(self.address)
                if self.address.file is not None:
                    self._file_id = _identify(self.address.file)
                opening.set_result(client)
        except BaseException as error:  # noqa: BLE001 - raised where somebody waits
            opening.set_exception(error)


def open_registry(
    url: str,
    *,
    artifacts: Path | str | None = None,
    cache: Path | None = None,
    ready_timeout_s: float = 60.0,
) -> Registry:
    """Open a registry in the background; return at once.

    Args:
        url: ``sqlite:///FILE`` for an embedded one, or ``http://…`` of an MLflow server. MLflow's
            own variables for access (``MLFLOW_TRACKING_USERNAME``, ``…_PASSWORD``, ``…_TOKEN``)
            are heeded.
        artifacts: where an embedded one keeps files; by default the folder ``artifacts`` beside its
            file.
        cache: folder for what is downloaded; ``registry`` in ``FEDLOOM_CACHE_DIR`` by default.
        ready_timeout_s: seconds that a call waits for it to be opened.

    Raises:
        InputError: the address cannot be used.
    """
    address = read_registry_address(url, artifacts)
    folder = cache if cache is not None else load_settings().cache_dir / "registry"
    registry = Registry(address, FileCache(folder), ready_timeout_s=ready_timeout_s)
    registry.start()
    return registry


def _identify(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that is put in its place; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lock_file(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")
