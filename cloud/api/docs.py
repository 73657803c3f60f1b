"""`/docs`: the API's description as a page that asks nobody but us for anything; `/asyncapi.json` for the MQTT side."""

from importlib.metadata import version
from importlib.resources import files

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from cloud.api.problems import NotFound
from schemas.asyncapi import asyncapi

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets styles from its script and draws with data: images; nothing may come from elsewhere.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>klimanetz API</title><link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><noscript>This page needs JavaScript; the description itself is
<a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/assets/swagger-ui-bundle.js"></script><script src="docs/assets/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", tryItOutEnabled: true});
"""


def routes() -> APIRouter:
    """The page and its parts; without `schemas.asyncapi` there is no /asyncapi.json."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    def docs() -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @router.get("/docs/assets/{name}")
    def asset(name: str) -> Response:
        kept = {"Cache-Control": "public, max-age=86400"}
        if name == "start.js":
            return Response(_START, media_type="text/javascript", headers=kept)
        if name not in _ASSETS:
            raise NotFound(f"/docs has no part '{name}'")
        body = (files("fastapi_swagger.resources") / name).read_bytes()
        return Response(body, media_type=_ASSETS[name], headers=kept)

    described = orjson.dumps(asyncapi(version("klimanetz")))

    @router.get("/asyncapi.json")
    def asyncapi_document() -> Response:
        return Response(described, media_type="application/json")

    return router
