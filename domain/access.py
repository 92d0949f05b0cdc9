"""Who may do what: roles, scopes and the one table that joins them to actions."""

from enum import IntEnum, StrEnum

from attrs import evolve, field, frozen

from domain.errors import Forbidden
from domain.ids import ApiKeyId, CollectionId, UserId, WorkspaceId


class Role(IntEnum):
    """Place in a workspace; each includes the ones below it."""

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3
    OWNER = 4

    @property
    def label(self) -> str:
        """The word used on the wire."""
        return self.name.lower()

    @classmethod
    def parse(cls, label: str) -> "Role":
        """`"editor"` → `Role.EDITOR`; raises ValueError for anything else."""
        try:
            return cls[label.upper()]
        except KeyError:
            raise ValueError(f"{label!r} is not one of viewer, editor, admin, owner") from None


class Scope(StrEnum):
    """What a credential (not a person) may be used for. Access tokens of people carry all of them."""

    READ = "read"
    WRITE = "write"
    CHAT = "chat"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


class Action(StrEnum):
    """Everything that authorisation is asked about."""

    WORKSPACE_READ = "workspace:read"
    WORKSPACE_CHANGE = "workspace:change"
    WORKSPACE_DELETE = "workspace:delete"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    API_KEY_MANAGE = "api_key:manage"
    AUDIT_READ = "audit:read"
    USAGE_READ = "usage:read"
    COLLECTION_READ = "collection:read"
    COLLECTION_CREATE = "collection:create"
    COLLECTION_MANAGE = "collection:manage"
    DOCUMENT_READ = "document:read"
    DOCUMENT_WRITE = "document:write"
    SEARCH = "search"
    CHAT = "chat"
    ROOM_READ = "room:read"
    ROOM_WRITE = "room:write"
    ROOM_MANAGE = "room:manage"


# action: (least role, scope that a credential needs)
RULES: dict[Action, tuple[Role, Scope]] = {
    Action.WORKSPACE_READ: (Role.VIEWER, Scope.READ),
    Action.WORKSPACE_CHANGE: (Role.ADMIN, Scope.ADMIN),
    Action.WORKSPACE_DELETE: (Role.OWNER, Scope.ADMIN),
    Action.MEMBER_READ: (Role.VIEWER, Scope.READ),
    Action.MEMBER_MANAGE: (Role.ADMIN, Scope.ADMIN),
    Action.API_KEY_MANAGE: (Role.ADMIN, Scope.ADMIN),
    Action.AUDIT_READ: (Role.ADMIN, Scope.ADMIN),
    Action.USAGE_READ: (Role.ADMIN, Scope.READ),
    Action.COLLECTION_READ: (Role.VIEWER, Scope.READ),
    Action.COLLECTION_CREATE: (Role.EDITOR, Scope.WRITE),
    Action.COLLECTION_MANAGE: (Role.ADMIN, Scope.WRITE),
    Action.DOCUMENT_READ: (Role.VIEWER, Scope.READ),
    Action.DOCUMENT_WRITE: (Role.EDITOR, Scope.WRITE),
    Action.SEARCH: (Role.VIEWER, Scope.READ),
    Action.CHAT: (Role.VIEWER, Scope.CHAT),
    Action.ROOM_READ: (Role.VIEWER, Scope.READ),
    Action.ROOM_WRITE: (Role.EDITOR, Scope.CHAT),
    Action.ROOM_MANAGE: (Role.EDITOR, Scope.WRITE),
}


@frozen(kw_only=True)
class Actor:
    """Who calls a use case, in one workspace, with what was granted at that moment.

    `readable_collections` is always the explicit set: an empty one reads nothing.
    """

    user_id: UserId
    workspace_id: WorkspaceId
    role: Role
    scopes: frozenset[Scope] = field(default=ALL_SCOPES)
    readable_collections: frozenset[CollectionId] = field(factory=frozenset)
    api_key_id: ApiKeyId | None = None  # None: the person themselves

    def may(self, action: Action) -> bool:
        """Whether both the person's role and the credential's scopes allow it."""
        least_role, scope = RULES[action]
        return self.role >= least_role and scope in self.scopes

    def require(self, action: Action) -> None:
        """Raise `Forbidden` unless `may(action)`."""
        if not self.may(action):
            least_role, scope = RULES[action]
            raise Forbidden(
                f"{action.value} needs the role {least_role.label} or above and the scope {scope.value}.",
                action=action.value,
            )

    def can_read(self, collection_id: CollectionId) -> bool:
        """Whether documents of that collection exist at all for this actor."""
        return collection_id in self.readable_collections

    def with_collection(self, collection_id: CollectionId) -> "Actor":
        """The same actor after a collection was made that they may read."""
        return evolve(self, readable_collections=self.readable_collections | {collection_id})
