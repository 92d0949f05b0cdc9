"""A workspace with restricted collections in which everybody is asked about everything: nothing may show.

`Town` knows who may read what. It changes that at random, asks at random as everybody, over HTTP alone, and looks
through every answer for what that person may not read: ids and names of collections and documents, and words that
stand in one document only.
"""

import json
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx
from attrs import define, field, frozen

OK = 400  # statuses below it
STREAM = {"Accept": "text/event-stream"}


@define(eq=False)
class Shelf:
    """A collection."""

    id: str
    mark: str  # stands in its name
    is_restricted: bool
    readers: set[str] = field(factory=set)  # names of people


@define(eq=False)
class Paper:
    """A document; its mark stands in title, file name and text."""

    id: str
    mark: str
    shelf: Shelf


@frozen(eq=False)
class Person:
    """A member, and how to call the server as them, inside the workspace."""

    name: str
    id: str
    is_admin: bool
    call: Callable[..., Awaitable[httpx.Response]]


@define(eq=False)
class Town:
    """People, shelves, papers; `owner` is the first of the people. `settle` waits until all jobs are done."""

    people: list[Person]
    chance: random.Random
    settle: Callable[[], Awaitable[object]]
    shelves: list[Shelf] = field(factory=list)
    papers: list[Paper] = field(factory=list)
    gone: list[Paper] = field(factory=list)
    asked: list[tuple[Person, str, str]] = field(factory=list)  # who, conversation, answer
    rooms: list[str] = field(factory=list)
    number: int = 0
    probes: int = 0
    leaks: list[str] = field(factory=list)

    @property
    def owner(self) -> Person:
        """Who changes everything."""
        return self.people[0]

    def may_read(self, person: Person, shelf: Shelf) -> bool:
        """As the rules say."""
        return person.is_admin or not shelf.is_restricted or person.name in shelf.readers

    async def begin(self, *, restricted: int = 3, papers: int = 2) -> None:
        """Shelves with papers, and rooms."""
        for number in range(restricted + 1):
            mark = self._mark()
            kind = "restricted" if number else "workspace"
            made = await self._done("POST", "collections", json={"name": f"Shelf {mark}", "visibility": kind})
            self.shelves.append(Shelf(made["id"], mark, is_restricted=bool(number)))
            for _ in range(papers):
                await self.upload(self.shelves[-1])
        self.rooms = [(await self._done("POST", "rooms", json={"name": f"Room {n}"}))["id"] for n in range(2)]
        await self.settle()

    async def step(self) -> None:
        """One change, then questions of all kinds by somebody."""
        await self.chance.choice([self.list_or_unlist, self.open_or_close, self.move, self.replace, self.ask])()
        person = self.chance.choice(self.people)
        for probe in self.chance.sample([self.lists, self.search, self.by_id, self.earlier, self.others], 3):
            await probe(person)

    # what changes

    async def upload(self, shelf: Shelf) -> None:
        """Another paper."""
        mark = self._mark()
        text = f"The heron of {mark} stands in the reeds of pond {self.number}, and the word is word{mark}."
        form = {"collection_id": shelf.id, "title": f"Title {mark}", "tags": ["heron", f"tag{mark}"]}
        made = await self._done("POST", "documents", files={"file": (f"{mark}.txt", text.encode())}, data=form)
        self.papers.append(Paper(made["id"], mark, shelf))

    async def list_or_unlist(self) -> None:
        """Somebody may read a shelf from now on, or not any more."""
        shelf = self.chance.choice(self.shelves)
        person = self.chance.choice(self.people[1:])
        method = "DELETE" if person.name in shelf.readers else "PUT"
        await self._done(method, f"collections/{shelf.id}/members/{person.id}")
        shelf.readers ^= {person.name}

    async def open_or_close(self) -> None:
        """A shelf for everybody, or for its readers alone."""
        shelf = self.chance.choice(self.shelves)
        shelf.is_restricted = not shelf.is_restricted
        kind = "restricted" if shelf.is_restricted else "workspace"
        await self._done("PATCH", f"collections/{shelf.id}", json={"visibility": kind})

    async def move(self) -> None:
        """A paper to another shelf."""
        paper, shelf = self.chance.choice(self.papers), self.chance.choice(self.shelves)
        await self._done("PATCH", f"documents/{paper.id}", json={"collection_id": shelf.id})
        paper.shelf = shelf
        if self.chance.random() < 0.5:
            await self.settle()

    async def replace(self) -> None:
        """A paper goes and another one comes."""
        paper = self.papers.pop(self.chance.randrange(len(self.papers)))
        await self._done("DELETE", f"documents/{paper.id}")
        self.gone.append(paper)
        await self.upload(self.chance.choice(self.shelves))
        await self.settle()

    async def ask(self) -> None:
        """Somebody asks for an answer, and sees it being written."""
        person = self.chance.choice(self.people)
        conversation = (await person.call("POST", "conversations", json={})).json()["id"]
        filters = {"document_ids": self._some_papers()} if self.chance.random() < 0.3 else {}
        answer = await person.call(
            "POST",
            f"conversations/{conversation}/messages",
            json={"content": "Where does the heron stand?", "filters": filters},
            headers=STREAM,
        )
        self._check(person, answer)
        created = next(line for line in answer.text.splitlines() if line.startswith("data:"))
        self.asked.append((person, conversation, json.loads(created[5:])["message"]["id"]))

    # what is asked

    async def lists(self, person: Person) -> None:
        """Exactly what they may read, and counted so."""
        listed = self._check(person, await person.call("GET", "documents", params={"limit": 200}))
        expected = {paper.id for paper in self.papers if self.may_read(person, paper.shelf)}
        if {each["id"] for each in listed["items"]} != expected:
            self.leaks.append(f"{person.name} is listed {len(listed['items'])} documents of {len(expected)}")
        shelves = self._check(person, await person.call("GET", "collections", params={"limit": 200}))
        counted = {each["id"]: each["document_count"] for each in shelves["items"]}
        for shelf in self.shelves:
            count = sum(paper.shelf is shelf for paper in self.papers)
            if counted.get(shelf.id) != (count if self.may_read(person, shelf) else None):
                self.leaks.append(f"{person.name} is told {counted.get(shelf.id)} of {count} in {shelf.mark}")
        paper = self.chance.choice(self.papers)
        for narrowed in ({"q": paper.mark}, {"tag": f"tag{paper.mark}"}, {"collection_id": paper.shelf.id}):
            self._check(person, await person.call("GET", "documents", params=narrowed))

    async def search(self, person: Person) -> None:
        """By filters that name what they may not read."""
        paper = self.chance.choice(self.papers)
        narrowed: dict[str, list[str]] = {
            "collection_ids": [shelf.id for shelf in self.chance.sample(self.shelves, 2)],
            "document_ids": self._some_papers(),
            "tags": ["heron", f"tag{paper.mark}"],
            "media_types": ["text/plain"],
        }
        filters = {name: values for name, values in narrowed.items() if self.chance.random() < 0.3}
        body = {
            "query": self.chance.choice(["heron reeds", f"word{paper.mark}", f'"word{paper.mark}"', paper.mark]),
            "mode": self.chance.choice(["hybrid", "semantic", "keyword"]),
            "limit": 100,
            "filters": filters,
        }
        self._check(person, await person.call("POST", "search", json=body))

    async def by_id(self, person: Person) -> None:
        """A document and all that belongs to it."""
        paper = self.chance.choice([*self.papers, *self.gone[-3:]])
        allowed = paper in self.papers and self.may_read(person, paper.shelf)
        at = f"documents/{paper.id}"
        for path in (at, f"{at}/chunks", f"{at}/content", f"{at}/events", f"collections/{paper.shelf.id}"):
            answer = await person.call("GET", path)
            self._check(person, answer)
            if path == at and (answer.status_code < OK) != allowed:
                self.leaks.append(f"{person.name} got {answer.status_code} for a document of {paper.shelf.mark}")
        for method, path, body in (
            ("PATCH", at, {"title": "Mine"}),
            ("POST", "conversations", {"collection_ids": [paper.shelf.id]}),
            ("GET", f"{at}/pages/1", None),
            ("GET", f"{at}/erasure", None),
        ):
            if not (method == "PATCH" and allowed):
                self._check(person, await person.call(method, path, **({"json": body} if body else {})))

    async def earlier(self, person: Person) -> None:
        """Answers from when they may have been allowed more: the text is theirs, what it cites is not."""
        own = [each for each in self.asked if each[0] is person]
        if not own:
            return
        _, conversation, answer = self.chance.choice(own)
        for path in (
            f"messages/{answer}",
            f"messages/{answer}/stream",
            f"conversations/{conversation}/messages",
            f"conversations/{conversation}/export?format=json",
        ):
            self._check(person, await person.call("GET", path), words=False)

    async def others(self, person: Person) -> None:
        """Rooms, usage, the log, and others' answers."""
        for room in self.rooms:
            events = await person.call("GET", f"rooms/{room}/events", params={"limit": 200})
            self._check(person, events, ids=False)  # they were told of these documents when they might read them
        for path in ("rooms", "usage", "audit-log", "members"):
            self._check(person, await person.call("GET", path))
        # the collections that a conversation was narrowed to are the asker's own words
        self._check(person, await person.call("GET", "conversations"), ids=False)
        for asker, _, answer in self.asked[-2:]:
            if asker is not person:
                self._check(person, await person.call("GET", f"messages/{answer}"))

    def hidden(self, person: Person, *, words: bool = True, ids: bool = True) -> Iterable[str]:
        """What no answer to them may hold."""
        for shelf in self.shelves:
            if not self.may_read(person, shelf):
                yield f"Shelf {shelf.mark}"
                yield from [shelf.id] if ids else []
        for paper in self.papers:
            if not self.may_read(person, paper.shelf):
                yield from (f"Title {paper.mark}", f"{paper.mark}.txt")
                yield from [paper.id] if ids else []
                yield from [paper.mark] if words else []

    def _check(self, person: Person, answer: httpx.Response, *, words: bool = True, ids: bool = True) -> Any:
        self.probes += 1
        if shown := [each for each in self.hidden(person, words=words, ids=ids) if each in answer.text]:
            request = answer.request
            self.leaks.append(f"{person.name} saw {shown} by {request.method} {request.url} {request.content[:200]!r}")
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return answer.json() if is_json else None

    def _some_papers(self) -> list[str]:
        return [paper.id for paper in self.chance.sample(self.papers, min(4, len(self.papers)))]

    def _mark(self) -> str:
        self.number += 1
        return f"qz{self.number}zq"

    async def _done(self, method: str, path: str, **more: Any) -> Any:
        answer = (await self.owner.call(method, path, **more)).raise_for_status()
        return answer.json() if answer.content else None
