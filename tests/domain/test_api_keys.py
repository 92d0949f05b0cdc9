from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

import pytest

from domain.access import Role, Scope
from domain.api_keys import ApiKey, check_grant
from domain.errors import InvalidInput
from domain.ids import ApiKeyId, CollectionId, InvitationId, UserId, WorkspaceId
from domain.invitations import Invitation
from tests.contracts.units import new_id

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SOME = frozenset({CollectionId(new_id())})


@pytest.mark.parametrize(
    ("scopes", "collection_ids", "expires_at", "pointer"),
    [
        (set(), None, None, "/scopes"),
        ({Scope.READ}, frozenset(), None, "/collection_ids"),
        ({Scope.READ, Scope.CHAT}, SOME, None, "/scopes"),
        ({Scope.ADMIN}, SOME, None, "/scopes"),
        ({Scope.READ}, None, NOW, "/expires_at"),
    ],
)
def test_some_grants_make_no_sense(
    scopes: AbstractSet[Scope],
    collection_ids: frozenset[CollectionId] | None,
    expires_at: datetime | None,
    pointer: str,
) -> None:
    """Nothing, no collection, a bound key that reaches past its collections, an end in the past."""
    with pytest.raises(InvalidInput) as caught:
        check_grant(scopes=scopes, collection_ids=collection_ids, expires_at=expires_at, now=NOW)

    assert pointer == caught.value.details["pointer"]


def test_others_do() -> None:
    """Every scope without bounds, reading and writing within them."""
    check_grant(scopes=frozenset(Scope), collection_ids=None, expires_at=NOW + timedelta(seconds=1), now=NOW)
    check_grant(scopes={Scope.READ, Scope.WRITE}, collection_ids=SOME, expires_at=None, now=NOW)


def test_a_key_ends_and_its_use_is_noted_now_and_then() -> None:
    """Once a minute is often enough."""
    key = ApiKey(
        id=ApiKeyId(new_id()),
        workspace_id=WorkspaceId(new_id()),
        user_id=UserId(new_id()),
        name="K",
        scopes=frozenset({Scope.READ}),
        prefix="rrk_",
        token_hash=b"1",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        last_used_at=NOW,
    )

    assert key.is_live(NOW)
    assert not key.is_live(NOW + timedelta(hours=1))
    assert not key.use_is_worth_noting(NOW + timedelta(seconds=59))
    assert key.use_is_worth_noting(NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("offered", "inviter", "stands"),
    [
        (Role.VIEWER, Role.EDITOR, False),
        (Role.VIEWER, Role.ADMIN, True),
        (Role.ADMIN, Role.ADMIN, True),
        (Role.OWNER, Role.ADMIN, False),
        (Role.OWNER, Role.OWNER, True),
    ],
)
def test_an_invitation_is_worth_what_its_maker_may_still_offer(offered: Role, inviter: Role, *, stands: bool) -> None:
    """Who is no admin any more has invited nobody."""
    invitation = Invitation(
        id=InvitationId(new_id()),
        workspace_id=WorkspaceId(new_id()),
        email="guest@example.org",
        role=offered,
        invited_by=UserId(new_id()),
        token_hash=b"1",
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )

    assert invitation.may_be_kept_by(inviter) is stands
    assert invitation.is_for("guest@example.org", NOW)
    assert not invitation.is_for("other@example.org", NOW)
    assert not invitation.is_for("guest@example.org", NOW + timedelta(days=7))
