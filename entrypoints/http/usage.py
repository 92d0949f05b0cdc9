"""What a workspace used."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from application import usage
from application.usage import UsageSum, WorkspaceUsage
from entrypoints.http.dependencies import ActorDep, UseCasesDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.resources import Resource
from entrypoints.http.routing import WORKSPACE, about
from entrypoints.http.schemas import Day

router = APIRouter(tags=["workspaces"])


class UsageSumOut(Resource):
    """Of some answers. `cost_usd` is null where a model among them has no price."""

    answers: int
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    cost_usd: float | None


class ModelUsageOut(UsageSumOut):
    """Of one model."""

    model: str


class UserUsageOut(UsageSumOut):
    """Of one person."""

    user_id: str


class WorkspaceUsageOut(Resource):
    """Answers of some days, and what is stored now."""

    first: str
    last: str
    total: UsageSumOut
    by_model: list[ModelUsageOut]
    by_user: list[UserUsageOut]
    documents: int
    bytes: int
    chunks: int


def sum_view(used: UsageSum) -> dict[str, Any]:
    """One sum."""
    return {
        "answers": used.answers,
        "input_tokens": used.usage.input_tokens,
        "output_tokens": used.usage.output_tokens,
        "cache_read_input_tokens": used.usage.cache_read_input_tokens,
        "cache_creation_input_tokens": used.usage.cache_creation_input_tokens,
        "cost_usd": used.cost,
    }


def usage_view(used: WorkspaceUsage) -> dict[str, Any]:
    """All sums."""
    return {
        "first": used.first.isoformat(),
        "last": used.last.isoformat(),
        "total": sum_view(used.total),
        "by_model": [{"model": model, **sum_view(one)} for model, one in used.by_model.items()],
        "by_user": [{"user_id": str(user_id), **sum_view(one)} for user_id, one in used.by_user.items()],
        "documents": used.stored.documents,
        "bytes": used.stored.bytes,
        "chunks": used.stored.chunks,
    }


@router.get(
    f"{WORKSPACE}/usage",
    response_model=WorkspaceUsageOut,
    operation_id="showUsage",
    summary="What the workspace used",
    description=about(usage.ShowUsage),
)
async def show_usage(
    use_cases: UseCasesDep,
    actor: ActorDep,
    first: Annotated[Day | None, Query(alias="from", description="The first day, in UTC, e.g. 2026-11-01.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, included.")] = None,
) -> JSONResponse:
    """What the workspace used."""
    return JSONResponse(usage_view(await use_cases.show_usage(actor, first=first, last=last)))
