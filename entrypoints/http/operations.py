"""For those who run it: alive, ready, numbers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from application.errors import ApplicationError
from entrypoints.http.dependencies import ContainerDep
from entrypoints.http.errors import PROBLEM_JSON, RETRY_AFTER, problem
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.resources import HealthOut, ReadyOut
from entrypoints.http.routing import PROBLEM_REF
from entrypoints.peers import Peers
from entrypoints.telemetry import CONTENT_TYPE_LATEST, Metrics

PATIENCE: Final = 2.0  # seconds for an engine to answer

router = APIRouter(tags=["operations"])
log = structlog.get_logger(__name__)


@router.get("/healthz", response_model=HealthOut, operation_id="healthz", summary="The process lives")
async def healthz() -> JSONResponse:
    """Nothing but this process is asked."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    response_model=ReadyOut,
    operation_id="readyz",
    summary="The engines answer",
    responses={
        503: {
            "description": "One that is needed is down; the problem carries `engines` too",
            "content": {PROBLEM_JSON: {"schema": dict(PROBLEM_REF)}},
        }
    },
)
async def readyz(request: Request, container: ContainerDep) -> JSONResponse:
    """Each engine's state by name; of the model also who answers."""
    pings = dict(container.health())
    answers = await asyncio.gather(*(_answers(name, ping) for name, ping in pings.items()))
    needed = container.needed_engines()
    engines: dict[str, dict[str, Any]] = {
        name: {"state": "up" if up else "down", "needed": name in needed}
        for name, up in zip(pings, answers, strict=True)
    }
    if "model" in engines:
        engines["model"]["answers"] = container.settings().answers_by
    down = sorted(name for name, engine in engines.items() if engine["needed"] and engine["state"] == "down")
    if down:
        return problem(
            request,
            503,
            "not_ready",
            f"Down: {', '.join(down)}.",
            headers={"Retry-After": str(RETRY_AFTER)},
            ready=False,
            engines=engines,
        )
    return JSONResponse({"ready": True, "engines": engines, "index": await _index(container)})


async def _index(container: ContainerDep) -> dict[str, Any] | None:
    """Which generation is asked, and how far its successor has come."""
    try:
        async with asyncio.timeout(PATIENCE):
            state = await container.use_cases().show_index()
    except (ApplicationError, TimeoutError):
        return None
    building = state.building
    return {
        "generation": state.live.number,
        "model": state.live.recipe.name,
        "change": None
        if building is None
        else {
            "generation": building.number,
            "model": building.recipe.name,
            "documents_built": state.built,
            "documents": state.documents,
            "problem": building.problem,
        },
    }


async def _answers(name: str, ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await ping()
    except Exception as error:  # noqa: BLE001 whatever it is, the engine is not well
        log.warning("engine_down", engine=name, error=type(error).__name__)
        return False
    return True


@router.get(
    "/metrics",
    response_class=Response,
    operation_id="metrics",
    summary="Numbers for Prometheus",
    responses={200: {"description": "Text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The numbers of this process, or of all that share its address, each named."""
    numbers: Metrics = request.app.state.metrics
    peers: Peers | None = request.app.state.peers
    content = numbers.render() if peers is None else await peers.render()
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})
