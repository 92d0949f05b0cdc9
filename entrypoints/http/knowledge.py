"""Search."""

from time import perf_counter

from fastapi import APIRouter

from application import knowledge
from entrypoints.http.dependencies import ActorDep, UseCasesDep
from entrypoints.http.document_resources import SearchOut, search_view
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.routing import WORKSPACE, about
from entrypoints.http.schemas import SearchBody

router = APIRouter(tags=["knowledge"])


@router.post(
    f"{WORKSPACE}/search",
    response_model=SearchOut,
    operation_id="search",
    summary="Search",
    description=about(knowledge.SearchPassages),
)
async def search(use_cases: UseCasesDep, actor: ActorDep, body: SearchBody) -> JSONResponse:
    """Search."""
    begun = perf_counter()
    outcome = await use_cases.search(
        actor,
        query=body.query,
        mode=body.mode,
        limit=body.limit,
        filters=None if body.filters is None else body.filters.filters(),
        max_per_document=body.max_per_document,
        rerank=bool(body.rerank),
    )
    return JSONResponse(search_view(outcome, (perf_counter() - begun) * 1000))
