"""Ids of another workspace in every position: what is not yours does not exist, and nothing of it is told."""

from typing import Any

import pytest
from attrs import frozen

from tests.fakes.assembly import Assembly
from tests.http.checker import Contract
from tests.http.conftest import Member, ready_document

MARK = "zanzibar"  # stands in everything of Bob's, and in nothing of Ada's


@frozen
class Foreign:
    """Everything that Bob has, by the name of its place in a path."""

    ids: dict[str, str]
    member: Member


async def foreign_of(bob: Member, assembly: Assembly) -> Foreign:
    collection = (await bob.call("POST", "collections", json={"name": f"{MARK} plans"})).json()
    document = await ready_document(
        assembly, bob, f"The {MARK} contract ends in May.", collection_id=collection["id"], tags=[MARK]
    )
    conversation = (await bob.call("POST", "conversations", json={"title": MARK})).json()
    answer = await bob.call("POST", f"conversations/{conversation['id']}/messages", json={"content": f"{MARK}?"})
    room = (await bob.call("POST", "rooms", json={"name": MARK})).json()
    await bob.call("POST", f"rooms/{room['id']}/events", json={"data": {"text": MARK}})
    key = (await bob.call("POST", "api-keys", json={"name": MARK, "scopes": ["read"]})).json()
    invitation = await bob.call("POST", "invitations", json={"email": f"{MARK}@example.org", "role": "viewer"})
    sessions = (await bob.call("GET", "/v1/me/sessions")).json()
    return Foreign(
        ids={
            "workspace_id": bob.workspace.rsplit("/", 1)[1],
            "collection_id": collection["id"],
            "document_id": document["id"],
            "conversation_id": conversation["id"],
            "message_id": answer.json()["id"],
            "room_id": room["id"],
            "key_id": key["id"],
            "invitation_id": invitation.json()["id"],
            "session_id": sessions["items"][0]["id"],
            "user_id": (await bob.call("GET", "/v1/me")).json()["id"],
            "number": "1",
        },
        member=bob,
    )


BODIES: dict[str, dict[str, Any]] = {
    "changeRole": {"json": {"role": "viewer"}},
    "publishRoomEvent": {"json": {"data": {}}},
    "postMessage": {"json": {"content": "What?"}},
    "rateAnswer": {"json": {"rating": "up"}},
    "createCollection": {"json": {"name": "N"}},
    "createRoom": {"json": {"name": "N"}},
    "createApiKey": {"json": {"name": "N", "scopes": ["read"]}},
    "invite": {"json": {"email": "eve@example.org", "role": "viewer"}},
    "search": {"json": {"query": MARK}},
    "uploadDocument": {"files": {"file": ("a.txt", b"x")}},
    "reviseDocument": {"files": {"file": ("a.txt", b"x")}},
    "renameWorkspace": {"json": {"name": "N"}},
}


async def test_no_path_leads_to_another_workspace(
    ada: Member, bob: Member, assembly: Assembly, contract: Contract
) -> None:
    """Each route with Bob's ids, under his workspace and under Ada's: 404, and nothing of his is changed or told."""
    foreign = await foreign_of(bob, assembly)
    before = (await bob.call("GET", "audit-log", params={"limit": 200})).json()["items"]
    tried = 0
    for path, operations in contract.document["paths"].items():
        for method, operation in operations.items():
            if "{" not in path or method not in {"get", "post", "put", "patch", "delete"}:
                continue
            names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            assert set(names) <= foreign.ids.keys(), f"{path}: say in this test whose id that is"
            own = ada.workspace.rsplit("/", 1)[1]
            places = [foreign.ids] if names == ["workspace_id"] else [foreign.ids, {**foreign.ids, "workspace_id": own}]
            body = BODIES.get(operation["operationId"], {"json": {}} if method in {"patch", "post", "put"} else {})
            for ids in places:
                answer = await ada.call(method.upper(), path.format(**ids), **body)
                tried += 1
                assert answer.status_code == 404, (operation["operationId"], answer.status_code, answer.text)
                assert MARK not in answer.text

    after = (await bob.call("GET", "audit-log", params={"limit": 200})).json()["items"]
    assert before == after
    assert tried > 60


@pytest.mark.parametrize(
    "filters",
    [
        {"collection_ids": ["{collection_id}"]},
        {"document_ids": ["{document_id}"]},
        {"tags": [MARK]},
        {},
    ],
)
async def test_no_filter_finds_what_is_foreign(
    ada: Member, bob: Member, assembly: Assembly, filters: dict[str, list[str]]
) -> None:
    """Searches with Bob's ids, tags and words find nothing of his; a foreign collection does not exist."""
    foreign = await foreign_of(bob, assembly)
    asked = {name: [value.format(**foreign.ids) for value in values] for name, values in filters.items()}
    answer = await ada.call("POST", "search", json={"query": f"{MARK} contract", "filters": asked})

    assert answer.status_code in {200, 404}
    assert not answer.json().get("results")
    assert MARK not in answer.text


async def test_no_body_and_no_query_reaches_what_is_foreign(ada: Member, bob: Member, assembly: Assembly) -> None:
    """Bob's ids where Ada's belong: 404 or nothing."""
    foreign = await foreign_of(bob, assembly)
    mine = (await ada.upload(b"My own words.")).json()
    talk = (await ada.call("POST", "conversations")).json()
    answers = [
        await ada.call("PATCH", f"documents/{mine['id']}", json={"collection_id": foreign.ids["collection_id"]}),
        await ada.upload(b"Other words.", collection_id=foreign.ids["collection_id"]),
        await ada.call("POST", "conversations", json={"collection_ids": [foreign.ids["collection_id"]]}),
        await ada.call("PATCH", f"conversations/{talk['id']}", json={"collection_ids": [foreign.ids["collection_id"]]}),
        await ada.call(
            "POST",
            f"conversations/{talk['id']}/messages",
            json={"content": "What?", "parent_id": foreign.ids["message_id"]},
        ),
    ]
    listed = await ada.call("GET", "documents", params={"collection_id": foreign.ids["collection_id"]})

    assert [404] * len(answers) == [answer.status_code for answer in answers]
    assert listed.status_code in {200, 404}
    assert not listed.json().get("items")


async def test_cursors_and_keys_of_others_open_nothing(ada: Member, bob: Member) -> None:
    """A cursor of another workspace's list is none of this one; an idempotency key of Bob's is a new one of Ada's."""
    for name in ("B", "C", "D"):
        await bob.call("POST", "collections", json={"name": f"{MARK} {name}"})
    cursor = (await bob.call("GET", "collections", params={"limit": 1})).json()["next_cursor"]
    key = {"Idempotency-Key": "the same words"}
    theirs = await bob.call("POST", "collections", json={"name": "Papers"}, headers=key)
    mine = await ada.call("POST", "collections", json={"name": "Papers"}, headers=key)

    assert (await ada.call("GET", "collections", params={"cursor": cursor})).status_code == 422
    assert theirs.json()["id"] != mine.json()["id"]
    assert "idempotent-replayed" not in mine.headers


async def test_members_that_are_not_asked_for_are_left_aside(ada: Member, bob: Member) -> None:
    """Mass assignment: ids, owners, states and versions in a body change nothing."""
    bobs = bob.workspace.rsplit("/", 1)[1]
    extra = {
        "id": bobs,
        "workspace_id": bobs,
        "created_by": bobs,
        "is_default": True,
        "version": 99,
        "role": "owner",
        "user_id": bobs,
        "created_at": "2000-01-01T00:00:00Z",
    }
    collection = (await ada.call("POST", "collections", json={"name": "Papers", **extra})).json()
    changed = (await ada.call("PATCH", f"collections/{collection['id']}", json={"name": "More", **extra})).json()
    talk = (await ada.call("POST", "conversations", json={"title": "T", **extra})).json()
    document = (await ada.upload(b"My own words.", **{k: str(v) for k, v in extra.items()})).json()
    patched = (await ada.call("PATCH", f"documents/{document['id']}", json={"status": "ready", **extra})).json()

    assert collection["id"] == changed["id"] != bobs
    assert [1, 2, 1] == [collection["version"], changed["version"], talk["version"]]
    assert ada.workspace.endswith(document["workspace_id"])
    assert ("queued", document["created_by"]) == (patched["status"], patched["created_by"])
    assert bobs not in {document["id"], document["created_by"]}


async def test_nobody_makes_themselves_more_than_they_are(ada: Member, bob: Member) -> None:
    """Mass assignment where rights are made: accounts, workspaces, invitations, keys, members."""
    bobs, bob_id = bob.workspace.rsplit("/", 1)[1], (await bob.call("GET", "/v1/me")).json()["id"]
    extra = {
        "id": bobs,
        "user_id": bob_id,
        "workspace_id": bobs,
        "is_admin": True,
        "scopes_of": ["admin"],
        "invited_by": bob_id,
        "created_by": bob_id,
        "token_hash": "00",
        "password_hash": "$fake$",
        "disabled_at": None,
        "version": 99,
        "expires_at": "2999-01-01T00:00:00Z",
        "token": "rri_mine",
        "key": "rrk_mine",
        "joined_at": "2000-01-01T00:00:00Z",
    }
    person = {
        "email": "eve@example.org",
        "password": "a wholly different phrase",
        "name": "Eve",
        **extra,
        "role": "owner",
    }
    eve = (await ada.http.post("/v1/auth/register", json=person)).json()
    place = (await ada.call("POST", "/v1/workspaces", json={"name": "More", **extra, "role": "viewer"})).json()
    invited = (await ada.call("POST", "invitations", json={"email": "g@example.org", "role": "viewer", **extra})).json()
    made = (await ada.call("POST", "api-keys", json={"name": "K", "scopes": ["read"], **extra})).json()
    renamed = (await ada.call("PATCH", "", json={"name": "Ours", **extra, "role": "viewer"})).json()

    assert bobs not in {eve["user"]["id"], eve["workspace"]["id"], place["id"], invited["id"], made["id"]}
    assert bob_id not in {eve["user"]["id"], invited["invited_by"], made["created_by"]}
    assert [1, 1, 2] == [eve["workspace"]["version"], place["version"], renamed["version"]]
    assert ["owner", "viewer", "owner"] == [place["role"], invited["role"], renamed["role"]]
    assert ["read"] == made["scopes"]
    assert (invited["token"], made["key"]) != ("rri_mine", "rrk_mine")
    assert invited["expires_at"] < "2999"
    members = (await bob.call("GET", "members")).json()["items"]
    assert [bob_id] == [member["user"]["id"] for member in members]
