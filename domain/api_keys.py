"""Keys for programs: what a person may do in one workspace, or less of it, without logging in."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from domain.access import Scope
from domain.errors import InvalidInput
from domain.ids import ApiKeyId, CollectionId, UserId, WorkspaceId
from domain.times import aware

SHOWN_LENGTH: Final = 12  # characters of the secret that are kept to tell keys apart; 8 of them are random
USE_NOTED_EVERY: Final = timedelta(minutes=1)
BOUND_SCOPES: Final = frozenset({Scope.READ, Scope.WRITE})


@frozen(kw_only=True)
class ApiKey:
    """Acts as the member who made it, never with more than they may do at that moment.

    `collection_ids` None means all that the member may read. Only a hash of the secret is kept.
    """

    id: ApiKeyId
    workspace_id: WorkspaceId
    user_id: UserId
    name: str
    scopes: frozenset[Scope]
    collection_ids: frozenset[CollectionId] | None = None
    prefix: str  # the secret's first characters
    token_hash: bytes = field(repr=False)
    created_at: datetime = field(validator=aware)
    expires_at: datetime | None = field(default=None, validator=aware)
    last_used_at: datetime | None = field(default=None, validator=aware)

    def is_live(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.expires_at is None or now < self.expires_at

    def use_is_worth_noting(self, now: datetime) -> bool:
        """Whether its last use is noted so long ago that another note is due: not every request writes."""
        return self.last_used_at is None or now - self.last_used_at >= USE_NOTED_EVERY


def check_grant(
    *,
    scopes: AbstractSet[Scope],
    collection_ids: AbstractSet[CollectionId] | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """`InvalidInput` unless a key can be given this.

    - A key without scopes opens nothing, so it needs one at least.
    - One that is bound to collections reads and writes: members, conversations and rooms belong to no collection,
      and who may manage them could unbind it.
    """
    if not scopes:
        raise InvalidInput("A key needs at least one scope.", pointer="/scopes")
    if collection_ids is not None and not collection_ids:
        raise InvalidInput("Name at least one collection, or leave them out for all.", pointer="/collection_ids")
    if collection_ids is not None and not scopes <= BOUND_SCOPES:
        raise InvalidInput("A key for some collections only may have the scopes read and write.", pointer="/scopes")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("The end of a key lies in the future.", pointer="/expires_at")
