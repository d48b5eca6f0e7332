"""What a node's owner allows: which code on which data, in which bounds, saying what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field

from fedloom.errors import InputError
from fedloom.package.signing import Signature, check_key, is_digest, verify
from fedloom.platform.client.no_part import say_no_part
from fedloom.platform.client.redaction import Redaction
from fedloom.platform.client.sandbox.bounds import Bounds

__all__ = [
    "Decision",
    "Kind",
    "Limits",
    "Mode",
    "Network",
    "Policy",
    "Verdict",
    "Wish",
    "decide",
]


class Mode(StrEnum):
    """What becomes of code that no rule speaks of."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


class Kind(StrEnum):
    """What kind of code is asked for."""

    PACKAGE = "package"
    MODEL = "model"


class Verdict(StrEnum):
    """What a policy says."""

    ALLOWED = "allowed"
    PENDING = "pending"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """A verdict, and why, in one line for the owner and whoever asked."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Wish:
    """What someone wants to run.

    Attributes:
        use_case: names the data.
        kind: a package, or a model of Fedloom's own.
        name: of the package, as the sender calls it; or of the model.
        digest: SHA-256 of the package's archive; empty for a model.
        entry_point: what is to run now; empty where somebody only asks whether it may take part.
        signatures: of the package.
    """

    use_case: str
    kind: Kind
    name: str
    digest: str = ""
    entry_point: str = ""
    signatures: tuple[Signature, ...] = ()

    @property
    def key(self) -> str:
        """By what the owner approves or refuses it: the digest, or ``model:`` and the name."""
        return self.digest if self.kind is Kind.PACKAGE else f"model:{self.name}"


def _check_digest(text: str) -> str:
    if not is_digest(folded := text.casefold()):
        raise ValueError("must be a SHA-256, 64 hexadecimal digits")
    return folded


def _check_public_key(text: str) -> str:
    try:
        return check_key(text)
    except InputError as error:
        raise ValueError(str(error)) from error


_STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

_Digest = Annotated[str, AfterValidator(_check_digest)]
_Key = Annotated[str, AfterValidator(_check_public_key)]
_Bytes = Annotated[ByteSize, Field(ge=1024)]


class Limits(BaseModel):
    """How much one call of a package may use; sizes may be written as 500MB or 2GiB."""

    model_config = _STRICT

    time_s: Annotated[float, Field(gt=0, le=7 * 86400)] = 3600.0
    """Seconds of wall time."""
    memory: _Bytes = ByteSize(8 * 1024**3)
    """Bytes of memory, for each process and for all of a call together."""
    file: _Bytes = ByteSize(4 * 1024**3)
    """Bytes of one file."""
    folder: _Bytes = ByteSize(16 * 1024**3)
    """Bytes of all that it keeps in its folder."""
    processes: Annotated[int, Field(ge=2, le=100_000)] = 256
    """Processes at one time."""

    def bounds(self) -> Bounds:
        """Return them as the sandbox takes them."""
        return Bounds(int(self.memory), int(self.file), int(self.folder), self.processes)


class Network(BaseModel):
    """What may use the network; training, validation and prediction never may."""

    model_config = _STRICT

    startup: bool = False
    """Whether a package's startup may."""
    install: bool = True
    """Whether what a package needs may be fetched from the network, if it is not in the cache."""


class Policy(BaseModel):
    """All that a node's owner decides; the file `policy.yaml`."""

    model_config = _STRICT

    mode: Mode = Mode.DENY
    """What becomes of code that is not named below: deny, ask or allow."""
    packages: tuple[str, ...] = ()
    """Allowed packages by name, * stands for any; a name is only what the sender says it is."""
    digests: tuple[_Digest, ...] = ()
    """Allowed packages by the SHA-256 of their archive."""
    trusted_keys: tuple[_Key, ...] = ()
    """Public keys (ed25519:…) of those whose signed packages are allowed."""
    signed_only: bool = False
    """Whether packages must be signed by a trusted key, whatever else allows them."""
    models: tuple[str, ...] = ()
    """Allowed models of Fedloom's own, by name; * stands for any."""
    use_cases: tuple[str, ...] = ("*",)
    """Use cases in which this node takes part, by name; * stands for any."""
    entry_points: tuple[str, ...] = ("startup", "train", "validate")
    """Entry points of packages that may run."""
    require_isolation: bool = False
    """Whether packages are refused where this machine cannot keep them from network and files."""
    limits: Limits = Limits()
    """How much a call may use."""
    network: Network = Network()
    """What may use the network."""
    redaction: Redaction = Redaction()
    """Which metrics leave the node, and how exact."""

    def includes(self, use_case: str) -> bool:
        """Tell whether the node takes part in a use case at all."""
        return _match(use_case, self.use_cases)


def decide(policy: Policy, wish: Wish, judged: Mapping[str, Verdict]) -> Decision:
    """Say whether something may run; depends on nothing but its arguments.

    Args:
        policy: the owner's.
        wish: what is asked for.
        judged: what the owner said of single digests and models, by `Wish.key`.
    """
    refusal = _find_refusal(policy, wish, judged)
    if refusal:
        return Decision(Verdict.REFUSED, refusal)
    permission = _find_permission(policy, wish, judged)
    if permission:
        return Decision(Verdict.ALLOWED, permission)
    if policy.mode is Mode.ASK:
        reason = f"{_show(wish)} waits for the approval of this node's owner"
        return Decision(Verdict.PENDING, reason)
    return Decision(Verdict.REFUSED, f"{_show(wish)} is not among what this node's owner allows")


def _find_refusal(policy: Policy, wish: Wish, judged: Mapping[str, Verdict]) -> str:
    """Return what no permission can outweigh."""
    if not policy.includes(wish.use_case):
        return say_no_part(wish.use_case)
    if wish.kind is Kind.PACKAGE and not is_digest(wish.digest):
        return f"package {wish.name!r} comes without the SHA-256 of its archive"
    if judged.get(wish.key) is Verdict.REFUSED:
        return f"{_show(wish)} was refused by this node's owner"
    if wish.kind is Kind.MODEL:
        return ""
    if wish.entry_point and wish.entry_point not in policy.entry_points:
        return f"entry point {wish.entry_point!r} is not among what this node's owner allows"
    if policy.signed_only and not _find_signer(policy, wish):
        return f"{_show(wish)} is not signed by a key that this node's owner trusts"
    return ""


def _find_permission(policy: Policy, wish: Wish, judged: Mapping[str, Verdict]) -> str:
    if judged.get(wish.key) is Verdict.ALLOWED:
        return "approved by the owner"
    if wish.kind is Kind.MODEL:
        named = "allowed by the model's name" if _match(wish.name, policy.models) else ""
    elif wish.digest in policy.digests:
        named = "allowed by its digest"
    elif signer := _find_signer(policy, wish):
        named = f"signed by {signer}"
    else:
        named = "allowed by the package's name" if _match(wish.name, policy.packages) else ""
    return named or ("all code is allowed" if policy.mode is Mode.ALLOW else "")


def _find_signer(policy: Policy, wish: Wish) -> str:
    trusted = (s for s in wish.signatures if s.key in policy.trusted_keys)
    return next((s.key for s in trusted if verify(wish.digest, s)), "")


def _match(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _show(wish: Wish) -> str:
    if wish.kind is Kind.MODEL:
        return f"model {wish.name[:80]!r}"
    return f"package {wish.name[:80]!r} with SHA-256 {wish.digest[:16]}…"
