"""The page `/docs`, which needs nothing from the internet."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from fedloom.platform.api.problems import Problem

__all__ = ["add_docs", "complete_openapi"]

_ASSETS = "/docs/assets"
_PACKAGE = "fastapi_offline"
"""Brings the files of Swagger UI; nothing else of it is used."""

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)


def add_docs(app: FastAPI) -> None:
    """Add the page, its files, and the document that it shows."""
    folder = Path(str(files(_PACKAGE))) / "static"
    app.mount(_ASSETS, StaticFiles(directory=folder), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
        )
        page.headers["Content-Security-Policy"] = _POLICY
        return page


def complete_openapi(app: FastAPI) -> None:
    """Name the shape of refusals in the OpenAPI document, where the routes refer to it."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = make()["components"]["schemas"]
            named = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= named.pop("$defs", {})
            schemas["Problem"] = named
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return app.openapi_schema  # type: ignore[return-value]

    app.openapi = openapi  # type: ignore[method-assign]
