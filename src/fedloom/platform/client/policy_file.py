"""The policy as a file that its owner edits, and beside it what the owner said when asked.

``policy.yaml`` is the owner's and never written here; ``policy.judged.json`` is. Both are read
again when they change. A policy that cannot be read refuses everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from fedloom.errors import FedloomError, InputError, NotFoundError
from fedloom.files import output_errors, write_text
from fedloom.package.signing import is_digest
from fedloom.platform.client.file_lock import lock_beside
from fedloom.platform.client.policy import Decision, Kind, Policy, Verdict, Wish, decide

__all__ = ["Judged", "PolicyFile", "read_policy"]

_MOST_PENDING = 1000
"""More is no list that a person reads; who sends so many different packages is refused."""


class Judged(BaseModel):
    """What is known of one package or model that an owner was or is to be asked about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    kind: Kind
    name: str
    use_case: str
    first_seen: datetime
    judged_at: datetime | None = None


_ALL_JUDGED = TypeAdapter(dict[str, Judged])


def read_policy(path: Path) -> Policy:
    """Read a policy; a file that is missing stands for the default, which denies everything.

    Raises:
        InputError: it cannot be read or is wrong; the message names the key.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8")) if path.exists() else None
        return Policy.model_validate({} if document is None else document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {key or 'the file'}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as YAML: {reason}") from error


class PolicyFile:
    """A policy, kept in files; safe to use from several threads and processes.

    Args:
        path: the owner's file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.judged_path = path, path.with_suffix(".judged.json")
        self._lock = Lock()
        self._stamps: tuple[object, ...] = ()
        self._policy: Policy | InputError = Policy()
        self._judged: dict[str, Judged] = {}

    @property
    def policy(self) -> Policy:
        """The policy as it is now.

        Raises:
            InputError: one of the files cannot be read or is wrong.
        """
        with self._lock:
            return self._read()

    def decide(self, wish: Wish) -> Decision:
        """Say whether something may run; note it as pending where the owner is to be asked.

        Where the files cannot be read, or what is pending cannot be noted, the answer is no.
        """
        try:
            with self._lock:
                policy = self._read()
                verdicts = {key: judged.verdict for key, judged in self._judged.items()}
            decision = decide(policy, wish, verdicts)
            if decision.verdict is Verdict.PENDING and wish.key not in verdicts:
                self._note_pending(wish)
        except FedloomError as error:
            return Decision(Verdict.REFUSED, _hide_place(error, self.path))
        return decision

    def pending(self) -> Mapping[str, Judged]:
        """Return what waits for the owner, by digest (or ``model:`` and name), oldest first."""
        return {k: j for k, j in self.judged().items() if j.verdict is Verdict.PENDING}

    def judged(self) -> Mapping[str, Judged]:
        """Return all that the owner was asked about."""
        with self._lock:
            self._read()
            return dict(sorted(self._judged.items(), key=lambda item: item[1].first_seen))

    def approve(self, key: str) -> Judged:
        """Allow a package by its digest, or a model by ``model:`` and its name.

        Args:
            key: of a pending one its beginning will do; of a new one all of it.

        Raises:
            NotFoundError: nothing pending begins so; or several do.
            OutputError: the file cannot be written.
        """
        return self._judge(key, Verdict.ALLOWED)

    def refuse(self, key: str) -> Judged:
        """Refuse a package or model for good; arguments and errors as for `approve`."""
        return self._judge(key, Verdict.REFUSED)

    def _judge(self, key: str, verdict: Verdict) -> Judged:
        now = datetime.now(UTC)
        with self._changing() as judged:
            found = _find_key(key.strip(), judged)
            kind = Kind.MODEL if found.startswith("model:") else Kind.PACKAGE
            fresh = Judged(
                verdict=verdict, kind=kind, name="", use_case="", first_seen=now, judged_at=now
            )
            old = judged.get(found, fresh)
            judged[found] = old.model_copy(update={"verdict": verdict, "judged_at": now})
            return judged[found]

    def _note_pending(self, wish: Wish) -> None:
        with self._changing() as judged:
            if wish.key in judged:
                return
            waiting = sum(j.verdict is Verdict.PENDING for j in judged.values())
            if waiting >= _MOST_PENDING:
                raise InputError(f"{waiting} packages wait for this node's owner already")
            judged[wish.key] = Judged(
                verdict=Verdict.PENDING,
                kind=wish.kind,
                name=wish.name[:200],
                use_case=wish.use_case[:200],
                first_seen=datetime.now(UTC),
            )

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Judged]]:
        """Lend what is judged to be changed; other processes wait meanwhile."""
        with self._lock, output_errors(self.judged_path), lock_beside(self.judged_path):
            judged = _read_judged(self.judged_path)
            before = dict(judged)
            yield judged
            if judged != before:
                text = _ALL_JUDGED.dump_json(judged, indent=1).decode()
                write_text(self.judged_path, f"{text}\n")
                self._stamps = ()

    def _read(self) -> Policy:
        stamps = (_stamp(self.path), _stamp(self.judged_path))
        if stamps != self._stamps:
            try:
                self._policy, self._judged = read_policy(self.path), _read_judged(self.judged_path)
            except InputError as error:
                self._policy = error
            self._stamps = stamps
        if isinstance(self._policy, InputError):
            raise self._policy
        return self._policy


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.errno
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read_judged(path: Path) -> dict[str, Judged]:
    try:
        return _ALL_JUDGED.validate_json(path.read_bytes()) if path.exists() else {}
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {reason}; mend it or remove it") from error


def _find_key(key: str, judged: Mapping[str, Judged]) -> str:
    if key in judged or is_digest(key) or (key.startswith("model:") and len(key) > len("model:")):
        return key
    near = [k for k in judged if key and k.startswith(key)]
    if len(near) == 1:
        return near[0]
    what = f"{len(near)} begin" if near else "nothing that waits for approval begins"
    raise NotFoundError(f"{what} with {key!r}: give the SHA-256, or more of it")


def _hide_place(error: FedloomError, path: Path) -> str:
    """Say what is wrong with the node's policy without telling where it lies."""
    return str(error).replace(str(path.parent), "<node>")
