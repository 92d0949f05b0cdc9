"""Clients that come back, as those of the documentation do, and check what they are told."""

import asyncio
import contextlib
import itertools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

from attrs import define, field

from benchmarks.rooms.wire import Client


class Address(Protocol):
    """Where a server listens."""

    @property
    def port(self) -> int:
        """On this machine."""
        ...


class Place(Protocol):
    """The servers that serve one installation, and a token for all of them."""

    @property
    def servers(self) -> Mapping[str, Address]:
        """By name."""
        ...

    @property
    def token(self) -> str:
        """Of somebody who may write."""
        ...


@define(eq=False)
class Reader:
    """Comes back after every loss with `since`, as clients should, and checks each number."""

    place: Place
    room: str
    servers: tuple[str, ...]  # the one that is tried first, and the other
    seen: int = 0
    epoch: str = ""
    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    turned_away: int = 0  # tries to connect that failed
    comebacks: int = -1
    client: Client | None = None
    codes: Counter[int] = field(factory=Counter)  # with which connections were closed
    bodies: dict[int, str] = field(factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """The next event."""
        if event["seq"] <= self.seen:
            self.repeated += 1
        else:
            self.lost += event["seq"] - self.seen - 1
            self.seen = event["seq"]
            self.bodies[event["seq"]] = event["client_msg_id"]

    def heard(self, client: Client, line: bytes) -> None:
        """A push; those of a connection that was given up do not count."""
        if client is self.client and line.startswith(b'{"type":"publication"'):
            self.take(json.loads(line))
        elif client is self.client and line.startswith(b'{"type":"room_left"'):
            client.wire.abort()

    async def run(self) -> None:
        """Until it is cancelled."""
        attempt = 0
        while True:
            with contextlib.suppress(OSError, ConnectionError, RuntimeError, TimeoutError):
                await self._once(self.servers[attempt % len(self.servers)])
            attempt += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 jitter

    async def _once(self, name: str) -> None:
        client = self.client = Client(self._before)
        try:
            joined = await self._join(client, name)
            client.pushed = self.heard
            if not self.epoch:
                self.epoch, self.seen = joined["epoch"], joined["seq"]
            elif not joined["recovered"]:
                self.wrong += 1
            for event in joined["publications"]:
                self.take(event)
            self.comebacks += 1
            for line in self._early:
                self.heard(client, line)
            self._early.clear()
            self.codes[await client.wire.closed] += 1
        finally:
            self._early.clear()
            client.close()

    async def _join(self, client: Client, name: str) -> Any:
        since = {"since": {"seq": self.seen, "epoch": self.epoch}} if self.epoch else {}
        try:
            async with asyncio.timeout(10):
                await client.open(self.place.servers[name].port, self.place.token)
                return await client.ask("join", room_id=self.room, **since)
        except (OSError, RuntimeError, TimeoutError):
            self.turned_away += 1
            raise

    _early: list[bytes] = field(factory=list)

    def _before(self, _: Client, line: bytes) -> None:
        """What is pushed in the step in which the reply comes."""
        self._early.append(line)


@define(eq=False)
class Writer:
    """Sends each message again under its id until it is answered."""

    place: Place
    rooms: list[str]
    servers: tuple[str, ...]
    published: dict[str, dict[int, str]]
    pause: float = 0.1  # seconds between two messages
    again_every: int = 0  # so many messages, one is sent twice
    wrong: int = 0  # answers that contradict an earlier one
    retries: int = 0
    refused: int = 0  # of these the ones that were answered by an error
    repeats: int = 0
    is_done: bool = False  # set from outside: this message was the last one
    _client: Client | None = None
    _attempt: int = 0

    async def run(self, until: float = math.inf, *, count: int | None = None) -> None:
        """One message after the other, until that time or so many."""
        for number in itertools.count(1):
            room, client_msg_id = random.choice(self.rooms), str(uuid4())  # noqa: S311 any
            reply = await self._publish(room, client_msg_id)
            known = self.published[room].setdefault(reply["seq"], client_msg_id)
            self.wrong += known != client_msg_id
            if self.again_every and number % self.again_every == 0:
                again = await self._publish(room, client_msg_id)
                self.repeats += 1
                self.wrong += (again["seq"], again["duplicate"]) != (reply["seq"], True)
            if self.is_done or number == count or time.monotonic() >= until:
                break
            await asyncio.sleep(self.pause)
        self._let_go()

    async def _publish(self, room: str, client_msg_id: str) -> Any:
        while True:
            try:
                async with asyncio.timeout(10):
                    if self._client is None:
                        server = self.place.servers[self.servers[self._attempt % len(self.servers)]]
                        self._client = await Client(lambda *_: None).open(server.port, self.place.token)
                    return await self._client.publish(room, {"pad": "x" * 100}, client_msg_id)
            except RuntimeError:  # refused: there is no other place to try
                self.refused += 1
            except (OSError, ConnectionError, TimeoutError):
                self._let_go()
                self._attempt += 1
            self.retries += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 jitter

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def check(
    readers: Sequence[Reader], writers: Sequence[Writer], published: Mapping[str, Mapping[int, str]]
) -> dict[str, int]:
    """What went wrong, which is to be nothing at all."""
    heads = {room: max(seqs, default=0) for room, seqs in published.items()}
    return {
        "lost": sum(reader.lost + max(0, heads[reader.room] - reader.seen) for reader in readers),
        "repeated": sum(reader.repeated for reader in readers),
        "reordered": sum(_others(reader, published[reader.room]) for reader in readers),
        "answered_with_another_number": sum(writer.wrong for writer in writers),
        "not_recovered": sum(reader.wrong for reader in readers),
        "rooms_with_gaps": sum(set(seqs) != set(range(1, heads[room] + 1)) for room, seqs in published.items()),
    }


def _others(reader: Reader, published: Mapping[int, str]) -> int:
    """Events that stand elsewhere than their writer was told."""
    return sum(published.get(seq, body) != body for seq, body in reader.bodies.items())
