"""Changing single keys of an owner's policy file, with all else in it left as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from fedloom.errors import InputError
from fedloom.files import output_errors, write_text
from fedloom.package.signing import check_key, is_digest
from fedloom.platform.client.file_lock import lock_beside
from fedloom.platform.client.policy import Mode, Policy
from fedloom.platform.client.policy_file import read_policy

__all__ = ["allow", "choose_list", "disallow", "set_mode"]

_HEAD = "# What may run at this node; fedloom client policy shows it.\n"


def set_mode(path: Path, mode: Mode) -> None:
    """Let a policy say what becomes of code that it does not name.

    Raises:
        InputError: the file is wrong as it is.
        OutputError: it cannot be written.
    """
    _change(path, "mode", lambda _: str(mode))


def allow(path: Path, wanted: str) -> str:
    """Add a package, key or model to what a policy allows; return the list that it stands in.

    Args:
        path: the policy's file; made if missing.
        wanted: see `choose_list`.

    Raises:
        InputError: it cannot be meant, or the file is wrong as it is.
        OutputError: the file cannot be written.
    """
    key, value = choose_list(wanted)
    _change(path, key, lambda policy: [*_listed(policy, key, without=value), value])
    return key


def disallow(path: Path, unwanted: str) -> bool:
    """Take something out of what a policy allows; return whether it was there."""
    key, value = choose_list(unwanted)
    if value not in getattr(read_policy(path), key):
        return False
    _change(path, key, lambda policy: _listed(policy, key, without=value))
    return True


def choose_list(wanted: str) -> tuple[str, str]:
    """Return the key of the list in which something stands, and how it stands there.

    Args:
        wanted: the SHA-256 of a package, a public key (``ed25519:…``), ``model:`` and the name of
            one of Fedloom's own, or else a package's name.
    """
    text = wanted.strip()
    if is_digest(text.casefold()):
        return "digests", text.casefold()
    if text.startswith("ed25519:"):
        return "trusted_keys", check_key(text)
    if text.startswith("model:") and len(text) > len("model:"):
        return "models", text.removeprefix("model:")
    if not text or not text.isprintable():
        raise InputError(f"{wanted!r} is no package: give a name, a SHA-256, a key or model:NAME")
    return "packages", text


def _listed(policy: Policy, key: str, *, without: str) -> list[str]:
    return [str(one) for one in getattr(policy, key) if str(one) != without]


def _change(path: Path, key: str, make: Callable[[Policy], str | Sequence[str]]) -> None:
    with output_errors(path), lock_beside(path):
        before = path.read_text("utf-8") if path.exists() else _HEAD
        value = json.dumps(make(read_policy(path)), ensure_ascii=False)
        after = _put(before, key, value)
        _check(path, after, key)
        write_text(path, after)


def _put(text: str, key: str, value: str) -> str:
    """Replace the value of a key of the outermost mapping, or add the key at the end."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for name, old in pairs:
        if name.value == key:
            ended = text[: old.end_mark.index].rstrip()
            tail = text[len(ended) :]
            return f"{text[: name.start_mark.index]}{key}: {value}{tail}"
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        at = node.end_mark.index - 1
        return f"{text[:at]}{', ' if pairs else ''}{key}: {value}{text[at:]}"
    return f"{text.rstrip()}\n{key}: {value}\n".lstrip("\n")


def _check(path: Path, text: str, key: str) -> None:
    """Write nothing that could not be read again."""
    try:
        Policy.model_validate(yaml.safe_load(text))
    except (ValueError, yaml.YAMLError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"{path}: {key} cannot be changed by a command ({why}): edit it"
        ) from error
