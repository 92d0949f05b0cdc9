"""`Idempotency-Key` over HTTP: sent twice, made once, answered twice."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from attrs import evolve, frozen

from application.attempts import Attempt
from application.idempotency import Scope
from domain.ids import UserId, WorkspaceId
from tests.fakes.assembly import Assembly
from tests.http.checker import Contract, events
from tests.http.conftest import Member

KEY = {"Idempotency-Key": "0194-once"}
# POSTs that take no key: they make nothing that stays.
WITHOUT = {"logIn", "refreshSession", "logOut", "search", "cancelAnswer", "issueTicket", "changePassword"}
WITHOUT |= {"reindexDocument", "reindexAll"}  # asked for twice they wait once
ACCOUNT = {"email": "new@example.org", "password": "correct horse battery", "name": "New"}
# What another request may look like to the same path.
OTHER_BODIES: dict[str, dict[str, Any]] = {
    "register": {"json": ACCOUNT | {"email": "other@example.org"}},
    "createWorkspace": {"json": {"name": "Other"}},
    "createCollection": {"json": {"name": "Other"}},
    "createApiKey": {"json": {"name": "Other", "scopes": ["read"]}},
    "invite": {"json": {"email": "other@example.org", "role": "viewer"}},
    "acceptInvitation": {"json": {"token": "rri_other"}},
    "regenerateAnswer": {"params": {"other": "1"}},
    "createRoom": {"json": {"name": "Other"}},
    "publishRoomEvent": {"json": {"data": {"text": "Other."}}},
    "startConversation": {"json": {"title": "Other"}},
    "postMessage": {"json": {"content": "Who else?"}},
    "uploadDocument": {"files": {"file": ("a.txt", b"Other words.")}},
}
OWN = {"refreshSession"}  # the header means the same there, by means of its own


async def test_the_first_answer_is_given_again(ada: Member) -> None:
    """Same status, body, place and tag, even after what was made has changed; and a header says so."""
    first = await ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY)
    made = first.json()
    await ada.call("PATCH", f"collections/{made['id']}", json={"name": "Contracts"})
    second = await ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY)

    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (first.headers["location"], first.headers["etag"]) == (second.headers["location"], second.headers["etag"])
    assert len((await ada.call("GET", "collections")).json()["items"]) == 2


async def test_another_body_is_refused(ada: Member) -> None:
    """A key stands for one request: body, path and query."""
    await ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY)
    other_body = await ada.call("POST", "collections", json={"name": "Contracts"}, headers=KEY)
    other_path = await ada.call("POST", "conversations", json={"name": "Papers"}, headers=KEY)

    for refused in (other_body, other_path):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_failures_are_not_kept(ada: Member) -> None:
    """What failed made nothing, so the same key may be used to try again."""
    await ada.call("POST", "collections", json={"name": "Papers"})
    refused = await ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY)
    [collection] = [c for c in (await ada.call("GET", "collections")).json()["items"] if c["name"] == "Papers"]
    await ada.call("PATCH", f"collections/{collection['id']}", json={"name": "Old papers"})
    made = await ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY)

    assert (409, 201) == (refused.status_code, made.status_code)
    assert "idempotent-replayed" not in made.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\u00e9"])
async def test_a_key_that_is_none_is_refused(ada: Member, key: str) -> None:
    """1 to 255 printable characters."""
    answer = await ada.call("POST", "collections", json={"name": "P"}, headers={"Idempotency-Key": key.encode()})

    assert answer.status_code == 422
    assert len((await ada.call("GET", "collections")).json()["items"]) == 1


async def test_keys_of_others_are_others(ada: Member, bob: Member) -> None:
    """The same words of somebody else give them nothing of mine."""
    mine = await ada.call("POST", "/v1/workspaces", json={"name": "Lab"}, headers=KEY)
    theirs = await bob.call("POST", "/v1/workspaces", json={"name": "Lab"}, headers=KEY)

    assert mine.json()["id"] != theirs.json()["id"]
    assert (await bob.call("POST", f"{ada.workspace}/collections", json={"name": "P"}, headers=KEY)).status_code == 404


async def test_an_upload_is_taken_once(ada: Member, assembly: Assembly) -> None:
    """Whatever the boundary: the file and the fields decide whether it is the same."""

    async def send(content: bytes, **fields: Any) -> httpx.Response:
        return await ada.call("POST", "documents", files={"file": ("a.txt", content)}, data=fields, headers=KEY)

    first = await send(b"Some words.", title="A")
    second = await send(b"Some words.", title="A")
    other_bytes = await send(b"Other words.", title="A")
    other_field = await send(b"Some words.", title="B")

    assert (202, 202) == (first.status_code, second.status_code)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert [other_bytes.json()["code"], other_field.json()["code"]] == ["idempotency_key_reused"] * 2
    assert len(assembly.stored_files()) == 1


async def test_an_upload_of_known_bytes_is_kept_too(ada: Member) -> None:
    """200 with the document that is there, and 200 again."""
    await ada.upload(b"Some words.")
    answers = [
        await ada.call("POST", "documents", files={"file": ("a.txt", b"Some words.")}, headers=KEY) for _ in range(2)
    ]

    assert [200, 200] == [answer.status_code for answer in answers]
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_a_question_is_asked_once(ada: Member, assembly: Assembly) -> None:
    """A repeat gives the same answer: as a message, or as its stream from the first event on."""
    conversation = (await ada.call("POST", "conversations")).json()
    path = f"conversations/{conversation['id']}/messages"
    streaming = KEY | {"Accept": "text/event-stream"}
    first = await ada.call("POST", path, json={"content": "Why?"}, headers=streaming)
    again = await ada.call("POST", path, json={"content": "Why?"}, headers=streaming)
    waited = await ada.call("POST", path, json={"content": "Why?"}, headers=KEY)

    assert events(first.text) == events(again.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert waited.status_code == 201
    assert waited.json()["id"] == events(first.text)[-1][2]["message"]["id"]
    assert len((await ada.call("GET", path)).json()["items"]) == 2


async def test_at_once(ada: Member) -> None:
    """Of ten at the same moment one makes it; the others are told to wait, or what was made."""
    answers = await asyncio.gather(
        *(ada.call("POST", "collections", json={"name": "Papers"}, headers=KEY) for _ in range(10))
    )

    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    waiting = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert len(made) == 1
    assert waiting <= {"idempotency_in_progress"}


@frozen
class Ground:
    """What the POSTs stand on."""

    conversation: str
    answer: str
    room: str
    invitation: str


async def prepare(member: Member, other: Member) -> Ground:
    conversation = (await member.call("POST", "conversations")).json()["id"]
    answer = await member.call("POST", f"conversations/{conversation}/messages", json={"content": "Who?"})
    room = await member.call("POST", "rooms", json={"name": "Lobby"})
    invited = await other.call("POST", "invitations", json={"email": member.email, "role": "viewer"})
    return Ground(conversation, answer.json()["id"], room.json()["id"], invited.json()["token"])


def everything(on: Ground) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every POST that takes a key, by its operation: its path and what it takes."""
    return {
        "register": ("/v1/auth/register", {"json": ACCOUNT}),
        "createWorkspace": ("/v1/workspaces", {"json": {"name": "Lab"}}),
        "createCollection": ("collections", {"json": {"name": "Papers"}}),
        "createApiKey": ("api-keys", {"json": {"name": "Robot", "scopes": ["read"]}}),
        "invite": ("invitations", {"json": {"email": "eve@example.org", "role": "viewer"}}),
        "acceptInvitation": ("/v1/invitations/accept", {"json": {"token": on.invitation}}),
        "regenerateAnswer": (f"messages/{on.answer}/regenerate", {}),
        "createRoom": ("rooms", {"json": {"name": "Diligence"}}),
        "publishRoomEvent": (f"rooms/{on.room}/events", {"json": {"data": {"text": "Look."}}}),
        "startConversation": ("conversations", {"json": {}}),
        "postMessage": (
            f"conversations/{on.conversation}/messages",
            {"json": {"content": "Why?", "parent_id": on.answer}},
        ),
        "uploadDocument": ("documents", {"files": {"file": ("a.txt", b"Some words.")}}),
    }


async def send_everything(member: Member, on: Ground) -> dict[str, httpx.Response]:
    """Each with its name as the key."""
    return {
        name: await member.call("POST", path, headers={"Idempotency-Key": name}, **body)
        for name, (path, body) in everything(on).items()
    }


async def test_every_post_that_makes_something_takes_a_key(contract: Contract) -> None:
    """A new route is listed among those without a key, or has the header."""
    missing = {
        operation["post"]["operationId"]
        for operation in contract.document["paths"].values()
        if "post" in operation
        and not any(p.get("name") == "Idempotency-Key" for p in operation["post"].get("parameters", []))
    }

    assert missing == WITHOUT - OWN


async def test_a_crash_after_the_commit_does_not_double_anything(ada: Member, bob: Member, assembly: Assembly) -> None:
    """Wherever the process dies after the work was committed, the next attempt gets the answer of the first."""
    on = await prepare(ada, bob)
    assembly.begin.database.dies_after_commit = True
    broken = await send_everything(ada, on)
    assembly.begin.database.dies_after_commit = False
    end_lost_answers = evolve(assembly.use_cases.end_lost_answers, silence=timedelta())
    await end_lost_answers()  # the first look only looks
    assert await end_lost_answers() == 2
    answers = await send_everything(ada, on)

    assert {500} == {answer.status_code for answer in broken.values()}
    assert {"true"} == {answer.headers.get("idempotent-replayed") for answer in answers.values()}
    assert 3 == len((await ada.call("GET", "/v1/workspaces")).json()["items"])
    stored = [collection.name for collection in assembly.begin.database.table("collections").values()]
    assert 1 == stored.count("Papers")  # rights to it are learned within a second, which a dead process could not tell
    assert 2 == len((await ada.call("GET", "conversations")).json()["items"])
    assert 2 == len((await ada.call("GET", "rooms")).json()["items"])
    assert 1 == len((await ada.call("GET", f"rooms/{on.room}/events")).json()["items"])
    assert 1 == len((await ada.call("GET", "documents")).json()["items"])
    assert 5 == len((await ada.call("GET", f"conversations/{on.conversation}/messages")).json()["items"])
    assert 1 == [user.email for user in assembly.begin.database.table("users").values()].count(ACCOUNT["email"])


async def test_every_post_is_answered_again_and_tells_another_request_apart(ada: Member, bob: Member) -> None:
    """The first answer to the letter; with the same key and another body none."""
    on = await prepare(ada, bob)
    first, second = await send_everything(ada, on), await send_everything(ada, on)
    other = {
        name: await ada.call("POST", path, headers={"Idempotency-Key": name}, **OTHER_BODIES[name])
        for name, (path, _) in everything(on).items()
    }

    assert {name: answer.content for name, answer in first.items()} == {
        name: answer.content for name, answer in second.items()
    }
    assert {None} == {answer.headers.get("idempotent-replayed") for answer in first.values()}
    assert {"true"} == {answer.headers.get("idempotent-replayed") for answer in second.values()}
    assert dict.fromkeys(first, (422, "idempotency_key_reused")) == {
        name: (answer.status_code, answer.json()["code"]) for name, answer in other.items()
    }


async def test_every_post_waits_for_the_first_one(ada: Member, bob: Member, assembly: Assembly) -> None:
    """While an attempt is at work another one with its key is told so, and when to come back."""
    on = await prepare(ada, bob)
    me = UserId(UUID((await ada.call("GET", "/v1/me")).json()["id"]))
    here = WorkspaceId(UUID(ada.workspace.rpartition("/")[2]))
    for name, (path, _) in everything(on).items():
        who = None if name == "register" else me
        scope = Scope(user_id=who, actor=who, workspace_id=None if path.startswith("/") else here, key=name)
        assert isinstance(await assembly.use_cases.idempotency.reserve(scope), Attempt)
    answers = await send_everything(ada, on)

    assert dict.fromkeys(answers, (409, "idempotency_in_progress", "1")) == {
        name: (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
        for name, answer in answers.items()
    }


async def test_registering_again_with_another_password_gives_nothing(http: httpx.AsyncClient) -> None:
    """Whoever knows the key but not the password learns nothing; what is stored of the request names neither."""
    first = await http.post("/v1/auth/register", json=ACCOUNT, headers=KEY)
    thief = await http.post("/v1/auth/register", json=ACCOUNT | {"password": "another long phrase"}, headers=KEY)
    again = await http.post("/v1/auth/register", json=ACCOUNT, headers=KEY)
    without = await http.post("/v1/auth/register", json=ACCOUNT)

    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert (422, "idempotency_key_reused") == (thief.status_code, thief.json()["code"])
    assert ACCOUNT["email"] not in thief.text
    assert (409, "email_taken") == (without.status_code, without.json()["code"])


async def test_every_post_with_a_key_is_tried(contract: Contract) -> None:
    """The table has a row for each of them."""
    with_key = {
        operation["post"]["operationId"] for operation in contract.document["paths"].values() if "post" in operation
    } - WITHOUT

    assert set(everything(Ground(*"abcd"))) == with_key == set(OTHER_BODIES)
