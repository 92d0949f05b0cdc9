"""What the audit log promises, in memory and on Postgres."""

import asyncpg
import pytest

from application.auditing import note
from application.authentication import Identity
from application.calls import calling
from domain.audit import AuditEntry, Deed
from tests.contracts.units import Team, Units, execute, found_team, make_collection, new_id


async def noted(units: Units, team: Team, deed: Deed, *, everywhere: bool = False) -> None:
    async with units.begin(None if everywhere else team.id) as work:
        await note(work, deed, None, by=Identity(user_id=team.owner.id), workspace_id=None if everywhere else team.id)
        await work.commit()


async def read(units: Units, team: Team, limit: int = 100, before: int | None = None) -> list[AuditEntry]:
    async with units.begin(team.id) as work:
        return await work.audit.page(team.id, limit=limit, before=before)


async def test_a_deed_and_its_entry_commit_together(units: Units) -> None:
    """Rolled back together, too."""
    team = await found_team(units)
    for commits in (False, True):
        collection = make_collection(team.id, f"Papers {commits}")
        async with units.begin(team.id) as work:
            await work.collections.add(collection)
            await note(work, Deed.COLLECTION_CREATED, collection.id, by=None, workspace_id=team.id)
            if commits:
                await work.commit()

    [entry] = await read(units, team)
    assert collection.id == entry.resource_id
    assert entry.at is not None


async def test_an_entry_says_who_and_from_where(units: Units) -> None:
    """The address and the request come from the call that surrounds it."""
    team = await found_team(units)
    with calling(address="192.0.2.7", request_id="r-1"):
        await noted(units, team, Deed.WORKSPACE_CHANGED)

    [entry] = await read(units, team)
    assert (team.owner.id, team.id) == (entry.user_id, entry.workspace_id)
    assert ("192.0.2.7", "r-1", "workspace") == (entry.address, entry.request_id, entry.deed.kind)


async def test_pages_go_back_in_time(units: Units) -> None:
    """Newest first; what is added meanwhile shifts nothing."""
    team = await found_team(units)
    for deed in (Deed.DOCUMENT_UPLOADED, Deed.DOCUMENT_CHANGED, Deed.DOCUMENT_DELETED):
        await noted(units, team, deed)
    first = await read(units, team, limit=2)
    await noted(units, team, Deed.ROOM_CREATED)
    rest = await read(units, team, limit=2, before=first[-1].number)

    assert [Deed.DOCUMENT_DELETED, Deed.DOCUMENT_CHANGED] == [entry.deed for entry in first]
    assert [Deed.DOCUMENT_UPLOADED] == [entry.deed for entry in rest]


async def test_workspaces_see_their_own_and_their_members(units: Units) -> None:
    """What members did with their accounts is shown too; nothing of other people or workspaces is."""
    ours, theirs = await found_team(units), await found_team(units)
    await noted(units, ours, Deed.ACCOUNT_LOGGED_IN, everywhere=True)
    await noted(units, theirs, Deed.ACCOUNT_LOGGED_IN, everywhere=True)
    await noted(units, theirs, Deed.DOCUMENT_UPLOADED)

    assert [Deed.ACCOUNT_LOGGED_IN] == [entry.deed for entry in await read(units, ours)]
    async with units.begin(ours.id) as work:
        assert await work.audit.page(theirs.id, limit=100) == []
    with pytest.raises(PermissionError):
        await _forge(units, ours, theirs)


async def _forge(units: Units, ours: Team, theirs: Team) -> None:
    async with units.begin(ours.id) as work:
        await note(work, Deed.DOCUMENT_DELETED, new_id(), by=None, workspace_id=theirs.id)
        await work.commit()


@pytest.mark.parametrize("bound", [False, True], ids=["owner", "bound"])
@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET address = NULL", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_it_only_grows(postgres_units: Units, emptied_database: str, statement: str, *, bound: bool) -> None:
    """Neither the role of the application nor the owner of the tables changes or removes an entry."""
    team = await found_team(postgres_units)
    await noted(postgres_units, team, Deed.DOCUMENT_UPLOADED)
    role = "SET ROLE readingroom_app" if bound else "RESET ROLE"
    connection = await asyncpg.connect(emptied_database)
    await connection.execute(role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()

    assert await execute(emptied_database, "SELECT 1 FROM audit_log WHERE workspace_id = $1", team.id)
