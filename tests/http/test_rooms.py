from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.access import Role
from domain.ids import WorkspaceId
from tests.contracts.units import make_membership
from tests.fakes.assembly import Assembly
from tests.http.conftest import Member, ready_document


@pytest.fixture
async def room(ada: Member) -> str:
    """The path of an open room."""
    made = await ada.call("POST", "rooms", json={"name": "Reading"})
    return f"rooms/{made.json()['id']}"


async def invite(assembly: Assembly, host: Member, guest: Member, role: Role) -> tuple[str, Member]:
    """The guest's id, and the guest inside the host's workspace."""
    me = (await guest.call("GET", "/v1/me")).json()["id"]
    workspace_id = WorkspaceId(UUID((await host.call("GET", "")).json()["id"]))
    async with assembly.begin(None) as work:
        found = await work.users.by_email(guest.email)
        assert found is not None
        await work.workspaces.add_member(make_membership(workspace_id, found.id, role))
        await work.commit()
    return me, Member(
        http=guest.http,
        email=guest.email,
        workspace=host.workspace,
        refresh_token=guest.refresh_token,
        headers=guest.headers,
    )


async def test_a_room_is_made_changed_and_deleted(ada: Member) -> None:
    """With versions and entity tags as everything that can be changed."""
    made = await ada.call("POST", "rooms", json={"name": "  Due   diligence "})
    url = f"rooms/{made.json()['id']}"
    shown = await ada.call("GET", url)
    changed = await ada.call("PATCH", url, json={"name": "Closing"}, headers={"If-Match": shown.headers["etag"]})
    stale = await ada.call("PATCH", url, json={"name": "Late"}, headers={"If-Match": shown.headers["etag"]})

    assert (made.status_code, made.json()["name"], made.json()["last_seq"]) == (201, "Due diligence", 0)
    assert shown.json() == {**made.json(), "members": shown.json()["members"]}
    assert (changed.status_code, changed.json()["name"], changed.headers["etag"]) == (200, "Closing", '"2"')
    assert stale.status_code == 412
    assert [one["name"] for one in (await ada.call("GET", "rooms")).json()["items"]] == ["Closing"]
    assert (await ada.call("DELETE", url, headers={"If-Match": '"1"'})).status_code == 412
    assert (await ada.call("DELETE", url)).status_code == 204
    assert (await ada.call("GET", url)).status_code == 404
    assert (await ada.call("POST", f"{url}/events", json={"data": 1})).status_code == 404


async def test_events_in_order_and_in_pages(ada: Member, room: str) -> None:
    """Numbered from one; the youngest without a border, else those after or before a number."""
    sent = [(await ada.call("POST", f"{room}/events", json={"kind": "message", "data": {"n": n}})) for n in range(5)]

    async def seqs(**params: Any) -> list[int]:
        page = (await ada.call("GET", f"{room}/events", params=params)).json()
        assert page["head_seq"] == 5
        return [event["seq"] for event in page["items"]]

    assert [response.status_code for response in sent] == [201] * 5
    assert [response.json()["seq"] for response in sent] == [1, 2, 3, 4, 5]
    assert await seqs(limit=2) == [4, 5]
    assert await seqs(after=1, limit=2) == [2, 3]
    assert await seqs(before=3, limit=5) == [1, 2]
    assert await seqs(after=5) == []
    both = await ada.call("GET", f"{room}/events", params={"after": 1, "before": 3})
    assert both.status_code == 422


async def test_the_same_event_again(ada: Member, room: str) -> None:
    """Gives the first answer again; another body under the same id is refused."""
    body = {"client_msg_id": str(uuid4()), "kind": "update", "data": {"x": 1}}
    first = await ada.call("POST", f"{room}/events", json=body)
    again = await ada.call("POST", f"{room}/events", json=body)
    other = await ada.call("POST", f"{room}/events", json={**body, "data": {"x": 2}})

    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert (await ada.call("GET", f"{room}/events")).json()["head_seq"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "answer.completed", "data": {}}, 403, "permission_denied"),
        ({"kind": "nothing", "data": {}}, 422, "invalid_input"),
        ({"data": "x" * 65_535}, 413, "payload_too_large"),
        ({"kind": "update"}, 422, "invalid_input"),
    ],
)
async def test_what_is_refused(ada: Member, room: str, body: dict[str, Any], status: int, code: str) -> None:
    """Kinds of the server's, unknown kinds, too much data, and none."""
    refused = await ada.call("POST", f"{room}/events", json=body)

    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_an_event_is_told_on_the_bus(ada: Member, room: str, assembly: Assembly) -> None:
    """What is committed is let out; without the bus it is committed all the same."""
    await ada.call("POST", f"{room}/events", json={"data": 1})
    assembly.live.engine.down = True
    unheard = await ada.call("POST", f"{room}/events", json={"data": 2})

    [top] = assembly.live.engine.tops.values()
    assert (top.seq, unheard.status_code) == (1, 201)
    assert [event for _, event, _ in assembly.log.lines if event == "events_not_told"]


async def test_who_sees_a_restricted_room(ada: Member, bob: Member, assembly: Assembly) -> None:
    """Outsiders never; members of the workspace when they are listed, which the room is told."""
    bob_id, guest = await invite(assembly, ada, bob, Role.EDITOR)
    made = await ada.call("POST", "rooms", json={"name": "Board", "visibility": "restricted"})
    url = f"rooms/{made.json()['id']}"

    assert (await bob.call("GET", f"{bob.workspace}/{url}")).status_code == 404
    assert (await guest.call("GET", url)).status_code == 404
    assert (await guest.call("GET", f"{url}/events")).status_code == 404
    assert (await guest.call("POST", f"{url}/events", json={"data": 1})).status_code == 404
    assert (await guest.call("GET", "rooms")).json()["items"] == []
    assert (await ada.call("PUT", f"{url}/members/{uuid4()}")).status_code == 404
    for _ in range(2):
        assert (await ada.call("PUT", f"{url}/members/{bob_id}")).status_code == 204
    assert bob_id in (await guest.call("GET", url)).json()["members"]
    assert (await guest.call("POST", f"{url}/events", json={"data": 1})).status_code == 201
    assert (await guest.call("DELETE", f"{url}/members/{bob_id}")).status_code == 204
    assert (await guest.call("GET", url)).status_code == 404
    assert (await ada.call("DELETE", f"{url}/members/{bob_id}")).status_code == 404
    told = (await ada.call("GET", f"{url}/events")).json()["items"]
    assert [event["kind"] for event in told] == ["member.joined", "update", "member.left"]
    assert told[0]["data"]["user_id"] == bob_id


async def test_a_viewer_reads_and_does_not_write(ada: Member, bob: Member, room: str, assembly: Assembly) -> None:
    """Writing into rooms needs the role of an editor."""
    _, guest = await invite(assembly, ada, bob, Role.VIEWER)

    assert (await guest.call("GET", f"{room}/events")).status_code == 200
    refused = await guest.call("POST", f"{room}/events", json={"data": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert (await guest.call("PATCH", room, json={"name": "Mine"})).status_code == 403
    assert (await guest.call("POST", "rooms", json={"name": "Mine"})).status_code == 403


async def test_rooms_are_told_of_documents(ada: Member, assembly: Assembly, room: str) -> None:
    """Ready and deleted, once each; a document of a restricted collection is told in no open room."""
    document = await ready_document(assembly, ada, "Some words.")
    closed = await ada.call("POST", "collections", json={"name": "Board", "visibility": "restricted"})
    await ready_document(assembly, ada, "Other words.", collection_id=closed.json()["id"])
    board = await ada.call("POST", "rooms", json={"name": "Board", "visibility": "restricted"})
    secret = await ready_document(assembly, ada, "More words.", collection_id=closed.json()["id"])
    await ada.call("DELETE", f"documents/{document['id']}")
    await assembly.worker().drain()

    open_room = (await ada.call("GET", f"{room}/events")).json()["items"]
    board_room = (await ada.call("GET", f"rooms/{board.json()['id']}/events")).json()["items"]
    assert [(event["kind"], event["data"]["document_id"]) for event in open_room] == [
        ("document.ready", document["id"]),
        ("document.deleted", document["id"]),
    ]
    assert [(event["kind"], event["data"]["document_id"]) for event in board_room] == [
        ("document.ready", secret["id"]),
        ("document.deleted", document["id"]),
    ]
