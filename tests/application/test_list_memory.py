"""Lists are remembered for those who may read the same, and never shown from before a change."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from attrs import define, evolve

from adapters.system import SystemClock, Uuid7Ids
from application.list_memory import KEPT, PATIENCE, ListMemory
from application.ports.document_repositories import DocumentQuery
from domain.access import Action, Actor, Scope
from domain.errors import Forbidden
from domain.ids import CollectionId
from tests.application.conftest import bytes_of, member, upload
from tests.fakes.assembly import Assembly
from tests.fakes.cache import FakeCache

READ = Action.DOCUMENT_READ
ABOUT = ("documents", 50)


@define
class Watch:
    """A clock that somebody sets."""

    time: datetime

    def now(self) -> datetime:
        return self.time


@define
class Names:
    """Makes the list of an actor's documents by name, and counts how often it had to."""

    assembly: Assembly
    asked: int = 0
    before_it_returns: Callable[[], Awaitable[object]] | None = None

    async def of(self, actor: Actor) -> bytes:
        return await self.assembly.use_cases.lists.recall(actor, READ, ABOUT, lambda: self.make(actor))

    async def make(self, actor: Actor) -> bytes:
        self.asked += 1
        query = DocumentQuery(readable=actor.readable_collections)
        found = await self.assembly.use_cases.list_documents(actor, query=query, limit=50)
        if self.before_it_returns is not None:
            await self.before_it_returns()
        return ",".join(document.filename for document in found).encode()


@pytest.fixture
def names(assembly: Assembly) -> Names:
    return Names(assembly)


async def test_what_is_remembered_is_not_for_keys_without_the_scope(ann: Actor, names: Names) -> None:
    """They may read the same collections, but not read."""
    await names.of(ann)

    with pytest.raises(Forbidden):
        await names.of(evolve(ann, scopes=frozenset({Scope.CHAT})))


async def test_the_database_is_asked_once_until_something_changes(assembly: Assembly, ann: Actor, names: Names) -> None:
    """Uploads, readings and deletions are seen by the next who asks."""
    assert [b"", b""] == [await names.of(ann), await names.of(ann)]
    assert names.asked == 1

    document = await upload(assembly, ann, "A heron.", "heron.txt")
    assert [b"heron.txt", b"heron.txt"] == [await names.of(ann), await names.of(ann)]
    assert names.asked == 2

    await assembly.use_cases.delete_document(ann, document_id=document.id)
    assert await names.of(ann) == b""


async def test_workspaces_and_questions_are_remembered_apart(assembly: Assembly, ann: Actor, names: Names) -> None:
    """A change in one workspace leaves the others' lists alone; another question is another list."""
    ben = await member(assembly, "ben@example.org")

    async def ready_ones() -> bytes:
        return b"ready ones"

    assert await assembly.use_cases.lists.recall(ann, READ, (*ABOUT, "ready"), ready_ones) == b"ready ones"
    assert await names.of(ann) == b""
    await upload(assembly, ben, "An otter.", "otter.txt")
    assert await names.of(ann) == b""
    assert names.asked == 1
    assert await names.of(ben) == b"otter.txt"


async def test_who_may_read_less_is_not_shown_the_list_of_who_may_read_more(
    assembly: Assembly, ann: Actor, names: Names
) -> None:
    """The collections that somebody may read are part of the question."""
    await upload(assembly, ann, "A heron.", "heron.txt")
    assert await names.of(ann) == b"heron.txt"

    shut_out = evolve(ann, readable_collections=frozenset[CollectionId]())
    assert await names.of(shut_out) == b""
    assert await names.of(ann) == b"heron.txt"
    assert names.asked == 2


async def test_a_list_that_was_made_while_something_changed_is_not_remembered(
    assembly: Assembly, ann: Actor, names: Names
) -> None:
    """The change was committed after the database was asked and before the list was kept."""

    async def meanwhile() -> None:
        names.before_it_returns = None
        await assembly.use_cases.upload_document(ann, content=bytes_of("A heron."), filename="heron.txt")

    names.before_it_returns = meanwhile

    assert await names.of(ann) == b""
    assert await names.of(ann) == b"heron.txt"


async def test_word_that_is_lost_makes_a_list_old_for_seconds_only(ann: Actor, assembly: Assembly) -> None:
    """A process died between its commit and its word."""
    watch = Watch(SystemClock().now())
    lists = ListMemory(FakeCache(watch), assembly.begin, Uuid7Ids())
    told = iter([b"old", b"new"])

    async def make() -> bytes:
        return next(told)

    assert [b"old", b"old"] == [
        await lists.recall(ann, READ, ABOUT, make),
        await lists.recall(ann, READ, ABOUT, make),
    ]
    watch.time += KEPT
    assert await lists.recall(ann, READ, ABOUT, make) == b"new"
    assert timedelta(seconds=2) >= KEPT


async def test_without_the_cache_every_list_is_made(assembly: Assembly, ann: Actor, names: Names) -> None:
    """An outage costs time only."""
    await names.of(ann)
    assembly.cache.is_down = True
    await upload(assembly, ann, "A heron.", "heron.txt")

    assert [b"heron.txt", b"heron.txt"] == [await names.of(ann), await names.of(ann)]
    assert names.asked == 3


class Hanging(FakeCache):
    """Takes questions and never answers."""

    asked = 0

    async def get(self, key: str) -> bytes | None:
        self.asked += 1
        await asyncio.Event().wait()
        return await super().get(key)

    async def delete(self, *keys: str) -> None:
        await asyncio.Event().wait()


async def test_a_cache_that_hangs_is_waited_for_once(ann: Actor, assembly: Assembly) -> None:
    """Neither lists nor changes wait for long, and lists not again at once."""
    cache = Hanging(SystemClock())
    lists = ListMemory(cache, assembly.begin, Uuid7Ids())

    async def make() -> bytes:
        return b"made"

    async with asyncio.timeout(PATIENCE * 5):
        assert {b"made"} == {await lists.recall(ann, READ, ABOUT, make) for _ in range(20)}
        await lists.changed(ann.workspace_id)
    assert cache.asked == 1
