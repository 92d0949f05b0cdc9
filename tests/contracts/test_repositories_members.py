"""What the repository of workspaces keeps about members, collections' readers, and the end of a workspace."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from application.errors import ConcurrentChange
from domain.access import Role
from domain.ids import UserId, WorkspaceId
from domain.users import User
from domain.workspaces import Visibility
from tests.contracts.test_repositories_accounts import make_invitation, make_key
from tests.contracts.units import (
    NOW,
    Team,
    Units,
    found_team,
    make_collection,
    make_conversation,
    make_document,
    make_membership,
    make_message,
    make_user,
    new_id,
)


async def joined(units: Units, team: Team, role: Role = Role.VIEWER, *, minutes: int = 1) -> User:
    user = make_user()
    async with units.begin(None) as work:
        await work.users.add(user)
        place = make_membership(team.id, user.id, role)
        await work.workspaces.add_member(evolve(place, joined_at=NOW + timedelta(minutes=minutes)))
        await work.commit()
    return user


async def test_members_come_in_the_order_in_which_they_joined(units: Units) -> None:
    """In pages, with name, e-mail and role; another workspace's never."""
    team, other = await found_team(units), await found_team(units)
    second = await joined(units, team, Role.EDITOR, minutes=2)
    first = await joined(units, team, minutes=1)
    await joined(units, other)

    async with units.begin(team.id) as work:
        page = await work.workspaces.members(team.id, limit=2)
        rest = await work.workspaces.members(team.id, limit=2, after=page[-1].user_id)
        assert [team.owner.id, first.id, second.id] == [one.user_id for one in (*page, *rest)]
        assert (second.email, second.name, Role.EDITOR) == (rest[0].email, rest[0].name, rest[0].role)
        assert await work.workspaces.members(team.id, limit=2, after=UserId(new_id())) == []
        assert rest[0] == await work.workspaces.member(team.id, second.id)
        assert await work.workspaces.member(team.id, other.owner.id) is None
        assert await work.workspaces.members(other.id, limit=2) == []


async def test_owners_are_those_who_can_log_in(units: Units) -> None:
    """A disabled owner does not keep a workspace from being nobody's."""
    team = await found_team(units)
    second = await joined(units, team, Role.OWNER)
    await joined(units, team, Role.ADMIN)
    async with units.begin(None) as work:
        assert {team.owner.id, second.id} == set(await work.workspaces.owners(team.id))
        await work.users.save(second.disabled(NOW))
        assert await work.workspaces.owners(team.id) == [team.owner.id]


async def test_a_role_changes_and_nothing_else(units: Units) -> None:
    """When they joined stays; who is no member does not become one."""
    team = await found_team(units)
    user = await joined(units, team)
    async with units.begin(team.id) as work:
        await work.workspaces.save_member(make_membership(team.id, user.id, Role.ADMIN))
        await work.workspaces.save_member(make_membership(team.id, UserId(new_id()), Role.ADMIN))
        changed = await work.workspaces.membership(team.id, user.id)

        assert changed is not None
        assert (Role.ADMIN, NOW + timedelta(minutes=1)) == (changed.role, changed.joined_at)
        assert len(await work.workspaces.members(team.id, limit=10)) == 2


async def test_who_leaves_takes_along_what_they_held(units: Units) -> None:
    """Places in collections, keys and invitations; those of others stay."""
    team = await found_team(units)
    user = await joined(units, team, Role.EDITOR)
    board = make_collection(team.id, "Board", visibility=Visibility.RESTRICTED)
    key, kept = make_key(team, b"1", user_id=user.id), make_key(team, b"2")
    invitation = make_invitation(team, invited_by=user.id)
    async with units.begin(team.id) as work:
        await work.collections.add(board)
        await work.collections.let_read(board, user.id)
        await work.api_keys.add(key)
        await work.api_keys.add(kept)
        await work.invitations.add(invitation)
        await work.workspaces.remove_member(team.id, user.id)
        await work.workspaces.remove_member(team.id, user.id)
        await work.commit()

    async with units.begin(team.id) as work:
        assert await work.workspaces.membership(team.id, user.id) is None
        assert await work.api_keys.page(team.id, limit=10) == [kept]
        assert await work.invitations.page(team.id, limit=10) == []
        await work.workspaces.add_member(make_membership(team.id, user.id, Role.EDITOR))
        assert board.id not in await work.collections.readable_by(team.id, user.id, Role.EDITOR)


async def test_readers_are_listed_and_taken_off(units: Units) -> None:
    """Twice is once, either way; only members can be listed."""
    team = await found_team(units)
    user = await joined(units, team)
    board = make_collection(team.id, "Board", visibility=Visibility.RESTRICTED)
    async with units.begin(team.id) as work:
        await work.collections.add(board)
        for _ in range(2):
            await work.collections.let_read(board, user.id)
        assert board.id in await work.collections.readable_by(team.id, user.id, Role.VIEWER)
        for _ in range(2):
            await work.collections.stop_reading(board, user.id)
        assert board.id not in await work.collections.readable_by(team.id, user.id, Role.VIEWER)
        with pytest.raises(ConcurrentChange):
            await work.collections.let_read(board, UserId(new_id()))


async def test_a_locked_workspace_is_changed_by_one_at_a_time(units: Units) -> None:
    """Of two owners who each see another one, the second to leave sees that there is none."""
    team = await found_team(units)
    second = await joined(units, team, Role.OWNER)

    async def leave(user_id: UserId) -> bool:
        async with units.begin(team.id) as work:
            assert await work.workspaces.lock(team.id) is not None
            if await work.workspaces.owners(team.id) == [user_id]:
                return False
            await asyncio.sleep(0.02)
            await work.workspaces.remove_member(team.id, user_id)
            await work.commit()
            return True

    assert sorted(await asyncio.gather(leave(team.owner.id), leave(second.id))) == [False, True]
    async with units.begin(None) as work:
        assert await work.workspaces.lock(WorkspaceId(new_id())) is None


async def test_workspaces_are_found_by_name_or_id_while_they_have_members(units: Units) -> None:
    """Exactly; several may carry one name."""
    team, twin, other = await found_team(units, "Lab"), await found_team(units, "Lab"), await found_team(units, "lab")
    async with units.begin(None) as work:
        assert [team.workspace, twin.workspace] == await work.workspaces.named("Lab")
        assert [other.workspace] == await work.workspaces.named(str(other.id).upper())
        assert [twin.owner.id] == await work.workspaces.remove_members(twin.id)
        assert [team.workspace] == await work.workspaces.named("Lab")
        assert await work.workspaces.named("La") == []


async def test_a_deleted_workspace_is_forgotten_with_every_row(units: Units) -> None:
    """One that is not deleted stays, whoever asks; a second time there is nothing to forget."""
    team, other = await found_team(units), await found_team(units)
    conversation = make_conversation(team)
    documents = [make_document(team), make_document(team), make_document(other)]
    async with units.begin(None) as work:
        for document in documents:
            await work.documents.add(document)
        await work.conversations.add(conversation)
        await work.messages.add(make_message(conversation))
        await work.api_keys.add(make_key(team))
        assert not await work.workspaces.forget(team.id)
        await work.workspaces.save(team.workspace.deleted(NOW))
        deleted = await work.workspaces.get(team.id)
        assert deleted is not None
        assert deleted.deleted_at == NOW
        assert await work.workspaces.forget(team.id)
        assert not await work.workspaces.forget(team.id)
        await work.commit()

    async with units.begin(None) as work:
        assert await work.workspaces.get(team.id) is None
        assert set(await work.documents.get_many([one.id for one in documents])) == {documents[2].id}
        assert await work.conversations.get(conversation.id) is None
        assert await work.workspaces.of_user(team.owner.id) == []
        assert len(await work.workspaces.of_user(other.owner.id)) == 1
