"""What goes out: the shapes of answers as they are documented, each beside the function that builds it.

Answers are built as plain JSON values and not validated again on their way out; tests check every answer against the
published document instead.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from application.authentication import Profile
from application.login_sessions import TokenPair
from application.ports.repositories import WorkspaceOfUser
from application.views import time_view
from application.workspaces import CollectionWithCount
from domain.access import Role
from domain.users import User
from domain.workspaces import Visibility, Workspace

RoleName = Literal["owner", "admin", "editor", "viewer"]


class Resource(BaseModel):
    """Base of all shapes: what is not named here is not sent."""

    model_config = ConfigDict(extra="forbid")


class UserOut(Resource):
    """A person."""

    id: str
    email: str
    name: str
    created_at: str


def user_view(user: User) -> dict[str, Any]:
    """A person, without anything secret."""
    return {"id": str(user.id), "email": user.email, "name": user.name, "created_at": time_view(user.created_at)}


class WorkspaceOut(Resource):
    """A workspace as one of its members sees it."""

    id: str
    name: str
    role: RoleName
    version: int
    created_at: str


def workspace_view(workspace: Workspace, role: Role) -> dict[str, Any]:
    """A workspace and the asker's place in it."""
    return {
        "id": str(workspace.id),
        "name": workspace.name,
        "role": role.label,
        "version": workspace.version,
        "created_at": time_view(workspace.created_at),
    }


class RegisteredOut(Resource):
    """A new account and its workspace."""

    user: UserOut
    workspace: WorkspaceOut


class TokensOut(Resource):
    """A token pair; `expires_in` counts seconds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str


def tokens_view(pair: TokenPair) -> dict[str, Any]:
    """A token pair."""
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
    }


class PlaceOut(Resource):
    """A workspace in a profile."""

    id: str
    name: str
    role: RoleName


class ProfileOut(UserOut):
    """A person and where they belong."""

    workspaces: list[PlaceOut]


def profile_view(profile: Profile) -> dict[str, Any]:
    """A person and where they belong."""

    def place(of: WorkspaceOfUser) -> dict[str, Any]:
        return {"id": str(of.workspace.id), "name": of.workspace.name, "role": of.role.label}

    return {**user_view(profile.user), "workspaces": [place(of) for of in profile.workspaces]}


class CollectionOut(Resource):
    """A group of documents."""

    id: str
    name: str
    description: str
    visibility: Visibility
    document_count: int
    version: int
    created_at: str


def collection_view(shown: CollectionWithCount) -> dict[str, Any]:
    """A collection."""
    collection = shown.collection
    return {
        "id": str(collection.id),
        "name": collection.name,
        "description": collection.description,
        "visibility": collection.visibility.value,
        "document_count": shown.document_count,
        "version": collection.version,
        "created_at": time_view(collection.created_at),
    }


class EngineOut(Resource):
    """One engine."""

    state: Literal["up", "down"]
    needed: bool
    answers: str | None = Field(default=None, description="Of the model alone: who answers.")


class IndexChangeOut(Resource):
    """An index that is being built to take the present one's place."""

    generation: int
    model: str
    documents_built: int
    documents: int
    problem: str | None


class IndexOut(Resource):
    """The index that searches ask."""

    generation: int
    model: str
    change: IndexChangeOut | None


class ReadyOut(Resource):
    """Each engine's state by name, and which index is asked; null when the database cannot tell."""

    ready: bool
    engines: dict[str, EngineOut]
    index: IndexOut | None


class HealthOut(Resource):
    """The process lives."""

    status: Literal["ok"]


class WorkspacesOut(Resource):
    """A page of workspaces."""

    items: list[WorkspaceOut]
    next_cursor: str | None


class CollectionsOut(Resource):
    """A page of collections."""

    items: list[CollectionOut]
    next_cursor: str | None


class FieldErrorOut(BaseModel):
    """One thing that is not as it should be; `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str
    code: str
    message: str


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457); `code` does not change and is for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldErrorOut] | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:readingroom:problem:not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no such document.",
                    "code": "not_found",
                    "request_id": "01936a3c5c1e7f7c9d0b",
                }
            ]
        }
    )
