import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from attrs import evolve
from fastapi import FastAPI

from application.authentication import RegistrationMode
from application.use_cases import Policy
from domain.ids import WorkspaceId
from entrypoints.http.app import create_app
from tests.fakes.assembly import Assembly
from tests.fakes.database import DOCUMENTS, INVITATIONS, WORKSPACES
from tests.http.conftest import PASSWORD, Member, StandInContainer, join, ready_document


async def invite(member: Member, email: str, role: str) -> dict[str, Any]:
    response = await member.call("POST", "invitations", json={"email": email, "role": role})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def accept(guest: Member, token: str) -> httpx.Response:
    return await guest.call("POST", "/v1/invitations/accept", json={"token": token})


async def bring_in(host: Member, guest: Member, role: str) -> Member:
    """The guest as a member of the host's workspace."""
    made = await invite(host, guest.email, role)
    (await accept(guest, made["token"])).raise_for_status()
    return evolve(guest, workspace=host.workspace)


async def id_of(member: Member) -> str:
    found: str = (await member.call("GET", "/v1/me")).json()["id"]
    return found


async def test_an_invitation_gives_its_role(ada: Member, bob: Member) -> None:
    """To the account with its e-mail, in any case of letters; the token is shown once and works once."""
    made = await invite(ada, "BOB@Example.org", "editor")
    shown = (await ada.call("GET", f"invitations/{made['id']}")).json()
    assert shown == {name: value for name, value in made.items() if name != "token"}
    assert (await ada.call("GET", "invitations")).json()["items"] == [shown]

    joined = await accept(bob, made["token"])

    assert (joined.status_code, joined.json()["role"]) == (200, "editor")
    assert (await bob.call("GET", ada.workspace)).json()["role"] == "editor"
    members = (await ada.call("GET", "members")).json()["items"]
    assert [(one["user"]["email"], one["role"]) for one in members] == [(ada.email, "owner"), (bob.email, "editor")]
    assert (await ada.call("GET", "invitations")).json()["items"] == []
    again = await accept(bob, made["token"])
    assert (again.status_code, again.json()["code"]) == (404, "invalid_invitation")


async def test_members_come_in_pages(ada: Member, bob: Member) -> None:
    await bring_in(ada, bob, "viewer")

    first = (await ada.call("GET", "members?limit=1")).json()
    rest = (await ada.call("GET", f"members?cursor={first['next_cursor']}")).json()

    assert [one["user"]["email"] for one in (*first["items"], *rest["items"])] == [ada.email, bob.email]


async def test_an_invitation_is_for_its_email_only(http: httpx.AsyncClient, ada: Member, bob: Member) -> None:
    """Whoever else holds the token learns nothing and gets nothing; the invited one still can."""
    eve = await join(http, "eve@example.org")
    made = await invite(ada, bob.email, "editor")

    stolen = await accept(eve, made["token"])

    assert (stolen.status_code, stolen.json()["code"]) == (404, "invalid_invitation")
    assert (await eve.call("GET", ada.workspace)).status_code == 404
    assert (await accept(bob, made["token"])).status_code == 200


async def test_a_withdrawn_replaced_or_expired_invitation_opens_nothing(
    ada: Member, bob: Member, assembly: Assembly
) -> None:
    withdrawn = await invite(ada, bob.email, "editor")
    assert (await bob.call("DELETE", f"{bob.workspace}/invitations/{withdrawn['id']}")).status_code == 404
    assert (await ada.call("DELETE", f"invitations/{withdrawn['id']}")).status_code == 204
    replaced = await invite(ada, bob.email, "editor")
    expired = await invite(ada, bob.email, "editor")
    rows = assembly.begin.database.table(INVITATIONS)
    for key, row in rows.items():
        rows[key] = evolve(row, expires_at=row.created_at)

    for made in (withdrawn, replaced, expired):
        assert (await accept(bob, made["token"])).json()["code"] == "invalid_invitation"


async def test_who_belongs_already_is_not_invited(ada: Member, bob: Member) -> None:
    await bring_in(ada, bob, "viewer")

    response = await ada.call("POST", "invitations", json={"email": bob.email, "role": "admin"})

    assert (response.status_code, response.json()["code"]) == (409, "already_member")


async def test_an_invitation_is_worth_what_its_maker_may_still_offer(
    http: httpx.AsyncClient, ada: Member, bob: Member
) -> None:
    """An admin who is one no more has invited nobody."""
    guest = await join(http, "guest@example.org")
    admin = await bring_in(ada, bob, "admin")
    made = await invite(admin, guest.email, "editor")
    await ada.call("PATCH", f"members/{await id_of(bob)}", json={"role": "editor"})

    assert (await accept(guest, made["token"])).status_code == 404

    await ada.call("PATCH", f"members/{await id_of(bob)}", json={"role": "admin"})
    assert (await accept(guest, made["token"])).status_code == 200


async def test_only_owners_make_and_touch_owners(http: httpx.AsyncClient, ada: Member, bob: Member) -> None:
    """An admin manages everybody else."""
    guest = await join(http, "guest@example.org")
    admin = await bring_in(ada, bob, "admin")
    viewer = await bring_in(ada, guest, "viewer")
    guest_id = await id_of(guest)

    assert (await admin.call("PATCH", f"members/{guest_id}", json={"role": "editor"})).json()["role"] == "editor"
    refused = [
        await admin.call("PATCH", f"members/{guest_id}", json={"role": "owner"}),
        await admin.call("PATCH", f"members/{await id_of(ada)}", json={"role": "viewer"}),
        await admin.call("DELETE", f"members/{await id_of(ada)}"),
        await admin.call("POST", "invitations", json={"email": "new@example.org", "role": "owner"}),
        await viewer.call("PATCH", f"members/{guest_id}", json={"role": "admin"}),
        await viewer.call("DELETE", f"members/{await id_of(bob)}"),
    ]
    assert [403] * len(refused) == [one.status_code for one in refused]


async def test_the_last_owner_stays(ada: Member, bob: Member) -> None:
    """They neither leave nor step down before somebody else is one."""
    me = await id_of(ada)
    for response in (
        await ada.call("DELETE", f"members/{me}"),
        await ada.call("PATCH", f"members/{me}", json={"role": "admin"}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "last_owner")

    await bring_in(ada, bob, "owner")

    assert (await ada.call("DELETE", f"members/{me}")).status_code == 204
    assert (await ada.call("GET", ada.workspace)).status_code == 404


async def test_two_owners_who_remove_each_other_leave_one(ada: Member, bob: Member) -> None:
    """Whoever comes second is no owner any more."""
    other = await bring_in(ada, bob, "owner")
    ids = await id_of(ada), await id_of(bob)

    answers = await asyncio.gather(ada.call("DELETE", f"members/{ids[1]}"), other.call("DELETE", f"members/{ids[0]}"))

    won, lost = sorted(answers, key=lambda one: one.status_code)
    assert won.status_code == 204
    assert lost.status_code in {403, 404, 409}


async def test_who_is_removed_has_nothing_left(ada: Member, bob: Member) -> None:
    """Neither the workspace nor the keys made there nor the invitations, and coming back revives none."""
    admin = await bring_in(ada, bob, "admin")
    key = (await admin.call("POST", "api-keys", json={"name": "K", "scopes": ["read"]})).json()
    program = evolve(admin, headers={"Authorization": f"Bearer {key['key']}"})
    made = await invite(admin, "guest@example.org", "viewer")
    assert (await program.call("GET", "documents")).status_code == 200

    assert (await ada.call("DELETE", f"members/{await id_of(bob)}")).status_code == 204

    assert (await admin.call("GET", "documents")).status_code == 404
    assert (await program.call("GET", "documents")).status_code == 401
    assert (await ada.call("GET", f"invitations/{made['id']}")).status_code == 404
    await bring_in(ada, bob, "admin")
    assert (await program.call("GET", "documents")).status_code == 401


async def test_a_restricted_collection_is_not_there_for_others(ada: Member, bob: Member, assembly: Assembly) -> None:
    """Not in lists, search, counts, answers or by id; for the listed and for admins it is."""
    editor = await bring_in(ada, bob, "editor")
    board = (await ada.call("POST", "collections", json={"name": "Board", "visibility": "restricted"})).json()
    hidden = await ready_document(assembly, ada, "the heron budget is secret", collection_id=board["id"])
    reader = f"collections/{board['id']}/members/{await id_of(bob)}"

    async def seen() -> list[bool]:
        found = (await editor.call("POST", "search", json={"query": "heron budget"})).json()["results"]
        listed = (await editor.call("GET", "documents")).json()["items"]
        collections = (await editor.call("GET", "collections")).json()["items"]
        by_id = [
            await editor.call("GET", f"documents/{hidden['id']}"),
            await editor.call("GET", f"documents/{hidden['id']}/chunks"),
            await editor.call("GET", f"documents/{hidden['id']}/content"),
            await editor.call("GET", f"collections/{board['id']}"),
            await editor.call("POST", "conversations", json={"collection_ids": [board["id"]]}),
        ]
        narrowed = {"query": "heron", "filters": {"collection_ids": [board["id"]]}}
        filtered = (await editor.call("POST", "search", json=narrowed)).json()["results"]
        conversation = (await editor.call("POST", "conversations", json={})).json()
        question = {"content": "heron budget?"}
        await editor.call("POST", f"conversations/{conversation['id']}/messages", json=question)
        return [
            bool(found),
            bool(listed),
            len(collections) == 2,
            *(one.is_success for one in by_id),
            bool(filtered),
            bool(assembly.model.requests[-1].sources),
        ]

    before = await seen()
    assert (await ada.call("PUT", reader)).status_code == 204
    assert (await ada.call("PUT", reader)).status_code == 204
    between = await seen()
    assert (await ada.call("DELETE", reader)).status_code == 204
    after = await seen()

    assert before == after == [False] * 10
    assert between == [True] * 10


async def test_only_admins_list_readers_and_only_members(ada: Member, bob: Member) -> None:
    board = (await ada.call("POST", "collections", json={"name": "Board", "visibility": "restricted"})).json()
    path = f"collections/{board['id']}/members/{await id_of(bob)}"
    assert (await ada.call("PUT", path)).status_code == 404

    editor = await bring_in(ada, bob, "editor")

    assert (await editor.call("PUT", path)).status_code == 403
    assert (await ada.call("PUT", path)).status_code == 204


async def test_a_deleted_workspace_is_gone_at_once_and_erased_soon(
    ada: Member, bob: Member, assembly: Assembly
) -> None:
    """For every member, with keys and invitations; then with every row, vector and file."""
    editor = await bring_in(ada, bob, "editor")
    await ready_document(assembly, ada, "the heron stands in the reeds")
    key = (await ada.call("POST", "api-keys", json={"name": "K", "scopes": ["read"]})).json()
    made = await invite(ada, "guest@example.org", "viewer")
    assert (await editor.call("DELETE", "")).status_code == 403
    assert (await ada.call("DELETE", "", headers={"If-Match": '"9"'})).status_code == 412
    assert assembly.stored_files()

    assert (await ada.call("DELETE", "")).status_code == 204

    for member in (ada, editor):
        assert (await member.call("GET", "")).status_code == 404
        assert (await member.call("GET", "documents")).status_code == 404
    program = evolve(ada, headers={"Authorization": f"Bearer {key['key']}"})
    assert (await program.call("GET", "documents")).status_code == 401
    assert (await ada.call("GET", "/v1/me")).json()["workspaces"] == []
    guest = await join(ada.http, "guest@example.org")
    assert (await accept(guest, made["token"])).status_code == 404

    await assembly.worker().drain()

    database = assembly.begin.database
    left = [row for row in database.table(WORKSPACES).values() if str(row.id) in ada.workspace]
    assert left == []
    assert all(str(row.workspace_id) not in ada.workspace for row in database.table(DOCUMENTS).values())
    assert assembly.stored_files() == []
    assert await assembly.vectors.revisions(WorkspaceId(UUID(ada.workspace[-36:]))) == []


@pytest.fixture
def invited_only(tmp_path_factory: pytest.TempPathFactory, assembly: Assembly) -> FastAPI:
    """Another process of the same installation, whose setting is to take invited people only."""
    policy = Policy(registration=RegistrationMode.INVITE)
    other = Assembly(root=tmp_path_factory.mktemp("files"), policy=policy, begin=assembly.begin)
    return create_app(StandInContainer(other))


async def test_with_an_invitation_one_registers_and_joins(invited_only: FastAPI, ada: Member) -> None:
    """Where registration is for the invited, and only with the e-mail that was invited."""
    made = await invite(ada, "guest@example.org", "editor")
    account = {"password": PASSWORD, "name": "Guest"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(invited_only), base_url="http://test") as client:

        async def register(email: str, **more: str) -> httpx.Response:
            return await client.post("/v1/auth/register", json={"email": email, **account, **more})

        uninvited = await register("guest@example.org")
        wrong = await register("eve@example.org", invitation_token=made["token"])
        unknown = await register("guest@example.org", invitation_token="rri_unknown")
        welcome = await register("guest@example.org", invitation_token=made["token"])
        again = await register("other@example.org", invitation_token=made["token"])

    assert (uninvited.status_code, uninvited.json()["code"]) == (403, "registration_closed")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "invalid_invitation")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "invalid_invitation")
    assert welcome.status_code == 201
    assert welcome.json()["workspace"]["role"] == "owner"
    assert again.status_code == 404
    members = (await ada.call("GET", "members")).json()["items"]
    assert [(one["user"]["email"], one["role"]) for one in members][1:] == [("guest@example.org", "editor")]
