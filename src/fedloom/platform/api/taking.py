"""A package that comes as a form, over the API or from the page: read, checked, registered."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedloom.errors import InputError, PackageError
from fedloom.package.signing import MOST_SIGNATURES, Signature
from fedloom.platform.api.upload import read_form
from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.registry import Version
from fedloom.platform.service import Service
from fedloom.platform.task import Name

__all__ = ["MODEL_NAME", "take_package"]

MODEL_NAME = r"^[\w](?:[\w .-]{0,198}[\w-])?$"
"""What a model may be called."""

_NAMES = {"file": "package.tgz", "seed_model": "seed_model.npz"}
"""Parts of the form that are files, and what messages call them."""


class _PackageFields(BaseModel):
    """The fields of an upload beside its files."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=MODEL_NAME)]
    use_case: Name | None = None
    description: Annotated[str, Field(max_length=5000)] = ""
    signature: Annotated[list[Signature], Field(max_length=MOST_SIGNATURES)] = []


async def take_package(request: Request, who: Identity, desk: Service) -> Version:
    """Put the package of a form into the registry; the form is written to disk as it comes.

    Args:
        request: whose body was not read yet; the gate bounds it.
        who: brings it.
        desk: takes it.

    Raises:
        ForbiddenError: they may not; nothing of the body was read.
        HTTPException: the body is no such form.
        RequestValidationError: a field or a file is missing or wrong.
        FedloomError: see `PackageService.push_package`.
    """
    require(who, Permission.PUSH_MODEL)
    with tempfile.TemporaryDirectory(prefix="upload-", dir=desk.folder) as scratch:
        form = await read_form(request, Path(scratch), tuple(_NAMES))
        fields, files = _read_fields(form.fields), _read_files(form.files)
        return await to_thread.run_sync(_push, desk, who, fields, files)


def _read_fields(items: Sequence[tuple[str, str]]) -> _PackageFields:
    single = [(key, value) for key, value in items if key != "signature"]
    if _is_doubled(single):
        raise _wrong("a field came twice", "body")
    given: dict[str, Any] = {key: value for key, value in single if value or key == "name"}
    given["signature"] = [
        _read_signature(value) for key, value in items if key == "signature" and value
    ]
    try:
        return _PackageFields.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from error


def _read_signature(text: str) -> Signature:
    try:
        return Signature.parse(text)
    except InputError as error:
        raise _wrong(str(error), "body", "signature") from error


def _read_files(items: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    files = dict(items)
    if _is_doubled(items):
        raise _wrong("a file came twice", "body")
    if "file" not in files:
        raise _wrong("the package is missing: send it as a file", "body", "file")
    return files


def _is_doubled(items: Sequence[tuple[str, Any]]) -> bool:
    return len({key for key, _ in items}) < len(items)


def _wrong(message: str, *place: str) -> RequestValidationError:
    return RequestValidationError([{"loc": place, "msg": message, "type": "value_error"}])


def _push(desk: Service, who: Identity, fields: _PackageFields, files: dict[str, Path]) -> Version:
    folder = files["file"].parent
    named = {name: path.rename(folder / _NAMES[name]) for name, path in files.items()}
    try:
        return desk.push_package(
            who,
            named["file"],
            fields.name,
            use_case=fields.use_case,
            seed_model=named.get("seed_model"),
            description=fields.description,
            signatures=fields.signature,
        )
    except PackageError as error:  # where it lay for a moment is nobody's business
        raise PackageError(str(error).replace(f"{folder}/", "")) from error
