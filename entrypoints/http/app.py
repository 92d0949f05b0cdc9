"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import metadata

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import WebSocketRoute
from starlette.types import Lifespan

from entrypoints.http import (
    answers,
    api_keys,
    audit,
    auth,
    conversations,
    document_content,
    documents,
    errors,
    knowledge,
    members,
    middleware,
    openapi,
    operations,
    pages,
    rooms,
    usage,
    workspaces,
)
from entrypoints.http.dependencies import Container
from entrypoints.http.index import RouteIndex
from entrypoints.http.lean import make_lean
from entrypoints.http.limits import BodyLimit
from entrypoints.http.rates import Rates
from entrypoints.peers import Peers
from entrypoints.telemetry import Metrics
from entrypoints.websocket import asyncapi
from entrypoints.websocket.endpoint import PATH, LiveEndpoint
from entrypoints.websocket.metrics import LiveMetrics

DESCRIPTION = """\
Documents become knowledge that people and Claude search and question with citations that can be checked.

Everything but the routes for logging in and operating needs `Authorization: Bearer <access token>`. Lists come in
pages: pass `next_cursor` as `cursor`. What can be changed carries a `version` and an `ETag`: send it as `If-Match`
and a change that somebody else made first is answered with 412. Every error is a problem document (RFC 9457) whose
`code` does not change.
"""

ROUTERS = (
    auth.router,
    api_keys.router,
    workspaces.router,
    members.router,
    audit.router,
    documents.router,
    document_content.router,
    knowledge.router,
    conversations.router,
    answers.router,
    usage.router,
    rooms.router,
    operations.router,
    pages.router,
)


def version() -> str:
    """The installed version."""
    try:
        return metadata.version("readingroom")
    except metadata.PackageNotFoundError:
        return "0"


def beside(live: LiveEndpoint, lifespan: Lifespan[FastAPI] | None) -> Lifespan[FastAPI]:
    """What looks after live connections runs inside of what the host runs."""

    @asynccontextmanager
    async def both(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app))
            await stack.enter_async_context(live.running())
            yield

    return both


def create_app(
    container: Container,
    *,
    lifespan: Lifespan[FastAPI] | None = None,
    metrics: Metrics | None = None,
    rates: Rates | None = None,
    peers: Peers | None = None,
) -> FastAPI:
    """An ASGI application on this container.

    `lifespan` starts and stops what the host runs beside it. `metrics` are those that the container counts into;
    without them the application has its own. Without `rates` nobody is refused for calling too often.
    `peers` are the other processes of its address.
    """
    metrics = metrics or Metrics()
    live = LiveEndpoint(container, LiveMetrics(metrics.registry))
    app = FastAPI(
        title="Reading Room",
        version=version(),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its own; ours is in `Surroundings`
        lifespan=beside(live, lifespan),
    )
    app.state.container = container
    app.state.rates = rates or Rates()
    app.state.metrics = metrics
    app.state.peers = peers
    app.state.live = live
    metrics.watch_answers(lambda: container.use_cases().answer_runs.active)
    for router in ROUTERS:
        # not included: FastAPI then looks for the route of each request twice, through two routers
        app.router.routes.extend(router.routes)
    for route in app.router.routes:
        if isinstance(route, APIRoute):
            make_lean(route)
    app.router.routes.append(asyncapi.route)
    app.router.routes.append(WebSocketRoute(PATH, live, name="live"))
    app.router.middleware_stack = RouteIndex(app.router)
    errors.install(app)
    app.add_middleware(BodyLimit)
    origins = container.settings().allowed_origins
    if origins:
        app.add_middleware(middleware.Origins, origins=origins)
    app.add_middleware(middleware.Surroundings, metrics=metrics)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    return app
