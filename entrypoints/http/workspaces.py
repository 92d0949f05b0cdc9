"""Workspaces and collections."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from application import deleting, joining, workspaces
from domain.ids import CollectionId
from domain.workspaces import Visibility
from entrypoints.http.dependencies import ActorDep, IdentityDep, IfMatch, UseCasesDep, expected_version
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse, encoded
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, first_page, page_of
from entrypoints.http.resources import (
    CollectionOut,
    CollectionsOut,
    WorkspaceOut,
    WorkspacesOut,
    collection_view,
    workspace_view,
)
from entrypoints.http.routing import WORKSPACE, about, problems, versioned
from entrypoints.http.schemas import CollectionBody, CollectionPatch, NameBody

router = APIRouter()


@router.get(
    "/v1/workspaces",
    response_model=WorkspacesOut,
    operation_id="listWorkspaces",
    summary="Your workspaces",
    tags=["workspaces"],
)
async def list_workspaces(
    use_cases: UseCasesDep, identity: IdentityDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """All workspaces that you belong to, in the order in which you joined them."""
    cursors = CursorOf(context=("workspaces", identity.user_id))
    after = cursors.decode(cursor, UUID)
    mine = list((await use_cases.show_profile(identity)).workspaces)
    passed = next((n for n, of in enumerate(mine, start=1) if of.workspace.id == after), 0)
    return JSONResponse(
        page_of(
            mine[passed:],
            limit,
            view=lambda of: workspace_view(of.workspace, of.role),
            key=lambda of: of.workspace.id,
            cursors=cursors,
        )
    )


@router.post(
    "/v1/workspaces",
    status_code=201,
    response_model=WorkspaceOut,
    operation_id="createWorkspace",
    summary="Make a workspace",
    description=about(workspaces.CreateWorkspace),
    tags=["workspaces"],
    responses=problems(403, 409),
)
async def create_workspace(use_cases: UseCasesDep, identity: IdentityDep, once: OnceDep, body: NameBody) -> Response:
    """Make a workspace."""
    return await once(
        lambda: use_cases.create_workspace(identity, name=body.name),
        lambda made: versioned(
            workspace_view(made.workspace, made.role), status=201, location=f"/v1/workspaces/{made.workspace.id}"
        ),
    )


@router.get(
    WORKSPACE,
    response_model=WorkspaceOut,
    operation_id="showWorkspace",
    summary="One workspace",
    description=about(workspaces.ShowWorkspace),
    tags=["workspaces"],
)
async def show_workspace(use_cases: UseCasesDep, actor: ActorDep) -> JSONResponse:
    """One workspace."""
    shown = await use_cases.show_workspace(actor)
    return versioned(workspace_view(shown.workspace, shown.role))


@router.patch(
    WORKSPACE,
    response_model=WorkspaceOut,
    operation_id="renameWorkspace",
    summary="Rename a workspace",
    description=about(workspaces.RenameWorkspace),
    tags=["workspaces"],
    responses=problems(409, 412),
)
async def rename_workspace(
    use_cases: UseCasesDep, actor: ActorDep, body: NameBody, if_match: IfMatch = None
) -> JSONResponse:
    """Rename a workspace."""
    shown = await use_cases.rename_workspace(actor, name=body.name, version=expected_version(if_match))
    return versioned(workspace_view(shown.workspace, shown.role))


@router.delete(
    WORKSPACE,
    status_code=204,
    operation_id="deleteWorkspace",
    summary="Erase a workspace",
    description=about(joining.DeleteWorkspace),
    tags=["workspaces"],
    responses=problems(409, 412),
)
async def delete_workspace(use_cases: UseCasesDep, actor: ActorDep, if_match: IfMatch = None) -> Response:
    """Erase a workspace."""
    await use_cases.delete_workspace(actor, version=expected_version(if_match))
    return Response(status_code=204)


@router.get(
    f"{WORKSPACE}/collections",
    response_model=CollectionsOut,
    operation_id="listCollections",
    summary="Collections",
    description=about(workspaces.ListCollections),
    tags=["collections"],
)
async def list_collections(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """List collections."""
    cursors = CursorOf(context=("collections", actor.workspace_id))
    after = cursors.decode(cursor, lambda key: CollectionId(UUID(key)))

    async def listed() -> bytes:
        found = await use_cases.list_collections(actor, limit=limit + 1, after=after)
        return encoded(
            page_of(found, limit, view=collection_view, key=lambda shown: shown.collection.id, cursors=cursors)
        )

    return await first_page(use_cases, actor, use_cases.list_collections.asks, (*cursors.context, limit), after, listed)


@router.post(
    f"{WORKSPACE}/collections",
    status_code=201,
    response_model=CollectionOut,
    operation_id="createCollection",
    summary="Make a collection",
    description=about(workspaces.CreateCollection),
    tags=["collections"],
    responses=problems(409),
)
async def create_collection(use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, body: CollectionBody) -> Response:
    """Make a collection."""
    return await once(
        lambda: use_cases.create_collection(
            actor,
            name=body.name,
            description=body.description or "",
            visibility=body.visibility or Visibility.WORKSPACE,
        ),
        lambda made: versioned(
            collection_view(made),
            status=201,
            location=f"/v1/workspaces/{actor.workspace_id}/collections/{made.collection.id}",
        ),
    )


@router.get(
    f"{WORKSPACE}/collections/{{collection_id}}",
    response_model=CollectionOut,
    operation_id="showCollection",
    summary="One collection",
    description=about(workspaces.ShowCollection),
    tags=["collections"],
)
async def show_collection(use_cases: UseCasesDep, actor: ActorDep, collection_id: UUID) -> JSONResponse:
    """One collection."""
    return versioned(collection_view(await use_cases.show_collection(actor, collection_id=CollectionId(collection_id))))


@router.patch(
    f"{WORKSPACE}/collections/{{collection_id}}",
    response_model=CollectionOut,
    operation_id="changeCollection",
    summary="Change a collection",
    description=about(workspaces.ChangeCollection),
    tags=["collections"],
    responses=problems(409, 412),
)
async def change_collection(
    use_cases: UseCasesDep, actor: ActorDep, collection_id: UUID, body: CollectionPatch, if_match: IfMatch = None
) -> JSONResponse:
    """Change a collection."""
    shown = await use_cases.change_collection(
        actor,
        collection_id=CollectionId(collection_id),
        name=body.name,
        description=body.description,
        visibility=body.visibility,
        version=expected_version(if_match),
    )
    return versioned(collection_view(shown))


@router.delete(
    f"{WORKSPACE}/collections/{{collection_id}}",
    status_code=204,
    operation_id="deleteCollection",
    summary="Delete a collection and its documents",
    description=about(deleting.DeleteCollection),
    tags=["collections"],
    responses=problems(409, 412),
)
async def delete_collection(
    use_cases: UseCasesDep, actor: ActorDep, collection_id: UUID, if_match: IfMatch = None
) -> Response:
    """Delete a collection and its documents."""
    await use_cases.delete_collection(
        actor, collection_id=CollectionId(collection_id), version=expected_version(if_match)
    )
    return Response(status_code=204)
