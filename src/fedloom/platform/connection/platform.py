"""A platform, seen from Python."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from types import TracebackType
from typing import Any

from fedloom.errors import LinkError
from fedloom.platform.connection.address import find_access
from fedloom.platform.connection.events import follow_events
from fedloom.platform.connection.link import ApiLink
from fedloom.platform.connection.models import Models
from fedloom.platform.connection.nodes import Datasets, Nodes
from fedloom.platform.connection.packages import Packages
from fedloom.platform.connection.tasks import Tasks
from fedloom.platform.connection.tokens import Tokens
from fedloom.platform.connection.values import Event, Health, Identity, read_value

__all__ = ["Platform", "connect"]


class Platform:
    """A platform that is connected; safe to use from several threads.

    Args:
        link: to its API.
        version: of the platform.

    Attributes:
        tasks: see `Tasks`.
        nodes: see `Nodes`.
        models: see `Models`.
        packages: see `Packages`.
        datasets: see `Datasets`.
        tokens: see `Tokens`.
        version: of the platform.
    """

    def __init__(self, link: ApiLink, version: str) -> None:
        self._link, self.version = link, version
        self.models, self.packages = Models(link), Packages(link)
        self.tasks = Tasks(link, self.models, self.packages)
        self.nodes, self.datasets, self.tokens = Nodes(link), Datasets(link), Tokens(link)

    @property
    def url(self) -> str:
        """Address of the API."""
        return self._link.access.url

    def health(self) -> Health:
        """Return whether the platform can take tasks, and how each of its parts is."""
        answer = self._link.look("/ready")
        parts = _read_parts(answer)
        ready = bool(answer.get("ready", all(text == "ok" for text in parts.values())))
        return Health(ready=ready, parts=parts, version=self.version)

    def me(self) -> Identity:
        """Return who asks."""
        return read_value(Identity, self._link.get("/me"))

    def history(self) -> dict[str, Any]:
        """Return finished tasks as a workload: ``config`` and ``requests``."""
        found = self._link.get("/history")
        if not isinstance(found, dict) or not {"config", "requests"} <= set(found):
            raise LinkError("the platform's answer is no workload")
        return found

    def events(self, *, after_id: int | None = None, task_id: int | None = None) -> Iterator[Event]:
        """Yield what changes, without end and each once; see `follow_events`."""
        return follow_events(self._link, after_id=after_id, task_id=task_id)

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def __enter__(self) -> Platform:
        """Return it; it hangs up at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self.close()


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    ca: str | PathLike[str] | None = None,
    timeout_s: float = 30.0,
    insecure: bool | None = None,
) -> Platform:
    """Connect to a platform, from a notebook or a program.

    For example::

        import fedloom

        with fedloom.connect("https://fedloom.example.org:8000", "flm_…") as platform:
            platform.packages.push("client/", "iris", use_case="iris")
            task = platform.tasks.create(model_name="iris", num_global_iterations=4)
            task = platform.tasks.wait(task.id, timeout_s=600)
            platform.tasks.result(task.id, "model.npz")

    Args:
        url: of the API; by default ``FEDLOOM_URL``, else where the last `fedloom up` listens.
        token: of who asks; by default ``FEDLOOM_TOKEN``, else the one that `fedloom up` left.
        ca: file of certificates (PEM) of who vouches for the server; by default ``FEDLOOM_CA``,
            else the system's.
        timeout_s: seconds without an answer after which a call is given up.
        insecure: whether the token may go to another machine without TLS; by default
            ``FEDLOOM_INSECURE``.

    Raises:
        InputError: the address or a file cannot be used.
        LinkError: nobody answers there.
        IncompatibleError: the platform and this Fedloom do not understand each other.
    """
    link = ApiLink(find_access(url, token, ca=ca, insecure=insecure), timeout_s)
    try:
        return Platform(link, link.check_version())
    except BaseException:
        link.close()
        raise


def _read_parts(answer: dict[str, Any]) -> dict[str, str]:
    """Return each part and how it is, whether told in words, as a flag or as an object."""
    found = answer.get("parts")
    parts: dict[str, str] = {}
    for name, said in found.items() if isinstance(found, dict) else ():
        if isinstance(said, dict):
            fine = said.get("ok") is True
            parts[name] = "ok" if fine else str(said.get("detail") or "not ok")
        else:
            parts[name] = {True: "ok", False: "not ok"}.get(said, str(said))
    return parts
