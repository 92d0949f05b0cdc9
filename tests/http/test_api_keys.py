from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from domain.access import Role
from domain.errors import Unauthenticated
from tests.fakes.assembly import Assembly
from tests.fakes.database import API_KEYS, MEMBERSHIPS
from tests.http.conftest import Member, ready_document


async def make_key(member: Member, **body: Any) -> dict[str, Any]:
    response = await member.call("POST", "api-keys", json={"name": "Import", "scopes": ["read", "write"], **body})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def using(member: Member, key: dict[str, Any]) -> Member:
    """The same workspace through the key."""
    return evolve(member, headers={"Authorization": f"Bearer {key['key']}"})


async def test_the_secret_is_shown_once(ada: Member, assembly: Assembly) -> None:
    """Lists and looks show its first characters, and only a hash of it is stored."""
    made = await make_key(ada)
    shown = (await ada.call("GET", f"api-keys/{made['id']}")).json()
    listed = (await ada.call("GET", "api-keys")).json()["items"]

    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert listed == [shown]
    assert made["key"].startswith(made["prefix"])
    assert len(made["key"]) > 40
    assert made["scopes"] == ["read", "write"]
    assert made["key"] not in repr(assembly.begin.database.tables)


async def test_a_key_works_like_a_token_in_its_workspace(ada: Member) -> None:
    """Read, write and profile; its last use is noted."""
    made = await make_key(ada)
    program = using(ada, made)

    assert (await program.call("GET", "documents")).status_code == 200
    assert (await program.upload(b"some text")).status_code == 202
    me = (await program.call("GET", "/v1/me")).json()
    assert [f"/v1/workspaces/{place['id']}" for place in me["workspaces"]] == [ada.workspace]
    assert (await ada.call("GET", f"api-keys/{made['id']}")).json()["last_used_at"] is not None


async def test_a_key_does_what_its_scopes_say(ada: Member) -> None:
    """And nothing else, whatever the role of who made it."""
    reader = using(ada, await make_key(ada, scopes=["read"]))

    assert (await reader.call("GET", "documents")).status_code == 200
    for method, path, body in (
        ("POST", "collections", {"name": "Papers"}),
        ("POST", "conversations", {}),
        ("POST", "api-keys", {"name": "More", "scopes": ["read"]}),
        ("PATCH", "", {"name": "Mine"}),
    ):
        response = await reader.call(method, path, json=body)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


async def test_a_key_opens_no_other_workspace(ada: Member, bob: Member) -> None:
    """Neither another's nor another of the same person."""
    second = (await ada.call("POST", "/v1/workspaces", json={"name": "Second"})).json()
    program = using(ada, await make_key(ada, scopes=["read", "write", "chat", "admin"]))

    assert (await ada.call("GET", f"/v1/workspaces/{second['id']}")).status_code == 200
    assert (await program.call("GET", f"/v1/workspaces/{second['id']}")).status_code == 404
    assert (await program.call("GET", bob.workspace)).status_code == 404
    listed = (await program.call("GET", "/v1/workspaces")).json()["items"]
    assert [f"/v1/workspaces/{one['id']}" for one in listed] == [ada.workspace]


async def test_a_key_bound_to_collections_sees_nothing_else(ada: Member, assembly: Assembly) -> None:
    """Not in lists, search or counts, nor can it put anything elsewhere."""
    papers = (await ada.call("POST", "collections", json={"name": "Papers"})).json()
    await ready_document(assembly, ada, "the general heron stands in the reeds")
    inside = await ready_document(assembly, ada, "the paper heron flies", collection_id=papers["id"])
    program = using(ada, await make_key(ada, collection_ids=[papers["id"]]))

    assert [one["id"] for one in (await program.call("GET", "documents")).json()["items"]] == [inside["id"]]
    assert [one["id"] for one in (await program.call("GET", "collections")).json()["items"]] == [papers["id"]]
    found = (await program.call("POST", "search", json={"query": "heron"})).json()["results"]
    assert {one["document"]["id"] for one in found} == {inside["id"]}
    assert (await program.upload(b"elsewhere")).status_code == 404
    assert (await program.upload(b"here", collection_id=papers["id"])).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["root"]},
        {"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"scopes": ["read"], "expires_at": "2030-01-01"},
        {"scopes": ["read"], "collection_ids": []},
        {"scopes": ["read"], "name": ""},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(ada: Member, body: dict[str, Any]) -> None:
    response = await ada.call("POST", "api-keys", json={"name": "Import", **body})

    assert response.status_code == 422


async def test_a_key_for_a_collection_that_is_not_there_is_refused(ada: Member, bob: Member) -> None:
    """Another workspace's is not there either."""
    theirs = (await bob.call("GET", "collections")).json()["items"][0]["id"]
    response = await ada.call(
        "POST", "api-keys", json={"name": "Import", "scopes": ["read"], "collection_ids": [theirs]}
    )

    assert response.status_code == 404


async def test_a_revoked_key_stops_at_once(ada: Member, bob: Member) -> None:
    """Nobody from elsewhere can revoke it."""
    made = await make_key(ada)
    program = using(ada, made)
    assert (await program.call("GET", "documents")).status_code == 200
    foreign = f"{bob.workspace}/api-keys/{made['id']}"
    assert (await bob.call("DELETE", foreign)).status_code == 404

    assert (await ada.call("DELETE", f"api-keys/{made['id']}")).status_code == 204

    response = await program.call("GET", "documents")
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert (await ada.call("DELETE", f"api-keys/{made['id']}")).status_code == 404


async def test_a_key_ends_when_it_was_said_to(ada: Member, assembly: Assembly) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    program = using(ada, await make_key(ada, expires_at=soon))
    assert (await program.call("GET", "documents")).status_code == 200
    keys = assembly.begin.database.table(API_KEYS)
    for identifier, key in keys.items():
        keys[identifier] = evolve(key, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        await assembly.changes.announce(key.id)

    response = await program.call("GET", "documents")

    assert (response.status_code, response.json()["code"]) == (401, "token_expired")


async def test_a_key_weakens_with_who_made_it(ada: Member, assembly: Assembly) -> None:
    """It acts with the role that they have now."""
    program = using(ada, await make_key(ada))
    places = assembly.begin.database.table(MEMBERSHIPS)
    for key, place in places.items():
        places[key] = evolve(place, role=Role.VIEWER)
        await assembly.changes.announce(place.workspace_id)

    assert (await program.call("GET", "documents")).status_code == 200
    assert (await program.upload(b"text")).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/me/sessions", None),
        ("POST", "/v1/auth/logout", {"refresh_token": "rrr_x"}),
        ("POST", "/v1/auth/password", {"current_password": "x", "new_password": "y"}),
        ("POST", "/v1/workspaces", {"name": "More"}),
    ],
)
async def test_a_key_is_not_a_person(ada: Member, method: str, path: str, body: Any) -> None:
    """Accounts and memberships are for whoever logs in."""
    program = using(ada, await make_key(ada, scopes=["read", "write", "chat", "admin"]))

    assert (await program.call(method, path, json=body)).status_code == 403


async def test_a_key_gives_no_scope_that_it_has_not(ada: Member) -> None:
    admin = using(ada, await make_key(ada, scopes=["admin"]))

    assert (await admin.call("POST", "api-keys", json={"name": "A", "scopes": ["admin"]})).status_code == 201
    assert (await admin.call("POST", "api-keys", json={"name": "W", "scopes": ["write"]})).status_code == 403


async def test_a_ticket_opens_one_connection(http: httpx.AsyncClient, ada: Member, assembly: Assembly) -> None:
    """For who asked for it, once, while their session lasts."""
    issued = (await ada.call("POST", "/v1/auth/ws-ticket")).json()
    assert issued["expires_in"] == 30

    identity = await assembly.use_cases.redeem_ticket(issued["ticket"])

    assert identity.session_id is not None
    assert identity.expires_at is not None
    me = (await ada.call("GET", "/v1/me")).json()
    assert str(identity.user_id) == me["id"]
    for ticket in (issued["ticket"], "rrt_unknown", "", ada.refresh_token):
        with pytest.raises(Unauthenticated):
            await assembly.use_cases.redeem_ticket(ticket)

    late = (await ada.call("POST", "/v1/auth/ws-ticket")).json()["ticket"]
    await ada.call("POST", "/v1/auth/logout", json={"refresh_token": ada.refresh_token})
    with pytest.raises(Unauthenticated):
        await assembly.use_cases.redeem_ticket(late)


async def test_a_ticket_for_a_key_is_no_more_than_the_key(ada: Member, assembly: Assembly) -> None:
    made = await make_key(ada, scopes=["read"])
    program = using(ada, made)
    tickets = [(await program.call("POST", "/v1/auth/ws-ticket")).json()["ticket"] for _ in range(2)]

    identity = await assembly.use_cases.redeem_ticket(tickets[0])

    assert identity == await assembly.use_cases.authenticate(made["key"])
    await ada.call("DELETE", f"api-keys/{made['id']}")
    with pytest.raises(Unauthenticated):
        await assembly.use_cases.redeem_ticket(tickets[1])


async def test_without_redis_there_are_no_tickets(ada: Member, assembly: Assembly) -> None:
    """A clear refusal; everything else goes on."""
    assembly.tickets.is_down = True

    response = await ada.call("POST", "/v1/auth/ws-ticket")

    assert (response.status_code, response.json()["code"]) == (503, "cache_unavailable")
    assert (await ada.call("GET", "/v1/me")).status_code == 200
