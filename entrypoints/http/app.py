"""The HTTP application."""

from importlib import metadata

from fastapi import FastAPI
from starlette.types import Lifespan

from entrypoints.http import (
    answers,
    api_keys,
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
    workspaces,
)
from entrypoints.http.dependencies import Container
from entrypoints.http.limits import BodyLimit
from entrypoints.telemetry import Metrics

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
    documents.router,
    document_content.router,
    knowledge.router,
    conversations.router,
    answers.router,
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


def create_app(
    container: Container, *, lifespan: Lifespan[FastAPI] | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """An ASGI application on this container.

    `lifespan` starts and stops what the host runs beside it. `metrics` are those that the container counts into;
    without them the application has its own.
    """
    app = FastAPI(
        title="Reading Room",
        version=version(),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.container = container
    app.state.metrics = metrics = metrics or Metrics()
    metrics.watch_answers(lambda: container.use_cases().answer_runs.active)
    for router in ROUTERS:
        app.include_router(router)
    errors.install(app)
    app.add_middleware(BodyLimit)
    origins = container.settings().allowed_origins
    if origins:
        app.add_middleware(middleware.Origins, origins=origins)
    app.add_middleware(middleware.Surroundings, metrics=metrics)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    return app
