"""What repositories of keys and invitations keep."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from application.errors import AlreadyExists
from domain.access import Role, Scope
from domain.api_keys import ApiKey
from domain.ids import ApiKeyId, CollectionId, InvitationId
from domain.invitations import Invitation
from tests.contracts.units import NOW, Team, Units, found_team, new_id


def make_key(team: Team, token_hash: bytes = b"1", **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "id": ApiKeyId(new_id()),
        "workspace_id": team.id,
        "user_id": team.owner.id,
        "name": "Import",
        "scopes": frozenset({Scope.READ, Scope.WRITE}),
        "prefix": "rrk_abcdefgh",
        "token_hash": token_hash,
        "created_at": NOW,
    }
    return ApiKey(**values | changes)


def make_invitation(team: Team, token_hash: bytes = b"1", **changes: Any) -> Invitation:
    values: dict[str, Any] = {
        "id": InvitationId(new_id()),
        "workspace_id": team.id,
        "email": "guest@example.org",
        "role": Role.EDITOR,
        "invited_by": team.owner.id,
        "token_hash": token_hash,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=7),
    }
    return Invitation(**values | changes)


async def test_keys_come_back_as_they_were_added(units: Units) -> None:
    """By id and by the hash of the secret; bound and unbound, with and without an end."""
    team = await found_team(units)
    plain = make_key(team)
    bound = make_key(
        team,
        b"2",
        collection_ids=frozenset({CollectionId(new_id()), team.collection.id}),
        expires_at=NOW,
        last_used_at=NOW,
    )
    async with units.begin(team.id) as work:
        await work.api_keys.add(plain)
        await work.api_keys.add(bound)
        await work.commit()

    async with units.begin(None) as work:
        for key in (plain, bound):
            assert key == await work.api_keys.get(key.id)
            assert key == await work.api_keys.by_token(key.token_hash)
        assert await work.api_keys.by_token(b"3") is None
        assert await work.api_keys.get(ApiKeyId(new_id())) is None


async def test_keys_of_somebody_disabled_are_not_found_by_their_token(units: Units) -> None:
    """A key is no way around being locked out."""
    team = await found_team(units)
    key = make_key(team)
    async with units.begin(None) as work:
        await work.api_keys.add(key)
        await work.users.save(team.owner.disabled(NOW))

        assert await work.api_keys.by_token(key.token_hash) is None
        assert key == await work.api_keys.get(key.id)


async def test_the_last_use_never_goes_back(units: Units) -> None:
    """Of two processes that note it the later moment stays."""
    team = await found_team(units)
    key = make_key(team)
    async with units.begin(team.id) as work:
        await work.api_keys.add(key)
        for moment in (NOW, NOW - timedelta(hours=1)):
            await work.api_keys.note_use(key.id, moment)

        assert evolve(key, last_used_at=NOW) == await work.api_keys.get(key.id)


async def test_a_removed_key_is_gone(units: Units) -> None:
    """And removing it twice is told."""
    team = await found_team(units)
    key = make_key(team)
    async with units.begin(team.id) as work:
        await work.api_keys.add(key)
        assert await work.api_keys.remove(key.id)
        assert not await work.api_keys.remove(key.id)
        assert await work.api_keys.by_token(key.token_hash) is None


async def test_keys_and_invitations_come_in_pages_of_their_workspace(units: Units) -> None:
    """Oldest first, the workspace's own."""
    team, other = await found_team(units), await found_team(units)
    keys = [make_key(team, bytes([n]), created_at=NOW + timedelta(minutes=n)) for n in range(3)]
    invitations = [
        make_invitation(team, bytes([n]), email=f"{n}@example.org", created_at=NOW + timedelta(minutes=n))
        for n in range(3)
    ]
    async with units.begin(None) as work:
        for key in (*reversed(keys), make_key(other, b"other")):
            await work.api_keys.add(key)
        for invitation in (*reversed(invitations), make_invitation(other, b"other")):
            await work.invitations.add(invitation)

        first = await work.api_keys.page(team.id, limit=2)
        assert keys == [*first, *await work.api_keys.page(team.id, limit=2, after=first[-1].id)]
        begun = await work.invitations.page(team.id, limit=2)
        assert invitations == [*begun, *await work.invitations.page(team.id, limit=2, after=begun[-1].id)]


async def test_a_bound_unit_of_work_sees_no_keys_or_invitations_of_others(units: Units) -> None:
    """Not by id, not by token, not by removing."""
    team, other = await found_team(units), await found_team(units)
    key, invitation = make_key(other), make_invitation(other)
    async with units.begin(None) as work:
        await work.api_keys.add(key)
        await work.invitations.add(invitation)
        await work.commit()

    async with units.begin(team.id) as work:
        assert await work.api_keys.get(key.id) is None
        assert await work.api_keys.by_token(key.token_hash) is None
        assert not await work.api_keys.remove(key.id)
        assert await work.invitations.get(invitation.id) is None
        assert await work.invitations.by_token(invitation.token_hash) is None
        assert not await work.invitations.remove(invitation.id)
        assert await work.invitations.page(other.id, limit=10) == []
    async with units.begin(team.id) as work:
        with pytest.raises(PermissionError):
            await work.api_keys.add(make_key(other, b"9"))


async def test_inviting_again_replaces_the_older_invitation(units: Units) -> None:
    """An e-mail has one open invitation a workspace; another workspace's stays."""
    team, other = await found_team(units), await found_team(units)
    first, second, elsewhere = make_invitation(team), make_invitation(team, b"2"), make_invitation(other, b"3")
    async with units.begin(None) as work:
        for invitation in (first, elsewhere, second):
            await work.invitations.add(invitation)
        await work.commit()

    async with units.begin(None) as work:
        assert await work.invitations.get(first.id) is None
        assert second == await work.invitations.get(second.id)
        assert second == await work.invitations.by_token(b"2")
        assert elsewhere == await work.invitations.by_token(b"3")
        assert await work.invitations.remove(second.id)
        assert await work.invitations.by_token(b"2") is None


async def test_a_secret_is_stored_once(units: Units) -> None:
    """Two keys of one hash would be one key for two people."""
    team = await found_team(units)
    async with units.begin(team.id) as work:
        await work.api_keys.add(make_key(team))
        with pytest.raises(AlreadyExists):
            await work.api_keys.add(make_key(team))
