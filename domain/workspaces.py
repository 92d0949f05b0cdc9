"""Workspaces, who belongs to them, and the collections that group and guard documents."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import evolve, field, frozen

from domain.access import Role
from domain.errors import Conflict, Forbidden, InvalidInput
from domain.ids import CollectionId, UserId, WorkspaceId
from domain.lines import is_legible
from domain.times import aware

DEFAULT_COLLECTION: Final = "General"
MAX_NAME_LENGTH: Final = 200


def check_name(name: str, *, pointer: str = "/name") -> str:
    """A trimmed, non-empty, printable name of at most 200 characters; else `InvalidInput`."""
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > MAX_NAME_LENGTH or not is_legible(cleaned):
        raise InvalidInput(f"A name needs 1 to {MAX_NAME_LENGTH} printable characters.", pointer=pointer)
    return cleaned


@frozen(kw_only=True)
class Workspace:
    """A team's room for its documents: the border that nothing crosses."""

    id: WorkspaceId
    name: str
    version: int = 1
    created_at: datetime = field(validator=aware)
    deleted_at: datetime | None = field(default=None, validator=aware)

    def renamed(self, name: str) -> "Workspace":
        """Under another name, one version on."""
        return evolve(self, name=check_name(name), version=self.version + 1)

    def deleted(self, now: datetime) -> "Workspace":
        """A tombstone, one version on: nobody enters any more, and everything in it is to be erased."""
        return evolve(self, deleted_at=now, version=self.version + 1)


@frozen(kw_only=True)
class Membership:
    """A user's place in a workspace."""

    workspace_id: WorkspaceId
    user_id: UserId
    role: Role
    joined_at: datetime = field(validator=aware)


def check_role_change(*, by: Role, present: Role, to: Role | None, is_only_owner: bool) -> None:
    """Whether a member may get the role `to`, or leave (None), by the hand of somebody with the role `by`.

    `Forbidden` when somebody other than an owner makes an owner or touches one; `Conflict` with code `last_owner`
    when the workspace would be nobody's.
    """
    if Role.OWNER in {present, to} and by is not Role.OWNER:
        raise Forbidden("Only owners make owners, change them or remove them.")
    if present is Role.OWNER and to is not Role.OWNER and is_only_owner:
        raise Conflict("A workspace needs an owner. Make somebody else one first.", code="last_owner")


class Visibility(StrEnum):
    """Who sees a collection: every member, or the listed ones and the workspace's admins."""

    WORKSPACE = "workspace"
    RESTRICTED = "restricted"


@frozen(kw_only=True)
class Collection:
    """A group of documents that carries their access."""

    id: CollectionId
    workspace_id: WorkspaceId
    name: str
    description: str = ""
    visibility: Visibility = Visibility.WORKSPACE
    is_default: bool = False
    version: int = 1
    created_at: datetime = field(validator=aware)

    def changed(
        self, *, name: str | None = None, description: str | None = None, visibility: Visibility | None = None
    ) -> "Collection":
        """One version on. The default collection stays open to the whole workspace."""
        if self.is_default and visibility is Visibility.RESTRICTED:
            raise Conflict(f"The collection {self.name} belongs to every member and cannot be restricted.")
        return evolve(
            self,
            name=self.name if name is None else check_name(name),
            description=self.description if description is None else description,
            visibility=visibility or self.visibility,
            version=self.version + 1,
        )
