"""The folder in which the processes of a platform keep their state."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_data_path

from fedloom.errors import ConflictError, InputError
from fedloom.files import output_errors, write_text
from fedloom.platform.identity import TokenStore, bootstrap_admin
from fedloom.platform.identity.token import make_secret

__all__ = ["StateFolder", "read_token"]


class StateFolder:
    """Where everything lies.

    Args:
        path: made if it is not there, readable by its owner alone.

    Raises:
        OutputError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with output_errors(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log.mkdir(exist_ok=True)

    @property
    def token(self) -> Path:
        """File with the first admin's token."""
        return self.path / "token"

    @property
    def address(self) -> Path:
        """File with the address at which the API was last, for commands of this machine."""
        return self.path / "address"

    @property
    def log(self) -> Path:
        """Folder of what the processes print."""
        return self.path / "log"

    @property
    def registry(self) -> Path:
        """Folder of an embedded registry and of what is downloaded from another."""
        return self.path / "registry"

    @property
    def coordinator(self) -> Path:
        """Folder of the coordinator's tasks with their checkpoints."""
        return self.path / "coordinator"

    @property
    def depot(self) -> Path:
        """Folder of what travels beside the SuperLink."""
        return self.path / "depot"

    @property
    def service(self) -> Path:
        """Folder in which the API works on what is uploaded and downloaded."""
        return self.path / "service"

    @property
    def superlink_certificates(self) -> Path:
        """Folder of the certificates that SuperLinks show to gateway and coordinator."""
        return self.path / "superlink-certificates"

    def superlink(self, number: int, *, known_only: bool = False) -> Path:
        """Folder of a SuperLink's state.

        Args:
            number: of the SuperLink, from 0.
            known_only: whether it admits registered nodes only. Such a one has a state of its own:
                strangers who once came into the other would be removed, and Flower never admits a
                key that was removed, so their owners could not register them any more.
        """
        name = "superlink-known" if known_only else "superlink"
        return self.path / (name if number == 0 else f"{name}-{number + 1}")

    def client(self, name: str) -> Path:
        """Folder of a client's configuration, data and state."""
        return self.path / "clients" / name

    @contextmanager
    def hold(self, *roles: str) -> Iterator[None]:
        """Keep roles on this folder for this process while the block runs.

        Raises:
            ConflictError: another process has one of them; the message names it.
        """
        held: list[int] = []
        try:
            for role in roles:
                descriptor = self._take(role)
                held.append(descriptor)
            yield
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _take(self, role: str) -> int:
        path = self.path / f".{role}.lock"
        with output_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise ConflictError(
                f"process {pid or 'unknown'} works in {self.path} already: stop it, or choose"
                " another folder with --dir"
            ) from None
        with output_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def tell_address(self, url: str, authority: Path | None) -> bool:
        """Leave word where the API is, so that commands of this user need no address and no token.

        Args:
            url: of the API.
            authority: certificate of who vouches for it, if it is not a known one.

        Returns:
            Whether commands find it without being told this folder: where another platform of this
            user runs already, they go on to find that one.

        Raises:
            OutputError: this folder cannot be written.
        """
        write_text(self.address, f"{url}\n")
        ca = self.path / "ca.pem"
        if authority is None:
            ca.unlink(missing_ok=True)
        elif authority != ca:
            with output_errors(ca):
                shutil.copyfile(authority, ca)
        with suppress(OSError):  # a convenience: the home may be read-only
            return _point_at(user_data_path("fedloom", appauthor=False) / "up", self.path)
        return False

    def open_doors(self, store: TokenStore) -> str:
        """Make sure that the token in `token` opens as an admin's, and return it.

        It is made on the first start; it is in the file before it is in the store, so that no
        crash between the two locks the owner out.

        Raises:
            InputError: the file is empty or the token was revoked.
        """
        if not self.token.exists():
            _write_private(self.token, make_secret())
        secret = read_token(self.token)
        try:
            bootstrap_admin(store, secret=secret)
        except InputError as error:
            raise InputError(f"{self.token}: {error}; remove the file to get a new one") from error
        return secret


def read_token(path: Path) -> str:
    """Return the token that a file holds.

    Raises:
        InputError: it cannot be read, or is empty.
    """
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the token's file {path} cannot be read: {error}") from error
    if not secret:
        raise InputError(f"the token's file {path} is empty; remove it to get a new token")
    return secret


def _point_at(link: Path, folder: Path) -> bool:
    """Let a link lead to a folder, unless it leads to that of another platform which runs."""
    if link.exists():
        if not link.is_symlink():
            return False
        if not link.samefile(folder) and _is_held(link):
            return False
    link.parent.mkdir(parents=True, exist_ok=True)
    beside = link.with_name(f".{link.name}.{os.getpid()}")
    beside.symlink_to(folder.absolute())
    beside.replace(link)
    return True


def _is_held(folder: Path) -> bool:
    """Say whether a process serves the API of a folder."""
    try:
        descriptor = os.open(folder / ".api.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with output_errors(path):
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
