"""The application on fakes behind a real socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from attrs import define, field, frozen

from application.authentication import Identity
from application.use_cases import Policy, UseCases
from domain.access import Actor, Role
from domain.ids import UserId
from domain.rooms import Room
from domain.workspaces import Visibility
from entrypoints.http.app import create_app
from entrypoints.websocket.endpoint import LiveEndpoint
from entrypoints.websocket.protocol import RoomsProtocol
from tests.contracts.units import make_membership
from tests.fakes.assembly import Assembly

PASSWORD = "correct horse battery"


@frozen
class StandInSettings:
    max_upload_bytes: int = 1000
    allowed_origins: tuple[str, ...] = ("https://app.example.org",)


@define
class StandInContainer:
    assembly: Assembly

    def use_cases(self) -> UseCases:
        return self.assembly.use_cases

    def settings(self) -> StandInSettings:
        return StandInSettings()

    def health(self) -> Mapping[str, Any]:
        return {}

    def needed_engines(self) -> frozenset[str]:
        return frozenset()


class QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@frozen
class Person:
    """Somebody who is logged in."""

    user_id: UserId
    token: str
    refresh_token: str
    identity: Identity


@define
class House:
    """A server, its fakes, and the people of one workspace."""

    assembly: Assembly
    live: LiveEndpoint
    url: str
    http_url: str
    _people: dict[str, Person] = field(factory=dict)

    @property
    def use_cases(self) -> UseCases:
        return self.assembly.use_cases

    async def person(self, name: str) -> Person:
        if name not in self._people:
            email = f"{name}-{uuid4().hex}@example.org"
            await self.use_cases.create_user(email=email, password=PASSWORD, name=name)
            self._people[name] = await self.log_in(email)
        return self._people[name]

    async def log_in(self, email: str) -> Person:
        pair = await self.use_cases.log_in(email=email, password=PASSWORD)
        identity = await self.use_cases.authenticate(pair.access_token)
        return Person(identity.user_id, pair.access_token, pair.refresh_token, identity)

    async def actor(self, name: str = "ada") -> Actor:
        """In their own workspace."""
        person = await self.person(name)
        profile = await self.use_cases.show_profile(person.identity)
        [own] = [of.workspace.id for of in profile.workspaces if of.role is Role.OWNER]
        return await self.use_cases.enter_workspace(person.identity, own)

    async def room(self, visibility: Visibility = Visibility.WORKSPACE) -> Room:
        """A room of Ada's workspace."""
        return await self.use_cases.create_room(await self.actor(), name="Reading", visibility=visibility)

    async def invite(self, name: str, role: Role = Role.EDITOR) -> Person:
        """Somebody else, as a member of Ada's workspace."""
        person, host = await self.person(name), await self.actor()
        async with self.assembly.begin(None) as work:
            await work.workspaces.add_member(make_membership(host.workspace_id, person.user_id, role))
            await work.commit()
        return person


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with serving(Assembly(root=tmp_path / "files", policy=Policy())) as opened:
        yield opened


@contextlib.asynccontextmanager
async def serving(assembly: Assembly) -> AsyncIterator[House]:
    app = create_app(StandInContainer(assembly))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws=RoomsProtocol,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_max_size=1024 * 1024,
        timeout_graceful_shutdown=2,
    )
    server = QuietServer(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        port = listening.getsockname()[1]
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 uvicorn sets a flag
                await asyncio.sleep(0.01)
        yield House(assembly, app.state.live, f"ws://127.0.0.1:{port}/v1/ws", f"http://127.0.0.1:{port}")
        server.should_exit = True
        await task
    await assembly.use_cases.answer_runs.close()
