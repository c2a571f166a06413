"""Swagger UI at /docs, served from a wheel: the page works where there is no internet."""

from importlib.resources import files

import fastapi_swagger  # type: ignore[import-untyped]
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

SHOWN = {
    "persistAuthorization": True, "filter": True, "displayRequestDuration": True,
    "docExpansion": "none", "defaultModelsExpandDepth": -1,
}  # fmt: skip
"""Chapters are opened by the reader: two hundred operations at once take a browser seconds to draw."""


def install(app: FastAPI) -> None:
    """Add the page and its files."""
    folder = files(fastapi_swagger) / "resources"

    async def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon-32x32.png",
            swagger_ui_parameters=SHOWN,
        )

    async def asset(name: str) -> Response:
        if name not in ASSETS:
            return Response(status_code=404)
        return FileResponse(str(folder / name), media_type=ASSETS[name])

    app.add_api_route("/docs", page, include_in_schema=False)
    app.add_api_route("/docs/{name}", asset, include_in_schema=False)
