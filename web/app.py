"""The gateway: the page, and the few requests that a browser may send."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Route

from feedback.reader import Reader
from feedback.store import Store
from feedback.writer import Writer

from . import feedback, visitors
from .catalogue import Catalogues
from .connections import Server
from .experiments import Running
from .fresh import wanted
from .gateway import Gateway, GatewayDep, Model
from .guard import RateLimit, SecurityHeaders, SizeLimit
from .limit import UserLimit
from .metrics import Metrics
from .predictions import predictions
from .problems import NotFound, NoUser, Problem, TooLarge, invalid
from .settings import Settings
from .torchserve import TorchServe

STATIC = Path(__file__).parent / "static"
SUGGESTIONS = 8  # of the search box, where its request has no k
VIEWS = json.loads((STATIC / "views.json").read_text())  # of the page, in the order of its navigation


routes = APIRouter()


def create_app(settings: Settings, server: Server | None = None) -> Starlette:
    """The gateway as an ASGI application; ``server`` stands in for TorchServe in tests.

    Raises ``feedback.database.URLError`` where the settings name no store.
    """
    torchserve, metrics = TorchServe(settings, server), Metrics()
    store = Store(settings.events_url)
    writer, reader = Writer(store, metrics.impressions_dropped.inc), Reader(store, wanted(settings.events_used))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with metrics.served(settings.metrics_port):
            writer.start()
            yield
            reader.stop()
            await writer.stop()
            await torchserve.close()

    catalogues, user_limit = Catalogues(torchserve, settings.fresh), UserLimit(settings.events_rate)
    gateway = Gateway(settings, torchserve, catalogues, store, writer, reader, Running(reader), user_limit, metrics)
    app = Starlette(
        # Lists are asked for most: FastAPI's steps of a request would be a fifth of their time.
        routes=[_predictions, Mount("", _others(gateway))],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(RateLimit, rate=settings.rate),
            Middleware(SizeLimit, most=settings.max_body),
            Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5),
        ],
        exception_handlers=_HANDLERS,
        lifespan=lifespan,
    )
    app.state.gateway = gateway
    return app


def _others(gateway: Gateway) -> FastAPI:
    """All routes; that of predictions answers other methods here, and an address that ends with a slash."""
    app = FastAPI(
        routes=[_predictions],
        max_body_size=gateway.settings.max_body,
        # At each request it would look for somebody to tell.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        openapi_url=None,  # its documentation page would load scripts from another host
        exception_handlers=_HANDLERS,
    )
    app.state.gateway = gateway
    app.include_router(routes)
    app.include_router(feedback.routes)
    app.include_router(visitors.routes)
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


async def page() -> FileResponse:
    """The page, at ``/`` and at the route of each view; its script shows the view that the address names."""
    return FileResponse(STATIC / "index.html")


for path in ("", *(view["route"] for view in VIEWS)):
    routes.get(f"/{path}")(page)


@routes.get("/health")
async def health(gateway: GatewayDep) -> dict[str, str]:
    """Whether the gateway lives, and whether TorchServe does."""
    return {"status": "ok", "torchserve": "up" if await gateway.torchserve.up() else "down"}


@routes.get("/api/models")
async def models(gateway: GatewayDep) -> dict[str, Any]:
    """A card a model, or the reason why there is none."""
    return {"models": await asyncio.gather(*(_card(gateway.catalogues, name) for name in gateway.settings.models))}


@routes.get("/api/movies/{model}")
async def movies(gateway: GatewayDep, model: Model, request: Request) -> Response:
    """Every movie, with its place on the map."""
    catalogue = await gateway.catalogues.of(model)
    headers = {"ETag": catalogue.etag}
    if request.headers.get("If-None-Match", "").removeprefix("W/") == catalogue.etag:
        return Response(status_code=304, headers=headers)
    return Response(catalogue.body, headers=headers, media_type="application/json")


@routes.get("/api/search/{model}")
async def search(
    gateway: GatewayDep,
    model: Model,
    q: Annotated[str, Query(max_length=200)],
    k: Annotated[int, Query(ge=1, le=50)] = SUGGESTIONS,
) -> dict[str, Any]:
    """Movies for what has been typed so far."""
    return {"movies": (await gateway.catalogues.of(model)).index.find(q, k)}


@routes.get("/api/users/{model}/random")
async def random_user(gateway: GatewayDep, model: Model) -> dict[str, Any]:
    """One of the users that the archive's description names: the contract lists no users."""
    card = await gateway.catalogues.card(model)
    if not card.some_users:
        raise NoUser("This model names none of its users, because their ids may be personal. Type an id.")
    return {"user_id": random.choice(card.some_users)}


async def _card(catalogues: Catalogues, name: str) -> dict[str, Any]:
    """The card, or in its place the reason why there is none: one missing model must not hide the others."""
    try:
        return (await catalogues.card(name)).model_dump()
    except Problem as problem:
        return {"name": name, "error": {"code": problem.code, "type": problem.type, "message": str(problem)}}


async def _as_it_is(_: Request, problem: Problem) -> JSONResponse:
    return problem.response()


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    return invalid(error.errors()).response()


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 404:
        return NotFound(f"There is nothing at {request.url.path[:80]}.").response()
    if error.status_code == 413:
        return TooLarge("The request is too large.").response()
    body = {"code": error.status_code, "type": "HTTPError", "message": str(error.detail)}
    return JSONResponse(body, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    return Problem("The gateway failed; its log says why.").response()


_HANDLERS = {Problem: _as_it_is, RequestValidationError: _invalid, HTTPException: _http, Exception: _failed}
# Its own 500: an application's is made outside of its middleware, and has no security headers.
_own_error = [Middleware(ServerErrorMiddleware, handler=_failed)]
_predictions = Route("/api/predictions/{model}", predictions, methods=["POST"], middleware=_own_error)
