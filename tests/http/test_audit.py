"""The audit log over HTTP: what is done is found in it, by admins alone."""

from uuid import UUID

from tests.http.conftest import PASSWORD, Member


async def do_everything(ada: Member) -> set[str]:
    """Each kind of deed once; what of it somebody typed."""
    me = ada.workspace
    collection = (await ada.call("POST", "collections", json={"name": "SecretPlans"})).json()
    await ada.call("PATCH", f"collections/{collection['id']}", json={"description": "HiddenWords"})
    document = (await ada.upload(b"Contents that nobody logs.", name="private-name.txt")).json()
    path = f"documents/{document['id']}"
    await ada.call("PATCH", path, json={"title": "PrivateTitle"})
    await ada.call("PUT", f"{path}/content", files={"file": ("b.txt", b"Other contents.")})
    await ada.call("POST", f"{path}/reindex")
    await ada.call("DELETE", path)
    key = (await ada.call("POST", "api-keys", json={"name": "RobotName", "scopes": ["read"]})).json()
    await ada.call("DELETE", f"api-keys/{key['id']}")
    await ada.call("DELETE", f"collections/{collection['id']}")
    await ada.call("POST", "conversations", json={"title": "TalkTitle"})
    room = (await ada.call("POST", "rooms", json={"name": "RoomName"})).json()
    await ada.call("PATCH", f"rooms/{room['id']}", json={"name": "OtherRoomName"})
    await ada.call("DELETE", f"rooms/{room['id']}")
    await ada.call("PATCH", me, json={"name": "WorkspaceName"})
    await ada.call("POST", "reindex")
    wrong = {"email": ada.email, "password": "wrong"}
    await ada.call("POST", "/v1/auth/login", json=wrong)
    await ada.call("POST", "/v1/auth/logout", json={"refresh_token": ada.refresh_token})
    again = (await ada.call("POST", "/v1/auth/login", json={"email": ada.email, "password": PASSWORD})).json()
    ada.headers["Authorization"] = f"Bearer {again['access_token']}"
    return {
        "SecretPlans",
        "HiddenWords",
        "Contents",
        "private-name",
        "PrivateTitle",
        "RobotName",
        "TalkTitle",
        "RoomName",
        "WorkspaceName",
        PASSWORD,
        key["key"],
        ada.refresh_token,
        ada.email,
    }


async def test_what_is_done_is_written_down(ada: Member) -> None:
    """Every deed with who, what, when and from where; nothing that somebody typed, and no secret."""
    typed = await do_everything(ada)
    me = (await ada.call("GET", "/v1/me")).json()
    answer = await ada.call("GET", "audit-log", params={"limit": 200})
    entries = answer.json()["items"]

    assert {UUID(entry["id"]).version for entry in entries} == {7}
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert [entry["action"] for entry in reversed(entries)] == [
        "account.created",
        "workspace.created",
        "account.logged_in",
        "collection.created",
        "collection.changed",
        "document.uploaded",
        "document.changed",
        "document.revised",
        "document.reindexed",
        "document.deleted",
        "api_key.created",
        "api_key.revoked",
        "collection.deleted",
        "conversation.created",
        "room.created",
        "room.changed",
        "room.deleted",
        "workspace.changed",
        "workspace.reindexed",
        "account.login_failed",
        "account.session_ended",
        "account.logged_in",
    ]
    [failed] = [entry for entry in entries if entry["action"] == "account.login_failed"]
    assert (None, me["id"]) == (failed["user_id"], failed["resource"]["id"])
    assert {me["id"], None} == {entry["user_id"] for entry in entries}
    assert {"127.0.0.1"} == {entry["address"] for entry in entries}
    assert all(entry["request_id"] and entry["resource"]["id"] for entry in entries)
    assert not [word for word in typed if word in answer.text]


async def test_what_failed_is_not_written_down(ada: Member) -> None:
    """An entry means that it was done."""
    await ada.call("POST", "collections", json={"name": "General"})
    await ada.upload(b"")
    entries = (await ada.call("GET", "audit-log")).json()["items"]

    assert not {"collection.created", "document.uploaded"} & {entry["action"] for entry in entries}


async def test_pages_and_strangers(ada: Member, bob: Member) -> None:
    """A page at a time; a foreign workspace's log does not exist; its cursor fits no other list."""
    first = (await ada.call("GET", "audit-log", params={"limit": 2})).json()
    second = (await ada.call("GET", "audit-log", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert ["account.logged_in", "workspace.created"] == [entry["action"] for entry in first["items"]]
    assert ["account.created"] == [entry["action"] for entry in second["items"]]
    assert second["next_cursor"] is None
    assert (await bob.call("GET", f"{ada.workspace}/audit-log")).status_code == 404
    assert (await bob.call("GET", "audit-log", params={"cursor": first["next_cursor"]})).status_code == 422


async def test_a_key_that_is_no_admin_is_refused(ada: Member) -> None:
    """The log is for admins and for credentials with the scope of one."""
    made = (await ada.call("POST", "api-keys", json={"name": "Robot", "scopes": ["read", "write"]})).json()
    answer = await ada.call("GET", "audit-log", headers={"Authorization": f"Bearer {made['key']}"})

    assert answer.status_code == 403
