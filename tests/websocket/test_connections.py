"""Who may connect, what a connection owes, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from websockets.exceptions import InvalidStatus

from application.use_cases import Policy
from domain.access import Role, Scope
from domain.workspaces import Visibility
from entrypoints.websocket import connection as connections
from entrypoints.websocket import hub as hubs
from entrypoints.websocket.errors import CloseCode
from entrypoints.websocket.frames import TokenExpiring
from tests.fakes.assembly import Assembly
from tests.fakes.database import MEMBERSHIPS
from tests.websocket.client import connected, connection
from tests.websocket.conftest import PASSWORD, House, serving


@pytest.fixture
async def brief(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose tokens are good for three seconds."""
    async with serving(Assembly(root=tmp_path, policy=Policy(access_ttl=timedelta(seconds=3)))) as opened:
        yield opened


async def test_connecting(house: House) -> None:
    """With a token in the first frame or in the upgrade's header, or with a ticket, once."""
    ada = await house.person("ada")
    async with connection(house.url) as client:
        reply = await client.ask("connect", token=ada.token, client_id="a browser")
        again = await client.refused("connect", token=ada.token)
    async with connection(house.url, additional_headers={"Authorization": f"Bearer {ada.token}"}) as client:
        by_header = await client.ask("connect")

    ticket = await house.use_cases.issue_ticket(ada.identity)
    for expected in ("connected", "error"):
        async with connection(house.url) as client:
            assert (await client.ask("connect", ticket=ticket.secret))["type"] == expected

    assert reply["user"] == by_header["user"] == {"id": str(ada.user_id), "name": "ada"}
    assert reply["token_expires_at"].endswith("Z")
    assert (reply["ping_interval_ms"], reply["pong_timeout_ms"], reply["max_frame_bytes"]) == (25_000, 10_000, 2**20)
    assert again == 107


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_token_that_is_not_good(house: House, *, by_header: bool) -> None:
    """Error 101, then 4500: the same token will not do later either."""
    headers = {"Authorization": "Bearer nonsense"} if by_header else {}
    async with connection(house.url, additional_headers=headers) as client:
        if not by_header:
            assert await client.refused("connect", token="nonsense") == 101
        code = await client.closed()

    assert client.order[0]["error"]["code"] == 101
    assert code == 4500


async def test_the_first_frame_is_connect(house: House) -> None:
    """Anything else is refused and closes with 4501."""
    async with connection(house.url) as client:
        assert await client.refused("join", room_id="0f0d8c1e-6b0e-4c7a-9a36-0f6f3f0a9d11") == 101
        assert await client.closed() == 4501


async def test_nobody_connects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket on which nobody says who they are is closed with 4502."""
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    async with connection(house.url) as client:
        assert await client.closed() == 4502


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("https://app.example.org", True),
        ("https://evil.example.org", False),
        ("null", False),
        (None, True),
        ("same", True),
    ],
)
async def test_origins(house: House, origin: str | None, *, is_taken: bool) -> None:
    """Pages of foreign origins are refused before anything is said."""
    given = house.http_url if origin == "same" else origin
    if is_taken:
        async with connection(house.url, origin=given):
            pass
    else:
        with pytest.raises(InvalidStatus) as refused:
            async with connection(house.url, origin=given):
                pass
        assert refused.value.response.status_code == 403


async def test_another_subprotocol(house: House) -> None:
    """Who does not speak `rooms.v1` is refused."""
    with pytest.raises(InvalidStatus):
        async with connection(house.url, subprotocols=["rooms.v9"]):
            pass


BAD: list[tuple[str, int, int | None]] = [
    ("not json", 107, None),
    ("[]", 107, None),
    ('{"type": "join", "id": 5}', 107, 5),
    ('{"type": "leave", "room_id": "0f0d8c1e-6b0e-4c7a-9a36-0f6f3f0a9d11"}', 107, None),
    ('{"type": "fly", "id": 6}', 104, 6),
    ("[" * 5000, 107, None),
]


async def test_bad_frames(house: House) -> None:
    """Each is told what is wrong with it; the tenth in a minute ends the connection with 4501."""
    ada = await house.person("ada")
    async with connected(house.url, ada.token) as client:
        client._replies = {5: asyncio.Future(), 6: asyncio.Future()}
        for text, _, _ in BAD:
            await client.send_raw(text)
        await client.until(lambda client: len(client.order) == len(BAD) + 1)
        assert (await client.ask("refresh", token=ada.token))["type"] == "refreshed"
        for _ in range(3):
            await client.send_raw("{}")
        await client.socket.send(b"bytes")
        code = await client.closed()

    errors = [(frame["error"]["code"], frame.get("id")) for frame in client.order[1 : len(BAD) + 1]]
    assert errors == [(code, number) for _, code, number in BAD]
    assert client.of("disconnect")[0]["reconnect"] is False
    assert code == 4501


async def test_several_objects_in_one_frame(house: House) -> None:
    """A line each, done in their order; members that are not known are left aside."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as client:
        waiting = [asyncio.get_running_loop().create_future() for _ in range(2)]
        client._replies = dict(enumerate(waiting, start=50))
        lines = [
            {"type": "join", "id": 50, "room_id": room, "colour": "red"},
            {"type": "leave", "id": 51, "room_id": room},
        ]
        await client.send_raw("\n".join(json.dumps(line) for line in lines) + "\n")
        replies = await asyncio.gather(*waiting)

    assert [reply["type"] for reply in replies] == ["joined", "left"]


async def test_a_ping_that_is_not_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers stays; who does not is closed with 4012."""
    monkeypatch.setattr(connections, "PING_SECONDS", 0.2)
    monkeypatch.setattr(connections, "PONG_SECONDS", 0.5)
    ada = await house.person("ada")
    async with connected(house.url, ada.token) as alive, connected(house.url, ada.token) as dead:
        dead.answers_pings = False
        code = await dead.closed()
        await alive.until(lambda client: len(client.of("ping")) >= 2)

        assert code == 4012
        assert alive.close_code is None
        assert dead.of("disconnect")[0]["reconnect"] is True


async def test_without_its_mechanism_nobody_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of those around: with pings and the look at standing switched off, the dead and the revoked stay."""
    monkeypatch.setattr(connections, "PING_SECONDS", 0.2)
    monkeypatch.setattr(connections, "PONG_SECONDS", 0.2)
    monkeypatch.setattr(connections.Connection, "tick", lambda *_: None)

    async def nobody_looks(_: hubs.Hub) -> None:
        return

    monkeypatch.setattr(hubs.Hub, "check_standing", nobody_looks)
    ada, bob = await house.person("ada"), await house.person("bob")
    async with connected(house.url, ada.token) as dead, connected(house.url, bob.token) as revoked:
        dead.answers_pings = False
        await house.use_cases.log_out(bob.identity, refresh_token=bob.refresh_token)
        await asyncio.sleep(1.5)  # each would be gone by now

        assert (dead.close_code, revoked.close_code) == (None, None)


async def test_a_client_that_missed_something(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose positions fall behind what they were told before the ping comes back with `since`: 4010."""
    monkeypatch.setattr(connections, "PING_SECONDS", 0.2)
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as client:
        client.answers_pings = False
        await client.ask("join", room_id=room)
        await client.publish(room, 1)
        for position, expected in ((1, None), (0, 4010)):
            before = len(client.of("ping"))
            await client.until(lambda client, n=before: len(client.of("ping")) > n)  # type: ignore[misc]
            await client.send("pong", positions={room: position})
            if expected:
                assert await client.closed() == expected


async def test_a_token_that_expires(brief: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said ahead; who refreshes stays, who does not is closed with 4005 after the grace."""
    monkeypatch.setattr(connections, "WARN_SECONDS", 2.5)
    monkeypatch.setattr(connections, "GRACE_SECONDS", 0.5)
    ada = await brief.person("ada")
    async with connected(brief.url, ada.token) as one, connected(brief.url, ada.token) as two:
        await one.until(lambda client: client.of("token_expiring"))
        pair = await brief.use_cases.refresh_session(refresh_token=ada.refresh_token)
        await one.ask("refresh", token=pair.access_token)
        await one.until(lambda client: len(client.of("token_expiring")) == 2)
        pair = await brief.use_cases.refresh_session(refresh_token=pair.refresh_token)
        fresh = await one.ask("refresh", token=pair.access_token)
        code = await two.closed(8)

    assert fresh["type"] == "refreshed"
    assert 0 < two.of("token_expiring")[0]["in_ms"] <= 2500
    assert code == 4005


async def test_a_token_that_has_expired(tmp_path: Path) -> None:
    """Error 109 and 4005: unlike with a token that is wrong, they may come again with a fresh one."""
    policy = Policy(access_ttl=timedelta(minutes=-1))
    async with serving(Assembly(root=tmp_path / "files", policy=policy)) as late:
        await late.use_cases.create_user(email="ada@example.org", password=PASSWORD, name="ada")
        pair = await late.use_cases.log_in(email="ada@example.org", password=PASSWORD)
        async with connection(late.url) as client:
            assert await client.refused("connect", token=pair.access_token) == 109
            assert await client.closed() == 4005


async def test_refreshing_with_another_users_token(house: House) -> None:
    """Is refused; the connection goes on as it was."""
    ada, bob = await house.person("ada"), await house.person("bob")
    async with connected(house.url, ada.token) as client:
        assert await client.refused("refresh", token=bob.token) == 101
        assert (await client.ask("refresh", token=ada.token))["type"] == "refreshed"


async def test_a_revoked_session_ends_the_connection(house: House) -> None:
    """Within a second, without anybody telling this process."""
    ada = await house.person("ada")
    async with connected(house.url, ada.token) as client:
        await house.use_cases.log_out(ada.identity, refresh_token=ada.refresh_token)
        async with asyncio.timeout(1.2):
            code = await client.closed()

    assert code == 4500


async def test_a_revoked_key_ends_the_connection(house: House) -> None:
    """Programs with an API key are let go as people are."""
    actor = await house.actor()
    made = await house.use_cases.create_api_key(actor, name="Bot", scopes=frozenset({Scope.READ, Scope.CHAT}))
    async with connected(house.url, made.secret) as client:
        await client.ask("join", room_id=str((await house.room()).id))
        await house.use_cases.revoke_api_key(actor, key_id=made.key.id)
        code = await client.closed()

    assert code == 4500


async def test_a_lost_membership_ejects_from_the_room(house: House) -> None:
    """Within a second; other rooms and the connection go on, and the room is unknown from then on."""
    bob, host = await house.invite("bob"), await house.actor()
    room = str((await house.room()).id)
    own = await house.use_cases.create_room(await house.actor("bob"), name="Mine")
    async with connected(house.url, bob.token) as client:
        await client.ask("join", room_id=room)
        await client.ask("join", room_id=str(own.id))
        del house.assembly.begin.database.table(MEMBERSHIPS)[host.workspace_id, bob.user_id]
        async with asyncio.timeout(1.2):
            await client.until(lambda client: client.of("room_left"))
        refused = await client.refused("join", room_id=room)
        await client.publish(str(own.id), 1)
        await client.until(lambda client: client.seqs(str(own.id)))

    assert client.of("room_left") == [{"type": "room_left", "room_id": room, "code": 102}]
    assert refused == 102


async def test_a_restricted_room_lets_the_unlisted_go(house: House) -> None:
    """Also when the room was open before, and when it is deleted."""
    bob, actor = await house.invite("bob"), await house.actor()
    room, other = await house.room(), await house.room()
    async with connected(house.url, bob.token) as client:
        await client.ask("join", room_id=str(room.id))
        await client.ask("join", room_id=str(other.id))
        await house.use_cases.change_room(actor, room_id=room.id, visibility=Visibility.RESTRICTED)
        await house.use_cases.delete_room(actor, room_id=other.id)
        await client.until(lambda client: len(client.of("room_left")) == 2, 1.2)


async def test_a_lower_role_counts_at_once(house: House) -> None:
    """An editor who becomes a viewer goes on reading and writes no more."""
    bob, host = await house.invite("bob"), await house.actor()
    room = str((await house.room()).id)
    async with connected(house.url, bob.token) as client:
        await client.ask("join", room_id=room)
        assert (await client.publish(room, 1))["type"] == "published"
        table = house.assembly.begin.database.table(MEMBERSHIPS)
        key = host.workspace_id, bob.user_id
        table[key] = evolve(table[key], role=Role.VIEWER)
        await house.live.hub.check_standing()
        refused = await client.publish(room, 2)

    assert refused["error"]["code"] == 103
    assert client.seqs(room) == [1]


async def test_too_many_connections(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one user: 4504. Of the process: 4013. One that ends makes room."""
    monkeypatch.setattr(hubs, "MAX_PER_USER", 2)
    ada, bob = await house.person("ada"), await house.person("bob")
    async with connected(house.url, ada.token), connected(house.url, ada.token) as second:
        async with connection(house.url) as third:
            await third.send_raw(json.dumps({"type": "connect", "id": 1, "token": ada.token}))
            assert await third.closed() == 4504
        monkeypatch.setattr(hubs, "MAX_CONNECTIONS", 2)
        async with connection(house.url) as fourth:
            assert await fourth.closed() == 4013
        await second.socket.close()
        async with asyncio.timeout(5):
            while house.live.hub.active > 1:  # noqa: ASYNC110 a poll with a deadline
                await asyncio.sleep(0.01)
        async with connected(house.url, bob.token):
            pass


async def test_too_many_requests(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the rate they are refused for a moment; the connection goes on."""
    monkeypatch.setattr(connections, "RATE", 1.0)
    ada = await house.person("ada")
    async with connected(house.url, ada.token) as client:
        house.live.hub._connections.copy().pop()._allowance = 3.0  # type: ignore[attr-defined]
        codes = [(await client.ask("refresh", token=ada.token)).get("error", {}).get("code") for _ in range(6)]
        refusal = await client.ask("refresh", token=ada.token)

    assert codes[:3] == [None, None, None]
    assert codes[-1] == 111
    assert refusal["error"]["retry_after_ms"] > 0


async def test_a_slow_reader_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds a bounded queue and is closed; others hear everything meanwhile."""
    ada, bob = await house.person("ada"), await house.invite("bob")
    room = str((await house.room()).id)
    options: dict[str, Any] = {"max_queue": 1}
    async with connected(house.url, ada.token) as healthy, connected(house.url, bob.token, **options) as stalled:
        await healthy.ask("join", room_id=room)
        await stalled.ask("join", room_id=room)
        hub = house.live.hub
        [slow] = [one for one in hub._connections if one.user_id == bob.user_id]
        stalled.is_reading.clear()
        seq = 0
        while slow in hub._connections and seq < 200:
            seq = (await healthy.publish(room, "x" * 60_000))["seq"]
        await healthy.until(lambda client: seq in client.seqs(room))
        async with asyncio.timeout(5):
            while slow in hub._connections:  # noqa: ASYNC110 a poll with a deadline
                await asyncio.sleep(0.01)

    assert healthy.seqs(room) == list(range(1, seq + 1))
    assert house.live.metrics.events["close_slow"] == 1


async def test_shutting_down(house: House) -> None:
    """Everybody is told to come again after a pause of their own, then closed with 4001; nobody new is taken."""
    people = [await house.person("ada"), await house.person("bob")]
    async with connected(house.url, people[0].token) as one, connected(house.url, people[1].token) as two:
        await house.live.drain()
        codes = [await one.closed(), await two.closed()]
        async with connection(house.url) as late:
            refused = await late.closed()

    assert codes == [4001, 4001]
    assert refused == 4001
    [told] = one.of("disconnect")
    assert (told["code"], told["reconnect"]) == (4001, True)
    assert 0 <= told["reconnect_after_ms"] < 5000


async def test_what_is_told_in_one_turn(house: House) -> None:
    """Comes whole and in order, however much it is, and before the goodbye of the same turn."""
    ada = await house.person("ada")
    async with connected(house.url, ada.token) as client:
        [one] = house.live.hub._connections
        assert isinstance(one, connections.Connection)
        for number in range(3000):  # twice what is held back for one write
            one.push(TokenExpiring(in_ms=number))
        one.end(CloseCode.FORCE_RECONNECT, "Come again.")
        code = await client.closed()

    assert code == 4011
    assert [frame["in_ms"] for frame in client.of("token_expiring")] == list(range(3000))
    assert client.pushes[-1]["type"] == "disconnect"
