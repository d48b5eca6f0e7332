"""Models and their versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, status
from starlette.responses import FileResponse

from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.model import (
    LineageDetails,
    ModelDetails,
    NewSignatures,
    PageOf,
    VersionDetails,
    describe_version,
)
from fedloom.platform.api.problems import refusals
from fedloom.platform.api.routes.files import file_answer, send_file
from fedloom.platform.service import TaskForm

__all__ = [
    "delete_version",
    "download_package",
    "download_weights",
    "get_form",
    "get_lineage",
    "get_version",
    "list_models",
    "list_versions",
    "router",
    "sign_package",
]

router = APIRouter(prefix="/models", tags=["models"], responses=refusals())

ModelName = Annotated[
    str, Path(max_length=250, pattern="^[^/:]+$", description="The model's name.")
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version, counted from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
PageToken = Annotated[
    str | None,
    Query(
        max_length=2000,
        pattern="^[A-Za-z0-9+/=_-]+$",
        description="`next_token` of the page before.",
    ),
]


@router.get("")
def list_models(
    who: Who, desk: Desk, limit: Limit = 50, token: PageToken = None
) -> PageOf[ModelDetails]:
    """Return the models that Fedloom put in, by name."""
    page = desk.models(who, limit, token)
    items = [ModelDetails.model_validate(model) for model in page.items]
    return PageOf(items=items, next_token=page.next_token)


@router.get("/{name}/versions", responses=refusals(404))
def list_versions(
    name: ModelName, who: Who, desk: Desk, limit: Limit = 50, token: PageToken = None
) -> PageOf[VersionDetails]:
    """Return a model's versions, newest first."""
    page = desk.versions(who, name, limit, token)
    items = [describe_version(version) for version in page.items]
    return PageOf(items=items, next_token=page.next_token)


@router.get("/{name}/versions/{number}", responses=refusals(404))
def get_version(name: ModelName, number: Number, who: Who, desk: Desk) -> VersionDetails:
    """Return a version."""
    return describe_version(desk.version(who, name, number))


@router.delete(
    "/{name}/versions/{number}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(404),
)
def delete_version(name: ModelName, number: Number, who: Who, desk: Desk) -> None:
    """Remove a version; its number is not used again."""
    desk.delete_version(who, name, number)


@router.get("/{name}/versions/{number}/lineage", responses=refusals(404))
def get_lineage(name: ModelName, number: Number, who: Who, desk: Desk) -> LineageDetails | None:
    """Return where the weights come from; null where no task made them."""
    found = desk.lineage(who, name, number)
    return None if found is None else LineageDetails.model_validate(found)


@router.get(
    "/{name}/versions/{number}/weights",
    response_class=FileResponse,
    responses=refusals(404) | file_answer("The weights (npz)."),
)
def download_weights(name: ModelName, number: Number, who: Who, desk: Desk) -> FileResponse:
    """Download the weights, as npz."""
    return send_file(desk.weights(who, name, number), f"{name}-{number}.npz")


@router.get(
    "/{name}/versions/{number}/package",
    response_class=FileResponse,
    responses=refusals(404) | file_answer("The package (tgz)."),
)
def download_package(name: ModelName, number: Number, who: Who, desk: Desk) -> FileResponse:
    """Download the package, as an archive with the digest that the version names."""
    return send_file(desk.package_archive(who, name, number), f"{name}-{number}.tgz")


@router.put("/{name}/versions/{number}/signatures", responses=refusals(404))
def sign_package(
    name: ModelName, number: Number, added: NewSignatures, who: Who, desk: Desk
) -> VersionDetails:
    """Keep signatures of the package, beside those that it has; each is checked."""
    signatures = [one.read() for one in added.signatures]
    return describe_version(desk.sign_package(who, name, number, signatures))


@router.get("/{name}/versions/{number}/schema", responses=refusals(404))
def get_form(name: ModelName, number: Number, who: Who, desk: Desk) -> TaskForm:
    """Return what a form for a new task with this version needs."""
    return desk.schema(who, name, number)
