import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from entrypoints.http.document_content import content_disposition, parse_range
from entrypoints.http.errors import RangeNotSatisfiable
from tests.fakes.assembly import Assembly
from tests.http.checker import events
from tests.http.conftest import MAX_UPLOAD, Member, ready_document

TEXT = "Tea is brewed at ninety degrees. Coffee wants a little more."


def form(*parts: tuple[str, str | None, bytes]) -> dict[str, Any]:
    """A multipart body whose parts stand in this order: (name, filename, content)."""
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        body += f'--limit\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return {"content": body + b"--limit--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=limit"}}


def in_pieces(request: dict[str, Any]) -> dict[str, Any]:
    """The same request, each part of its body sent by itself and no length told."""
    head, *parts = request["content"].split(b"--limit")

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        for part in parts:
            yield b"--limit" + part

    return {**request, "content": pieces()}


FIELDS = (
    ("title", None, "Über Tee".encode()),
    ("tags", None, b"tea"),
    ("tags", None, b"drinks"),
    ("metadata", None, b'{"year": 2025, "draft": false}'),
)
FILE = ("file", "tea.txt", TEXT.encode())


@pytest.mark.parametrize("parts", [(*FIELDS, FILE), (FILE, *FIELDS), (*FIELDS[:1], FILE, *FIELDS[1:])])
async def test_fields_may_stand_before_or_after_the_file(
    ada: Member, parts: tuple[tuple[str, str | None, bytes], ...]
) -> None:
    response = await ada.call("POST", "documents", **in_pieces(form(*parts)))

    assert response.status_code == 202
    document = response.json()
    assert document["title"] == "Über Tee"
    assert document["tags"] == ["tea", "drinks"]
    assert document["metadata"] == {"year": 2025, "draft": False}
    assert (document["filename"], document["size"], document["status"]) == ("tea.txt", len(TEXT), "queued")
    assert response.headers["location"] == f"{ada.workspace}/documents/{document['id']}"
    assert response.headers["etag"] == '"1"'


async def test_the_same_bytes_again_give_the_document_that_is_there(ada: Member, assembly: Assembly) -> None:
    first = await ada.upload(TEXT.encode())
    again = await ada.upload(TEXT.encode(), name="other.txt")

    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert len(assembly.stored_files()) == 1


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        (FIELDS, 422, "missing_file"),
        ((), 422, "missing_file"),
        ((FILE, FILE), 422, "too_many_files"),
        ((FILE, ("other", "x.txt", b"x")), 422, "unexpected_file"),
        ((("file", "empty.txt", b""),), 422, "empty_document"),
        ((("file", "x.bin", b"\0\1\2"),), 415, "unsupported_media_type"),
        ((("file", "big.txt", b"x" * (MAX_UPLOAD + 1)),), 413, "document_too_large"),
        ((("file", "huge.txt", b"x" * (MAX_UPLOAD + 2 * 1024 * 1024)),), 413, "document_too_large"),
        ((FILE, ("metadata", None, b"[1]")), 422, "invalid_input"),
        ((FILE, ("metadata", None, b'{"a": {"b": 1}}')), 422, "invalid_input"),
        ((("metadata", None, b'{"a": null}'), FILE), 422, "invalid_input"),
        ((FILE, ("metadata", None, rb'{"half a pair": "\ud800"}')), 422, "invalid_input"),
        ((FILE, ("metadata", None, rb'{"\ud800": "half a pair"}')), 422, "invalid_input"),
        ((FILE, ("title", None, b"a\0b")), 422, "invalid_input"),
        ((FILE, ("title", None, b"\xff\xfe")), 422, "invalid_input"),
        ((FILE, ("title", None, b"a"), ("title", None, b"b")), 422, "invalid_input"),
        ((FILE, ("collection_id", None, b"General")), 422, "invalid_input"),
        ((FILE, ("collection_id", None, b"01936a3c-5c1e-7f7c-9d0b-000000000000")), 404, "not_found"),
        ((FILE, ("title", None, b"x" * 70_000)), 422, "field_too_large"),
    ],
)
async def test_what_cannot_be_taken_leaves_nothing(
    ada: Member, assembly: Assembly, parts: tuple[tuple[str, str | None, bytes], ...], status: int, code: str
) -> None:
    for request in (form(*parts), in_pieces(form(*parts))):
        response = await ada.call("POST", "documents", **request)

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert assembly.stored_files() == []
    assert (await ada.call("GET", "documents")).json()["items"] == []


async def test_a_body_that_breaks_off_leaves_nothing(ada: Member, assembly: Assembly) -> None:
    whole = form(FILE)
    response = await ada.call("POST", "documents", content=whole["content"][:-12], headers=whole["headers"])

    assert (response.status_code, response.json()["code"]) == (422, "malformed_multipart")
    assert assembly.stored_files() == []


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
async def test_only_multipart_is_taken(ada: Member, kind: str) -> None:
    response = await ada.call("POST", "documents", content=b"{}", headers={"Content-Type": kind})

    assert response.status_code == 415


async def test_a_body_without_length_is_cut_off_at_the_limit(ada: Member, assembly: Assembly) -> None:
    """The rest of an endless body is never read."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--limit\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\n'
        while True:
            sent += 65536
            yield b"x" * 65536

    headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    response = await ada.call("POST", "documents", content=endless(), headers=headers)

    assert (response.status_code, response.json()["code"]) == (413, "document_too_large")
    assert sent < 2 * 1024 * 1024
    assert assembly.stored_files() == []


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("filename*=iso-8859-1'en'na%EFve.txt", "naïve.txt"),
        ("filename*=utf-8''b.txt; filename=\"a.txt\"", "a.txt"),
        ("filename*=klingon''%ff.txt", "unnamed"),
    ],
)
async def test_names_as_older_clients_write_them(ada: Member, written: str, name: str) -> None:
    body = f'--limit\r\nContent-Disposition: form-data; name="file"; {written}\r\n\r\nTea.\r\n--limit--\r\n'.encode()
    response = await ada.call("POST", "documents", content=body, headers=form()["headers"])

    assert (response.status_code, response.json()["filename"]) == (202, name)


async def test_a_hostile_filename_is_cleaned(ada: Member) -> None:
    response = await ada.call("POST", "documents", **form(("file", "../../etc/pass wd\t.txt", TEXT.encode())))

    assert response.json()["filename"] == "pass wd .txt"


async def test_lists_are_filtered_sorted_and_paged(ada: Member) -> None:
    for number in range(5):
        await ada.upload(
            f"text {number}".encode(), name=f"{number}.txt", title=f"T{4 - number}", tags=["odd"][number % 2 :]
        )

    titles = []
    cursor: str | None = None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = (await ada.call("GET", "documents", params={"limit": 2, "sort": "title", **more})).json()
        titles += [document["title"] for document in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    tagged = (await ada.call("GET", "documents", params={"tag": "odd"})).json()["items"]
    found = (await ada.call("GET", "documents", params={"q": "t3"})).json()["items"]
    ready = (await ada.call("GET", "documents", params={"status": "ready"})).json()["items"]

    assert titles == ["T0", "T1", "T2", "T3", "T4"]
    assert [document["filename"] for document in tagged] == ["4.txt", "2.txt", "0.txt"]
    assert [document["title"] for document in found] == ["T3"]
    assert ready == []


async def test_a_cursor_fits_its_own_list_only(ada: Member) -> None:
    for number in range(3):
        await ada.upload(f"text {number}".encode())
    cursor = (await ada.call("GET", "documents", params={"limit": 1})).json()["next_cursor"]

    other = await ada.call("GET", "documents", params={"cursor": cursor, "sort": "title"})
    damaged = await ada.call("GET", "documents", params={"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")})
    nonsense = await ada.call("GET", "documents", params={"cursor": "Ω!"})

    for response in (other, damaged, nonsense):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_cursor")
    for limit in ("0", "201", "x"):
        assert (await ada.call("GET", "documents", params={"limit": limit})).status_code == 422


async def test_a_stale_change_is_refused(ada: Member) -> None:
    url = f"documents/{(await ada.upload(TEXT.encode())).json()['id']}"
    tag = (await ada.call("GET", url)).headers["etag"]

    first = await ada.call("PATCH", url, json={"title": "New", "tags": ["a", "a"]}, headers={"If-Match": tag})
    second = await ada.call("PATCH", url, json={"title": "Newer"}, headers={"If-Match": tag})
    deleted = await ada.call("DELETE", url, headers={"If-Match": tag})
    any_version = await ada.call("PATCH", url, json={"title": "Any"}, headers={"If-Match": "*"})

    assert (first.status_code, first.json()["title"], first.json()["tags"]) == (200, "New", ["a"])
    assert first.headers["etag"] != tag
    assert (second.status_code, second.json()["code"]) == (412, "stale_version")
    assert deleted.status_code == 412
    assert any_version.status_code == 200


async def test_deleted_is_gone_at_once(ada: Member) -> None:
    url = f"documents/{(await ada.upload(TEXT.encode())).json()['id']}"

    assert (await ada.call("DELETE", url)).status_code == 204
    for path in (url, f"{url}/content", f"{url}/chunks", f"{url}/events", f"{url}/pages/1"):
        assert (await ada.call("GET", path)).status_code == 404
    assert (await ada.call("DELETE", url)).status_code == 404


async def test_another_workspace_shows_nothing(ada: Member, bob: Member) -> None:
    document = (await ada.upload(TEXT.encode())).json()["id"]

    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/content"), ("POST", "/reindex")):
        response = await bob.call(method, f"documents/{document}{path}", **({"json": {}} if method == "PATCH" else {}))

        assert response.status_code == 404


async def test_the_original_comes_back_whole_and_in_parts(ada: Member) -> None:
    url = f"documents/{(await ada.upload(TEXT.encode(), name='Größe %.txt')).json()['id']}/content"

    whole = await ada.call("GET", url)
    part = await ada.call("GET", url, headers={"Range": "bytes=7-9"})
    tail = await ada.call("GET", url, headers={"Range": "bytes=-5"})
    beyond = await ada.call("GET", url, headers={"Range": "bytes=9999-"})
    current = await ada.call("GET", url, headers={"Range": "bytes=0-2", "If-Range": whole.headers["etag"]})
    changed = await ada.call("GET", url, headers={"Range": "bytes=0-2", "If-Range": '"other"'})
    cached = await ada.call("GET", url, headers={"If-None-Match": whole.headers["etag"]})
    any_cached = await ada.call("GET", url, headers={"If-None-Match": "*"})
    head = await ada.call("HEAD", url)
    headed_part = await ada.call("HEAD", url, headers={"Range": "bytes=7-9"})

    assert (whole.status_code, whole.text) == (200, TEXT)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%25.txt" in whole.headers["content-disposition"]
    assert (206, TEXT[7:10]) == (part.status_code, part.text)
    assert part.headers["content-range"] == f"bytes 7-9/{len(TEXT)}"
    assert part.headers["content-length"] == "3"
    assert (206, TEXT[-5:]) == (tail.status_code, tail.text)
    assert (416, f"bytes */{len(TEXT)}") == (beyond.status_code, beyond.headers["content-range"])
    assert (current.status_code, changed.status_code, cached.status_code) == (206, 200, 304)
    assert any_cached.status_code == 304
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in ("etag", "content-length", "content-type", "accept-ranges")} == {
        name: whole.headers[name] for name in ("etag", "content-length", "content-type", "accept-ranges")
    }
    assert (headed_part.status_code, headed_part.headers["content-length"]) == (206, "3")


async def test_a_document_does_not_move_onto_its_like(ada: Member) -> None:
    other = (await ada.call("POST", "collections", json={"name": "Other"})).json()["id"]
    await ada.upload(TEXT.encode(), collection_id=other)
    document = (await ada.upload(TEXT.encode())).json()

    third = (await ada.upload(b"Something else.")).json()
    moved = await ada.call("PATCH", f"documents/{document['id']}", json={"collection_id": other})
    revised = await ada.call("PUT", f"documents/{third['id']}/content", files={"file": ("a.txt", TEXT.encode())})

    for refused, shown in ((moved, document), (revised, third)):
        assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_document")
        assert (await ada.call("GET", f"documents/{shown['id']}")).json() == shown


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=0-99", (0, 10)),
        ("bytes=9-9", (9, 10)),
        ("Bytes=9-99999999999999999999", (9, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=٣-", None),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"])
def test_ranges_after_the_end(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 10)


def test_a_name_cannot_break_out_of_its_header() -> None:
    assert content_disposition('a"; x="b\\.txt') == (
        "attachment; filename=\"a_; x=_b_.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22b%5C.txt"
    )


async def test_a_new_revision_is_queued(ada: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT)
    url = f"documents/{document['id']}"
    stale = await ada.call("PUT", f"{url}/content", headers={"If-Match": '"1"'}, files={"file": ("b.txt", b"Beer")})

    response = await ada.call("PUT", f"{url}/content", files={"file": ("b.txt", b"Beer is brewed too.")})

    assert stale.status_code == 412
    assert response.status_code == 202
    assert tuple(response.json()[key] for key in ("revision", "status", "filename")) == (2, "queued", "b.txt")
    searched = (await ada.call("POST", "search", json={"query": "tea"})).json()
    assert [found["document"]["id"] for found in searched["results"]] == [document["id"]]


async def test_chunks_and_pages_tell_their_places(ada: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, "First page here.\fSecond page there.")

    chunks = (await ada.call("GET", f"documents/{document['id']}/chunks", params={"limit": 1})).json()
    page = await ada.call("GET", f"documents/{document['id']}/pages/2")

    assert document["status"] == "ready"
    assert (chunks["items"][0]["ordinal"], chunks["items"][0]["page_from"]) == (0, 1)
    assert (page.json()["page"], page.json()["text"]) == (2, "Second page there.")
    assert page.json()["char_to"] - page.json()["char_from"] == len("Second page there.")
    assert page.json()["char_from"] >= len("First page here.")
    for number in ("0", "3", "-1", "99999999999999", "x"):
        assert (await ada.call("GET", f"documents/{document['id']}/pages/{number}")).status_code == 404


async def test_following_ends_with_what_became_of_it(ada: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT)
    response = await ada.call("GET", f"documents/{document['id']}/events")

    told = events(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [name for _, name, _ in told] == ["progress", "ready"]
    assert told[-1][2] == document
    assert [number for number, _, _ in told] == [1, 2]


async def test_everything_is_read_again(ada: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT)
    response = await ada.call("POST", "reindex")
    await assembly.worker().drain()

    assert (response.status_code, response.json()) == (202, {"status": "queued"})
    assert (await ada.call("GET", f"documents/{document['id']}")).json()["revision"] == 2


async def test_a_deleted_document_has_a_receipt(ada: Member, bob: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT)
    path = f"documents/{document['id']}"
    assert (await ada.call("GET", f"{path}/erasure")).status_code == 404
    await ada.call("DELETE", path)
    await assembly.worker().drain()

    receipt = (await ada.call("GET", f"{path}/erasure")).json()
    assert receipt["document_id"] == document["id"]
    assert receipt["deleted_at"] <= receipt["vectors_at"] <= receipt["files_at"] <= receipt["chunks_at"]
    assert (await bob.call("GET", f"{path}/erasure")).status_code == 404


async def test_a_collection_is_deleted_with_its_documents(ada: Member, assembly: Assembly) -> None:
    made = (await ada.call("POST", "collections", json={"name": "Papers"})).json()
    inside = await ada.call("POST", "documents", **form(("collection_id", None, made["id"].encode()), FILE))
    general = next(one for one in (await ada.call("GET", "collections")).json()["items"] if one["name"] == "General")
    stale = await ada.call("DELETE", f"collections/{made['id']}", headers={"If-Match": '"9"'})
    response = await ada.call("DELETE", f"collections/{made['id']}")

    assert (stale.status_code, response.status_code) == (412, 204)
    assert (await ada.call("GET", f"collections/{made['id']}")).status_code == 404
    assert (await ada.call("GET", f"documents/{inside.json()['id']}")).status_code == 404
    refused = await ada.call("DELETE", f"collections/{general['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "default_collection")
    await assembly.worker().drain()
    assert assembly.stored_files() == []


async def test_reading_again_is_queued(ada: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT)

    response = await ada.call("POST", f"documents/{document['id']}/reindex")

    assert (response.status_code, response.json()["status"], response.json()["revision"]) == (202, "queued", 2)


async def test_search_finds_passages_with_their_places(ada: Member, bob: Member, assembly: Assembly) -> None:
    document = await ready_document(assembly, ada, TEXT, tags=["drinks"])

    found = (await ada.call("POST", "search", json={"query": "coffee", "filters": {"tags": ["drinks"]}})).json()
    other = (await ada.call("POST", "search", json={"query": "coffee", "filters": {"tags": ["food"]}})).json()
    foreign = (await bob.call("POST", "search", json={"query": "coffee"})).json()
    long = await ada.call("POST", "search", json={"query": "coffee " * 1428})
    empty = await ada.call("POST", "search", json={"query": "  "})

    [result] = found["results"]
    assert result["document"]["id"] == document["id"]
    assert [result["text"][start:end] for start, end in result["highlights"]] == ["Coffee"]
    assert found["mode"] == "hybrid"
    assert other["results"] == foreign["results"] == []
    assert long.status_code == 200
    assert empty.status_code == 422


async def test_collections(ada: Member) -> None:
    made = await ada.call("POST", "collections", json={"name": "Tea"})
    taken = await ada.call("POST", "collections", json={"name": "Tea"})
    url = f"collections/{made.json()['id']}"
    await ada.upload(b"in tea", collection_id=made.json()["id"])
    changed = await ada.call("PATCH", url, json={"description": "Hot"}, headers={"If-Match": made.headers["etag"]})
    stale = await ada.call("PATCH", url, json={"name": "x"}, headers={"If-Match": made.headers["etag"]})
    listed = (await ada.call("GET", "collections")).json()["items"]
    general = next(collection for collection in listed if collection["name"] == "General")
    closed = await ada.call("PATCH", f"collections/{general['id']}", json={"visibility": "restricted"})

    assert (made.status_code, made.json()["visibility"]) == (201, "workspace")
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (changed.status_code, changed.json()["description"], changed.json()["document_count"]) == (200, "Hot", 1)
    assert (stale.status_code, closed.status_code) == (412, 409)
    assert [collection["name"] for collection in listed] == ["General", "Tea"]


async def test_workspaces(ada: Member, http: httpx.AsyncClient) -> None:
    made = await ada.call("POST", "/v1/workspaces", json={"name": "Second"})
    url = made.headers["location"]
    renamed = await ada.call("PATCH", url, json={"name": "Other"}, headers={"If-Match": made.headers["etag"]})
    stale = await ada.call("PATCH", url, json={"name": "Third"}, headers={"If-Match": made.headers["etag"]})
    first = (await ada.call("GET", "/v1/workspaces", params={"limit": 1})).json()
    second = (await ada.call("GET", "/v1/workspaces", params={"limit": 1, "cursor": first["next_cursor"]})).json()

    assert (made.status_code, made.json()["role"]) == (201, "owner")
    assert (renamed.status_code, stale.status_code) == (200, 412)
    assert [f"/v1/workspaces/{item['id']}" for item in first["items"] + second["items"]] == [ada.workspace, url]
    assert second["next_cursor"] is None
    assert (await ada.call("GET", url)).json() == renamed.json()


def test_events_parse_as_json() -> None:
    assert events(': x\n\nevent: a\nid: 1\ndata: {"b": 2}\n\n') == [(1, "a", json.loads('{"b": 2}'))]
