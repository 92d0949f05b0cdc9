"""What `ingest`, `search` and `ask` talk to: the use cases in this process, or a running server.

Both speak the shapes of the HTTP interface, so that a command prints the same whichever it talks to.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import httpx
from attrs import define, frozen

from application.knowledge import SearchFilters
from application.ports.document_repositories import DocumentQuery
from application.use_cases import UseCases
from domain.access import Actor
from domain.errors import NotFound
from domain.ids import CollectionId, ConversationId, DocumentId, MessageId
from domain.passages import SearchMode
from entrypoints.cli.following import FollowedAnswer, ServerFailed, refusal
from entrypoints.http.document_resources import document_view, result_view

PIECE: Final = 256 * 1024  # bytes read at a time
PAGE: Final = 200  # documents of one name looked through at a time
SOURCE: Final = "source"  # metadata key: the path that a document was ingested from

Json = dict[str, Any]


@frozen(kw_only=True)
class Uploaded:
    """What came of handing a file over; `changed` is False when it was there already."""

    document: Json
    changed: bool


class Backend(Protocol):
    """Where documents go and answers come from."""

    async def collection(self, name: str, *, create: bool = False) -> str:
        """The id of the collection with that name (or id); `NotFound` where there is none and none is to be made."""
        ...

    async def upload(self, path: Path, *, collection_id: str | None) -> Uploaded:
        """Hand a file over: new, as a new revision of what came from the same path, or not at all if unchanged."""
        ...

    async def document(self, document_id: str) -> Json:
        """The present state."""
        ...

    async def search(self, query: str, *, limit: int, mode: SearchMode, collection_id: str | None) -> Json:
        """`{results, mode}`."""
        ...

    def ask(
        self, question: str, *, collection_id: str | None, conversation: str | None
    ) -> AsyncIterator[tuple[str, Json]]:
        """The events of the answer's stream: name and data."""
        ...


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """A file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def came_from(candidates: Sequence[Json], path: Path) -> Json | None:
    """The document that was ingested from this path, if there is one."""
    return next((d for d in candidates if d["metadata"].get(SOURCE) == str(path)), None)


@define(kw_only=True)
class LocalBackend:
    """The use cases in this process."""

    use_cases: UseCases
    actor: Actor

    async def collection(self, name: str, *, create: bool = False) -> str:
        """See `Backend`."""
        try:
            return str((await self.use_cases.find_collection(self.actor, name=name)).id)
        except NotFound:
            if not create:
                raise
        made = (await self.use_cases.create_collection(self.actor, name=name)).collection
        self.actor = self.actor.with_collection(made.id)
        return str(made.id)

    async def upload(self, path: Path, *, collection_id: str | None) -> Uploaded:
        """See `Backend`."""
        known = await self._known(path, collection_id)
        if known is not None and known["sha256"] == digest(path):
            return Uploaded(document=known, changed=False)
        if known is not None:
            revised = await self.use_cases.revise_document(
                self.actor, document_id=DocumentId(UUID(known["id"])), content=pieces(path), filename=path.name
            )
            return Uploaded(document=document_view(revised), changed=True)
        receipt = await self.use_cases.upload_document(
            self.actor,
            content=pieces(path),
            filename=path.name,
            collection_id=_id(collection_id),
            metadata={SOURCE: str(path)},
        )
        return Uploaded(document=document_view(receipt.document), changed=receipt.created)

    async def _known(self, path: Path, collection_id: str | None) -> Json | None:
        """What was ingested from this path: of a thousand files called README.md as well."""
        query = DocumentQuery(
            readable=self.actor.readable_collections, collection_id=_id(collection_id), text=path.name
        )
        after: DocumentId | None = None
        while True:
            page = await self.use_cases.list_documents(self.actor, query=query, limit=PAGE, after=after)
            known = came_from([document_view(document) for document in page], path)
            if known is not None or len(page) < PAGE:
                return known
            after = page[-1].id

    async def document(self, document_id: str) -> Json:
        """See `Backend`."""
        shown = await self.use_cases.show_document(self.actor, document_id=DocumentId(UUID(document_id)))
        return document_view(shown)

    async def search(self, query: str, *, limit: int, mode: SearchMode, collection_id: str | None) -> Json:
        """See `Backend`."""
        outcome = await self.use_cases.search(
            self.actor,
            query=query,
            limit=limit,
            mode=mode,
            filters=SearchFilters(collection_ids=frozenset({chosen}) if (chosen := _id(collection_id)) else None),
        )
        return {"results": [result_view(passage) for passage in outcome.passages], "mode": outcome.mode.value}

    async def ask(
        self, question: str, *, collection_id: str | None, conversation: str | None
    ) -> AsyncIterator[tuple[str, Json]]:
        """See `Backend`. Leaving the iterator early cancels the answer."""
        events = await self.use_cases.ask(
            self.actor,
            question=question,
            collection_ids=(chosen,) if (chosen := _id(collection_id)) else (),
            conversation_id=None if conversation is None else ConversationId(UUID(conversation)),
        )
        message_id: MessageId | None = None
        try:
            async for event in events:
                if event.name == "message.created":
                    message_id = MessageId(UUID(event.data["message"]["id"]))
                if event.is_last:
                    message_id = None
                yield event.name, dict(event.data)
        finally:
            if message_id is not None:
                await self.use_cases.cancel_answer(self.actor, message_id=message_id)


def _id(collection_id: str | None) -> CollectionId | None:
    return None if collection_id is None else CollectionId(UUID(collection_id))


@frozen(kw_only=True)
class ServerBackend:
    """A running server, over HTTP."""

    client: httpx.AsyncClient
    workspace_id: str

    @classmethod
    async def connect(cls, client: httpx.AsyncClient, *, workspace: str | None) -> "ServerBackend":
        """Find the workspace: the one named by id or name, else the only or first one of the credential."""
        me = await _json(client.get("/v1/me"))
        fitting = [w for w in me["workspaces"] if workspace in {None, w["id"], w["name"]}]
        if not fitting:
            raise NotFound(f"This credential belongs to no workspace called {workspace!r}.")
        return cls(client=client, workspace_id=fitting[0]["id"])

    @property
    def _base(self) -> str:
        return f"/v1/workspaces/{self.workspace_id}"

    async def collection(self, name: str, *, create: bool = False) -> str:
        """See `Backend`."""
        cursor: str | None = None
        while True:
            params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = await _json(self.client.get(f"{self._base}/collections", params=params))
            for collection in page["items"]:
                if name in {collection["name"], collection["id"]}:
                    return str(collection["id"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        if not create:
            raise NotFound(f"There is no collection called {name!r}.")
        return str((await _json(self.client.post(f"{self._base}/collections", json={"name": name})))["id"])

    async def upload(self, path: Path, *, collection_id: str | None) -> Uploaded:
        """See `Backend`."""
        known = await self._known(path, collection_id)
        if known is not None and known["sha256"] == digest(path):
            return Uploaded(document=known, changed=False)
        with path.open("rb") as file:
            form = {"metadata": json.dumps({SOURCE: str(path)})} | (
                {"collection_id": collection_id} if collection_id else {}
            )
            if known is not None:
                url = f"{self._base}/documents/{known['id']}/content"
                response = await self.client.put(url, files={"file": (path.name, file)})
            else:
                response = await self.client.post(
                    f"{self._base}/documents", data=form, files={"file": (path.name, file)}
                )
        return Uploaded(document=_checked(response), changed=response.status_code == httpx.codes.ACCEPTED)

    async def _known(self, path: Path, collection_id: str | None) -> Json | None:
        """What was ingested from this path."""
        query = {"q": path.name, "limit": str(PAGE)} | ({"collection_id": collection_id} if collection_id else {})
        while True:
            page = await _json(self.client.get(f"{self._base}/documents", params=query))
            known = came_from(page["items"], path)
            if known is not None or page["next_cursor"] is None:
                return known
            query["cursor"] = page["next_cursor"]

    async def document(self, document_id: str) -> Json:
        """See `Backend`."""
        return await _json(self.client.get(f"{self._base}/documents/{document_id}"))

    async def search(self, query: str, *, limit: int, mode: SearchMode, collection_id: str | None) -> Json:
        """See `Backend`."""
        body: Json = {"query": query, "limit": limit, "mode": mode.value}
        if collection_id is not None:
            body["filters"] = {"collection_ids": [collection_id]}
        return await _json(self.client.post(f"{self._base}/search", json=body))

    async def ask(
        self, question: str, *, collection_id: str | None, conversation: str | None
    ) -> AsyncIterator[tuple[str, Json]]:
        """See `Backend`. Leaving the iterator early cancels the answer."""
        if conversation is None:
            body: Json = {} if collection_id is None else {"collection_ids": [collection_id]}
            conversation = (await _json(self.client.post(f"{self._base}/conversations", json=body)))["id"]
        async for event in FollowedAnswer(client=self.client, workspace=self._base)(conversation, question):
            yield event


async def _json(call: Any) -> Json:
    try:
        return _checked(await call)
    except httpx.HTTPError as error:
        raise ServerFailed(f"The server does not answer: {error or type(error).__name__}") from error


def _checked(response: httpx.Response) -> Json:
    if response.is_error:
        raise refusal(response)
    parsed: Json = response.json()
    return parsed
