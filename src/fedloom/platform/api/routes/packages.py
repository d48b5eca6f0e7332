"""Packages: brought, and fetched by their digest."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, status
from fastapi import Path as UrlPath
from starlette.responses import FileResponse

from fedloom.package.signing import MOST_SIGNATURES
from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.model import VersionDetails, describe_version
from fedloom.platform.api.problems import refusals
from fedloom.platform.api.routes.files import file_answer, send_file
from fedloom.platform.api.taking import MODEL_NAME, take_package
from fedloom.platform.identity import Identity, Permission, require

__all__ = ["download_package", "push_package", "router"]

router = APIRouter(prefix="/packages", tags=["packages"], responses=refusals())

_BINARY = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "name"],
                    "properties": {
                        "file": {**_BINARY, "description": "The package, a .tgz archive."},
                        "name": {
                            "type": "string",
                            "pattern": MODEL_NAME,
                            "description": "Of the model.",
                        },
                        "use_case": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 200,
                            "description": "The only one that it is for; all if not given.",
                        },
                        "seed_model": {
                            **_BINARY,
                            "description": "The first weights (npz); without them the package's"
                            " `build` makes them.",
                        },
                        "description": {"type": "string", "maxLength": 5000},
                        "signature": {
                            "type": "array",
                            "maxItems": MOST_SIGNATURES,
                            "items": {"type": "string", "maxLength": 1000},
                            "description": "Of the package: what `fedloom package sign` writes, a"
                            " field for each.",
                        },
                    },
                }
            }
        },
    }
}


def _may_push(who: Who) -> Identity:
    """Refuse before a byte of the body is read."""
    require(who, Permission.PUSH_MODEL)
    return who


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(409, 507)
    | {200: {"description": "The version that it was already.", "model": VersionDetails}},
    openapi_extra=_BODY,
)
async def push_package(
    request: Request,
    response: Response,
    who: Annotated[Identity, Depends(_may_push)],
    desk: Desk,
) -> VersionDetails:
    """Put a package into the registry as a version of a model.

    The same package again is the version that it was (200), with the signatures that it brings. Its
    `build` entry point runs in a child process with limits, as on a node, unless you bring the
    first weights along.
    """
    version = await take_package(request, who, desk)
    if version.was_there:
        response.status_code = status.HTTP_200_OK
    return describe_version(version)


@router.get(
    "/{digest}",
    response_class=FileResponse,
    responses=refusals(404) | file_answer("The package (tgz)."),
)
def download_package(
    digest: Annotated[
        str, UrlPath(pattern="^[0-9a-f]{64}$", description="SHA-256 of the archive.")
    ],
    who: Who,
    desk: Desk,
) -> FileResponse:
    """Download a package by its digest."""
    return send_file(desk.package_by_digest(who, digest), f"{digest[:16]}.tgz")
