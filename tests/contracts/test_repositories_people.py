"""What repositories of people, workspaces and collections keep."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from application.errors import AlreadyExists
from domain.access import Role
from domain.ids import CollectionId, SessionId, UserId, WorkspaceId
from domain.workspaces import Visibility, Workspace
from tests.contracts.units import (
    NOW,
    Units,
    found_team,
    make_collection,
    make_document,
    make_membership,
    make_session,
    make_user,
    new_id,
)


async def test_users_come_back_as_they_were_saved(units: Units) -> None:
    """By id and by e-mail; missing ones are None."""
    user = make_user("ada@example.org")
    changed = evolve(user.with_password("$other$"), name="Ada L.", disabled_at=NOW)
    async with units.begin(None) as work:
        await work.users.add(user)
        assert user == await work.users.get(user.id)
        await work.users.save(changed)
        await work.commit()

    async with units.begin(None) as work:
        assert changed == await work.users.get(user.id)
        assert changed == await work.users.by_email("ada@example.org")
        assert await work.users.get(UserId(new_id())) is None
        assert await work.users.by_email("nobody@example.org") is None


async def test_an_email_is_taken_once(units: Units) -> None:
    """The constraint's name tells, and the unit of work may go on."""
    async with units.begin(None) as work:
        await work.users.add(make_user("ada@example.org"))
        with pytest.raises(AlreadyExists) as caught:
            await work.users.add(make_user("ada@example.org"))
        other = make_user("eve@example.org")
        await work.users.add(other)
        await work.commit()

    assert caught.value.constraint == "uq_users_email"
    async with units.begin(None) as work:
        assert other == await work.users.by_email("eve@example.org")


async def test_pages_of_users_are_stable_while_others_register(units: Units) -> None:
    """A row inserted before the last one seen does not shift the next page."""
    users = [make_user(created_at=NOW + timedelta(minutes=number)) for number in range(5)]
    async with units.begin(None) as work:
        for user in users:
            await work.users.add(user)
        first = await work.users.page(limit=2)
        await work.users.add(make_user(created_at=NOW - timedelta(minutes=1)))
        second = await work.users.page(limit=2, after=first[-1].id)
        third = await work.users.page(limit=2, after=second[-1].id)

        assert users == [*first, *second, *third]
        assert await work.users.page(limit=2, after=third[-1].id) == []
        assert await work.users.page(limit=2, after=UserId(new_id())) == []


async def test_login_sessions_keep_their_tokens(units: Units) -> None:
    """Found by the present and by each spent token, and by no other."""
    user = make_user()
    session = make_session(user.id)
    once = session.rotate(presented=session.token_hash, replacement=b"2" * 32, now=NOW, ttl=timedelta(days=1))
    twice = once.rotate(presented=b"2" * 32, replacement=b"3" * 32, now=NOW, ttl=timedelta(days=1))
    async with units.begin(None) as work:
        await work.users.add(user)
        await work.login_sessions.add(session)
        await work.login_sessions.save(once)
        await work.login_sessions.save(twice)
        await work.commit()

    async with units.begin(None) as work:
        assert evolve(twice, spent={}) == await work.login_sessions.get(session.id)
        assert evolve(twice, spent={}) == await work.login_sessions.by_token(b"3" * 32)
        for token_hash in (session.token_hash, b"2" * 32):
            assert evolve(twice, spent={token_hash: NOW}) == await work.login_sessions.by_token(token_hash)
        assert await work.login_sessions.by_token(b"4" * 32) is None
        assert await work.login_sessions.get(SessionId(new_id())) is None


async def test_what_is_long_over_is_forgotten(units: Units) -> None:
    """Sessions that ended before, tokens spent before, and of one session's the oldest above so many."""
    user, day = make_user(), timedelta(days=1)
    ended, expired = make_session(user.id, b"e" * 32).revoked(NOW), make_session(user.id, b"x" * 32, expires_at=NOW)
    lives = make_session(user.id, token_hash=b"0" * 32, expires_at=NOW + 90 * day)
    async with units.begin(None) as work:
        await work.users.add(user)
        for session in (ended, expired, lives):
            await work.login_sessions.add(session)
        for number in range(1, 7):
            presented, replacement = (str(n).encode() * 32 for n in (number - 1, number))
            now = NOW + number * day
            lives = lives.rotate(presented=presented, replacement=replacement, now=now, ttl=90 * day)
            await work.login_sessions.save(lives)
        await work.login_sessions.forget(before=NOW + 3 * day, keep=2)
        await work.commit()

    async with units.begin(None) as work:
        found = [await work.login_sessions.by_token(str(number).encode() * 32) for number in range(7)]

        assert await work.login_sessions.get(ended.id) is None
        assert await work.login_sessions.get(expired.id) is None
        assert [False, False, False, False, True, True, True] == [session is not None for session in found]


async def test_login_sessions_of_a_user_are_the_live_ones(units: Units) -> None:
    """Neither revoked nor expired nor another's, newest first."""
    user, other = make_user(), make_user()
    old = make_session(user.id, b"old")
    new = make_session(user.id, b"new", created_at=NOW + timedelta(hours=1))
    expired = make_session(user.id, b"expired", expires_at=NOW)
    revoked = make_session(user.id, b"revoked").revoked(NOW)
    async with units.begin(None) as work:
        await work.users.add(user)
        await work.users.add(other)
        for session in (old, new, expired, revoked, make_session(other.id, b"other")):
            await work.login_sessions.add(session)

        assert [new, old] == await work.login_sessions.of_user(user.id, now=NOW)
        assert revoked == await work.login_sessions.get(revoked.id)


async def test_a_session_is_live_for_its_active_user_only(units: Units) -> None:
    """Not for another, not revoked, not expired, not of somebody disabled."""
    user, other, gone = make_user(), make_user(), make_user().disabled(NOW)
    session, of_gone = make_session(user.id, b"one"), make_session(gone.id, b"two")
    revoked = make_session(user.id, b"three").revoked(NOW)
    async with units.begin(None) as work:
        for person in (user, other, gone):
            await work.users.add(person)
        for one in (session, of_gone, revoked):
            await work.login_sessions.add(one)

        is_live = work.login_sessions.is_live
        assert await is_live(session.id, user.id, now=NOW)
        assert not await is_live(session.id, other.id, now=NOW)
        assert not await is_live(session.id, user.id, now=session.expires_at)
        assert not await is_live(of_gone.id, gone.id, now=NOW)
        assert not await is_live(revoked.id, user.id, now=NOW)
        assert not await is_live(SessionId(new_id()), user.id, now=NOW)


async def test_sessions_are_revoked_all_one_or_all_but_one(units: Units) -> None:
    """Never another's; which ended is told."""
    user, other = make_user(), make_user()
    mine = [make_session(user.id, bytes([number])) for number in range(4)]
    foreign = make_session(other.id, b"foreign")
    async with units.begin(None) as work:
        for person in (user, other):
            await work.users.add(person)
        for one in (*mine, foreign):
            await work.login_sessions.add(one)

        revoke = work.login_sessions.revoke
        assert await revoke(user.id, now=NOW, only=foreign.id) == []
        assert await revoke(user.id, now=NOW, only=mine[0].id) == [mine[0].id]
        assert await revoke(user.id, now=NOW, only=mine[0].id) == []
        assert set(await revoke(user.id, now=NOW, but=mine[1].id)) == {mine[2].id, mine[3].id}
        assert await revoke(user.id, now=NOW) == [mine[1].id]
        assert await work.login_sessions.of_user(other.id, now=NOW) == [foreign]
        assert await work.login_sessions.of_user(user.id, now=NOW) == []


async def test_a_locked_user_waits_for_who_locked_it_first(units: Units) -> None:
    """And is then seen as the other left it."""
    user = make_user()
    async with units.begin(None) as work:
        await work.users.add(user)
        await work.commit()

    async def disable() -> None:
        async with units.begin(None) as work:
            locked = await work.users.lock(user.id)
            assert locked is not None
            await asyncio.sleep(0.05)
            await work.users.save(locked.disabled(NOW))
            await work.commit()

    async def look() -> bool:
        async with units.begin(None) as work:
            locked = await work.users.lock(user.id)
            return locked is not None and locked.is_active

    disabling = asyncio.create_task(disable())
    await asyncio.sleep(0.02)
    assert not await look()
    await disabling
    async with units.begin(None) as work:
        assert await work.users.lock(UserId(new_id())) is None


async def test_workspaces_come_back_with_their_members_places(units: Units) -> None:
    """By id, by member with the role, oldest membership first."""
    team, other = await found_team(units, "First"), await found_team(units, "Second")
    async with units.begin(None) as work:
        joined = evolve(make_membership(other.id, team.owner.id, Role.EDITOR), joined_at=NOW + timedelta(days=1))
        await work.workspaces.add_member(joined)
        await work.workspaces.save(team.workspace.renamed("Renamed"))
        await work.commit()

    async with units.begin(None) as work:
        assert team.workspace.renamed("Renamed") == await work.workspaces.get(team.id)
        assert await work.workspaces.get(WorkspaceId(new_id())) is None
        places = await work.workspaces.of_user(team.owner.id)
        assert [(place.workspace.name, place.role) for place in places] == [
            ("Renamed", Role.OWNER),
            ("Second", Role.EDITOR),
        ]
        assert joined == await work.workspaces.membership(other.id, team.owner.id)
        assert await work.workspaces.membership(team.id, other.owner.id) is None


async def test_somebody_has_one_place_in_a_workspace(units: Units) -> None:
    """A second membership is refused, whatever its role."""
    team = await found_team(units)
    async with units.begin(team.id) as work:
        with pytest.raises(AlreadyExists) as caught:
            await work.workspaces.add_member(make_membership(team.id, team.owner.id, Role.VIEWER))

    assert caught.value.constraint == "pk_memberships"


async def test_owned_workspaces_name_their_longest_standing_active_owner(units: Units) -> None:
    """Workspaces without an active owner are left out; the others come oldest first."""
    second = await found_team(units, "Second", now=NOW + timedelta(days=1))
    first = await found_team(units, "First")
    abandoned = await found_team(units, "Abandoned")
    later = make_user()
    async with units.begin(None) as work:
        await work.users.add(later)
        place = make_membership(second.id, later.id, Role.OWNER)
        await work.workspaces.add_member(evolve(place, joined_at=NOW + timedelta(days=2)))
        await work.workspaces.add_member(make_membership(abandoned.id, later.id, Role.ADMIN))
        await work.users.save(abandoned.owner.disabled(NOW))
        await work.commit()

    async with units.begin(None) as work:
        owned = await work.workspaces.owned()
        assert [(first.workspace, first.owner.id), (second.workspace, second.owner.id)] == [
            (one.workspace, one.owner) for one in owned
        ]
        assert len(await work.workspaces.owned(limit=1)) == 1
        await work.users.save(second.owner.disabled(NOW))
        owned = await work.workspaces.owned()
        assert [first.owner.id, later.id] == [one.owner for one in owned]


async def test_a_workspace_without_members_has_no_owner(units: Units) -> None:
    """It exists, and nobody is asked for it."""
    workspace = Workspace(id=WorkspaceId(new_id()), name="Empty", created_at=NOW)
    async with units.begin(None) as work:
        await work.workspaces.add(workspace)

        assert await work.workspaces.owned() == []


async def test_collections_come_back_as_they_were_saved(units: Units) -> None:
    """By id, by exact name, and the default one."""
    team = await found_team(units)
    papers = make_collection(team.id, "Papers", description="To read")
    changed = papers.changed(name="Articles", visibility=Visibility.RESTRICTED)
    async with units.begin(team.id) as work:
        await work.collections.add(papers)
        await work.collections.save(changed)
        await work.commit()

    async with units.begin(team.id) as work:
        assert changed == await work.collections.get(papers.id)
        assert changed == await work.collections.by_name(team.id, "Articles")
        assert await work.collections.by_name(team.id, "articles") is None
        assert await work.collections.get(CollectionId(new_id())) is None
        assert team.collection == await work.collections.default(team.id)
        with pytest.raises(LookupError):
            await work.collections.default(WorkspaceId(new_id()))


async def test_a_name_is_taken_once_a_workspace(units: Units) -> None:
    """Another workspace may use it too."""
    team, other = await found_team(units), await found_team(units)
    async with units.begin(team.id) as work:
        await work.collections.add(make_collection(team.id, "Papers"))
        with pytest.raises(AlreadyExists) as caught:
            await work.collections.add(make_collection(team.id, "Papers"))
        await work.commit()
    async with units.begin(other.id) as work:
        await work.collections.add(make_collection(other.id, "Papers"))
        await work.commit()

    assert caught.value.constraint == "uq_collections_workspace_id_name"


async def test_renaming_to_a_taken_name_is_refused(units: Units) -> None:
    """Uniqueness holds for changes too."""
    team = await found_team(units)
    papers = make_collection(team.id, "Papers")
    async with units.begin(team.id) as work:
        await work.collections.add(papers)
        with pytest.raises(AlreadyExists) as caught:
            await work.collections.save(papers.changed(name=team.collection.name))

    assert caught.value.constraint == "uq_collections_workspace_id_name"


async def test_pages_of_collections_go_from_old_to_new(units: Units) -> None:
    """Each once, the workspace's own."""
    team, other = await found_team(units), await found_team(units)
    more = [make_collection(team.id, f"No {n}", created_at=NOW + timedelta(minutes=n)) for n in range(1, 4)]
    async with units.begin(None) as work:
        for collection in (*reversed(more), make_collection(other.id)):
            await work.collections.add(collection)
        first = await work.collections.page(team.id, limit=2)
        second = await work.collections.page(team.id, limit=10, after=first[-1].id)

    assert [team.collection, *more] == [*first, *second]


async def test_who_may_read_which_collection(units: Units) -> None:
    """Open ones all, restricted ones the listed, everything admins and owners."""
    team = await found_team(units)
    reader, stranger = make_user(), make_user()
    restricted = make_collection(team.id, "Board", visibility=Visibility.RESTRICTED)
    async with units.begin(None) as work:
        for user in (reader, stranger):
            await work.users.add(user)
            await work.workspaces.add_member(make_membership(team.id, user.id, Role.EDITOR))
        await work.collections.add(restricted)
        await work.commit()
    await units.let_read(restricted, reader.id)

    everything = {team.collection.id, restricted.id}
    async with units.begin(team.id) as work:
        readable_by = work.collections.readable_by
        assert everything == await readable_by(team.id, reader.id, Role.VIEWER)
        assert {team.collection.id} == await readable_by(team.id, stranger.id, Role.EDITOR)
        assert everything == await readable_by(team.id, stranger.id, Role.ADMIN)
        assert everything == await readable_by(team.id, stranger.id, Role.OWNER)


async def test_documents_are_counted_without_the_deleted(units: Units) -> None:
    """Empty collections are 0, not missing."""
    team = await found_team(units)
    empty = make_collection(team.id, "Empty")
    kept, gone = make_document(team), make_document(team)
    async with units.begin(team.id) as work:
        await work.collections.add(empty)
        await work.documents.add(kept)
        await work.documents.add(gone)
        await work.documents.save(gone.deleted(NOW))

        assert {team.collection.id: 1, empty.id: 0} == await work.collections.document_counts(
            [team.collection.id, empty.id]
        )
        assert await work.collections.document_counts([]) == {}
