"""Every route as nobody, with an expired token, as each role, with each kind of key, as stranger and former member.

A new route fails `test_every_route_has_its_row` until its row stands in the table.
"""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from attrs import evolve, field, frozen

from adapters.security.tokens import JwtTokens
from application.authentication import Identity
from application.ports.security import AccessClaims
from domain.access import RULES, Action, Actor, Role, Scope
from domain.ids import UserId
from tests.fakes.assembly import SECRET, Assembly
from tests.http.checker import Contract
from tests.http.conftest import PASSWORD

W = "/v1/workspaces/{workspace_id}"
OPEN, PERSON, ANYBODY = "open", "person", "anybody"  # without proof; who logged in; who logged in, and keys
NO_WORKSPACE = "There is no such workspace, or you are not a member of it."
FILE = {"files": {"file": ("notes.txt", b"text")}}


@frozen
class Row:
    """What a route asks for, and a request that it takes."""

    asks: Action | str
    request: dict[str, Any] = field(factory=dict)
    finding: Action | None = None  # what it also takes to find what the route changes


def body(**members: Any) -> dict[str, Any]:
    return {"json": members}


TABLE: dict[str, Row] = {
    "GET /healthz": Row(OPEN),
    "GET /readyz": Row(OPEN),
    "GET /metrics": Row(OPEN),
    "POST /v1/auth/register": Row(OPEN, body(email="new@example.org", password=PASSWORD, name="New")),
    "POST /v1/auth/login": Row(OPEN, body(email="owner@example.org", password=PASSWORD)),
    "POST /v1/auth/refresh": Row(OPEN, body(refresh_token="rrr_unknown")),
    "POST /v1/auth/logout": Row(PERSON, body(refresh_token="rrr_unknown")),
    "POST /v1/auth/password": Row(PERSON, body(current_password=PASSWORD, new_password="a wholly different phrase")),
    "POST /v1/auth/ws-ticket": Row(ANYBODY),
    "GET /v1/me": Row(ANYBODY),
    "GET /v1/me/sessions": Row(PERSON),
    "GET /v1/me/sessions/{session_id}": Row(PERSON),
    "DELETE /v1/me/sessions/{session_id}": Row(PERSON),
    "POST /v1/invitations/accept": Row(PERSON, body(token="rri_unknown")),
    "GET /v1/workspaces": Row(ANYBODY),
    "POST /v1/workspaces": Row(PERSON, body(name="More")),
    f"GET {W}": Row(Action.WORKSPACE_READ),
    f"PATCH {W}": Row(Action.WORKSPACE_CHANGE, body(name="Other")),
    f"DELETE {W}": Row(Action.WORKSPACE_DELETE),
    f"GET {W}/members": Row(Action.MEMBER_READ),
    f"PATCH {W}/members/{{user_id}}": Row(Action.MEMBER_MANAGE, body(role="viewer")),
    f"DELETE {W}/members/{{user_id}}": Row(Action.MEMBER_MANAGE),
    f"POST {W}/invitations": Row(Action.MEMBER_MANAGE, body(email="guest@example.org", role="viewer")),
    f"GET {W}/invitations": Row(Action.MEMBER_MANAGE),
    f"GET {W}/invitations/{{invitation_id}}": Row(Action.MEMBER_MANAGE),
    f"DELETE {W}/invitations/{{invitation_id}}": Row(Action.MEMBER_MANAGE),
    f"POST {W}/api-keys": Row(Action.API_KEY_MANAGE, body(name="K", scopes=["admin"])),
    f"GET {W}/audit-log": Row(Action.AUDIT_READ),
    f"GET {W}/api-keys": Row(Action.API_KEY_MANAGE),
    f"GET {W}/api-keys/{{key_id}}": Row(Action.API_KEY_MANAGE),
    f"DELETE {W}/api-keys/{{key_id}}": Row(Action.API_KEY_MANAGE),
    f"GET {W}/collections": Row(Action.COLLECTION_READ),
    f"POST {W}/collections": Row(Action.COLLECTION_CREATE, body(name="Papers")),
    f"GET {W}/collections/{{collection_id}}": Row(Action.COLLECTION_READ),
    f"PATCH {W}/collections/{{collection_id}}": Row(Action.COLLECTION_MANAGE, body(name="Papers")),
    f"DELETE {W}/collections/{{collection_id}}": Row(Action.COLLECTION_MANAGE),
    f"PUT {W}/collections/{{collection_id}}/members/{{user_id}}": Row(Action.COLLECTION_MANAGE),
    f"DELETE {W}/collections/{{collection_id}}/members/{{user_id}}": Row(Action.COLLECTION_MANAGE),
    f"GET {W}/documents": Row(Action.DOCUMENT_READ),
    f"POST {W}/documents": Row(Action.DOCUMENT_WRITE, FILE),
    f"GET {W}/documents/{{document_id}}": Row(Action.DOCUMENT_READ),
    f"PATCH {W}/documents/{{document_id}}": Row(Action.DOCUMENT_WRITE, body(title="Other")),
    f"DELETE {W}/documents/{{document_id}}": Row(Action.DOCUMENT_WRITE),
    f"PUT {W}/documents/{{document_id}}/content": Row(Action.DOCUMENT_WRITE, FILE),
    f"GET {W}/documents/{{document_id}}/content": Row(Action.DOCUMENT_READ),
    f"GET {W}/documents/{{document_id}}/chunks": Row(Action.DOCUMENT_READ),
    f"GET {W}/documents/{{document_id}}/pages/{{number}}": Row(Action.DOCUMENT_READ),
    f"GET {W}/documents/{{document_id}}/events": Row(Action.DOCUMENT_READ),
    f"POST {W}/documents/{{document_id}}/reindex": Row(Action.DOCUMENT_WRITE),
    f"GET {W}/documents/{{document_id}}/erasure": Row(Action.COLLECTION_MANAGE),
    f"POST {W}/reindex": Row(Action.COLLECTION_MANAGE),
    f"POST {W}/search": Row(Action.SEARCH, body(query="heron")),
    f"POST {W}/conversations": Row(Action.CHAT, body()),
    f"GET {W}/conversations": Row(Action.CHAT),
    f"GET {W}/conversations/{{conversation_id}}": Row(Action.CHAT),
    f"GET {W}/conversations/{{conversation_id}}/messages": Row(Action.CHAT),
    f"POST {W}/conversations/{{conversation_id}}/messages": Row(Action.CHAT, body(content="Why?")),
    f"GET {W}/messages/{{message_id}}": Row(Action.CHAT),
    f"GET {W}/messages/{{message_id}}/stream": Row(Action.CHAT),
    f"POST {W}/messages/{{message_id}}/cancel": Row(Action.CHAT),
    f"PATCH {W}/conversations/{{conversation_id}}": Row(Action.CHAT, body(title="Other")),
    f"DELETE {W}/conversations/{{conversation_id}}": Row(Action.CHAT),
    f"GET {W}/conversations/{{conversation_id}}/export": Row(Action.CHAT),
    f"POST {W}/messages/{{message_id}}/regenerate": Row(Action.CHAT),
    f"PUT {W}/messages/{{message_id}}/feedback": Row(Action.CHAT, body(rating="up")),
    f"GET {W}/usage": Row(Action.USAGE_READ),
    f"POST {W}/rooms": Row(Action.ROOM_MANAGE, body(name="Room")),
    f"GET {W}/rooms": Row(Action.ROOM_READ),
    f"GET {W}/rooms/{{room_id}}": Row(Action.ROOM_READ),
    f"PATCH {W}/rooms/{{room_id}}": Row(Action.ROOM_MANAGE, body(name="Other"), finding=Action.ROOM_READ),
    f"DELETE {W}/rooms/{{room_id}}": Row(Action.ROOM_MANAGE, finding=Action.ROOM_READ),
    f"PUT {W}/rooms/{{room_id}}/members/{{user_id}}": Row(Action.ROOM_MANAGE, finding=Action.ROOM_READ),
    f"DELETE {W}/rooms/{{room_id}}/members/{{user_id}}": Row(Action.ROOM_MANAGE, finding=Action.ROOM_READ),
    f"GET {W}/rooms/{{room_id}}/events": Row(Action.ROOM_READ),
    f"POST {W}/rooms/{{room_id}}/events": Row(
        Action.ROOM_WRITE, body(client_msg_id=str(uuid4()), kind="update", data={}), finding=Action.ROOM_READ
    ),
}  # fmt: skip


@frozen(kw_only=True)
class World:
    """A workspace, and credentials of everybody there is, ready to be sent."""

    workspace: str
    room: str
    roles: dict[Role, str]
    keys: dict[frozenset[Scope], str]  # with exactly these scopes
    stranger: str
    former: str
    expired: str


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    return Assembly(root=tmp_path / "files")


@pytest.fixture
async def world(assembly: Assembly) -> World:
    use_cases = assembly.use_cases

    async def account(name: str) -> tuple[Actor, str]:
        made = await use_cases.create_user(email=f"{name}@example.org", password=PASSWORD, name=name)
        pair = await use_cases.log_in(email=f"{name}@example.org", password=PASSWORD)
        actor = await use_cases.enter_workspace(Identity(user_id=made.user.id), made.workspace.id)
        return actor, pair.access_token

    owner, token = await account("owner")
    tokens, place = {Role.OWNER: token}, str(owner.workspace_id)
    for role in (Role.ADMIN, Role.EDITOR, Role.VIEWER):
        _, tokens[role] = await account(role.label)
        await use_cases.set_role(email=f"{role.label}@example.org", workspace=place, role=role)
    _, stranger = await account("stranger")
    former, former_token = await account("former")
    await use_cases.set_role(email="former@example.org", workspace=place, role=Role.OWNER)
    await use_cases.remove_member(owner, user_id=former.user_id)
    subsets = [frozenset(some) for size in range(1, 5) for some in combinations(Scope, size)]
    keys = {scopes: (await use_cases.create_api_key(owner, name="Key", scopes=scopes)).secret for scopes in subsets}
    room = await use_cases.create_room(owner, name="Room")
    session = (await use_cases.authenticate(token)).session_id
    assert session is not None
    past = datetime.now(UTC) - timedelta(minutes=1)
    claims = AccessClaims(user_id=UserId(owner.user_id), session_id=session, expires_at=past)
    return World(
        workspace=place,
        room=str(room.id),
        roles=tokens,
        keys=keys,
        stranger=stranger,
        former=former_token,
        expired=JwtTokens([SECRET]).issue_access(claims),
    )


@frozen
class Caller:
    """Sends the request of one route with any credential."""

    http: httpx.AsyncClient
    route: str
    workspace: str
    room: str = ""

    async def __call__(self, credential: str | None) -> httpx.Response:
        method, template = self.route.split(" ")
        path = template.replace("{workspace_id}", self.workspace).replace("{number}", "1")
        path = path.replace("{room_id}", self.room or str(uuid4()))
        while "{" in path:
            path = f"{path[: path.index('{')]}{uuid4()}{path[path.index('}') + 1 :]}"
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        return await self.http.request(method, path, headers=headers, **TABLE[self.route].request)


def refused(response: httpx.Response) -> bool:
    return response.status_code in {401, 403}


def routes(*kinds: object) -> list[str]:
    """Those that ask for something of these kinds."""
    return [route for route, row in TABLE.items() if row.asks in kinds]


def test_every_route_has_its_row(contract: Contract) -> None:
    """And every row its route."""
    published = {
        f"{method.upper()} {path}" for path, operations in contract.document["paths"].items() for method in operations
    }

    assert published == set(TABLE)


@pytest.mark.parametrize("route", [route for route in TABLE if TABLE[route].asks != OPEN])
async def test_nobody_and_expired_tokens_are_refused(http: httpx.AsyncClient, world: World, route: str) -> None:
    """Before anything is told: also without a credential at all, with garbage, and with a key that is none."""
    call = Caller(http, route, world.workspace)
    for credential, code in (
        (None, "unauthorized"),
        ("garbage", "invalid_token"),
        ("rrk_unknown", "invalid_token"),
        (world.expired, "token_expired"),
    ):
        response = await call(credential)
        assert (response.status_code, response.json()["code"]) == (401, code)
    assert (await evolve(call, workspace="no-id")(None)).status_code == 401  # before a word about the path


@pytest.mark.parametrize("route", routes(OPEN))
async def test_open_routes_ask_for_nothing(http: httpx.AsyncClient, world: World, route: str) -> None:
    """A refresh token that does not exist is told so, not who asks."""
    response = await Caller(http, route, world.workspace)(None)

    assert response.status_code in {200, 201} or route.endswith("/refresh")
    assert response.status_code != 403


@pytest.mark.parametrize("route", routes(PERSON, ANYBODY))
async def test_what_is_a_persons_own(http: httpx.AsyncClient, world: World, route: str) -> None:
    """Everybody who logged in may, member or not; a key where the row says so, whatever its scopes."""
    call = Caller(http, route, world.workspace)
    for key in world.keys.values():
        assert refused(await call(key)) is (TABLE[route].asks == PERSON)
    for token in (world.stranger, world.former, *world.roles.values()):
        assert not refused(await call(token))


@pytest.mark.parametrize("route", routes(*Action))
async def test_what_is_a_workspaces(http: httpx.AsyncClient, world: World, route: str) -> None:
    """For strangers and former members it does not exist; members need the role, keys the scope of the one table."""
    row = TABLE[route]
    actions = [Action(row.asks), *([row.finding] if row.finding else [])]
    least, needed = max(RULES[one][0] for one in actions), {RULES[one][1] for one in actions}
    call = Caller(http, route, world.workspace, world.room)
    for outsider in (world.stranger, world.former):
        response = await call(outsider)
        assert (response.status_code, response.json()["detail"]) == (404, NO_WORKSPACE)
    elsewhere = evolve(call, workspace=str(uuid4()))
    for credential in (*world.keys.values(), world.roles[Role.OWNER]):
        response = await elsewhere(credential)
        assert (response.status_code, response.json()["detail"]) == (404, NO_WORKSPACE)
    too_little = [token for role, token in world.roles.items() if role < least]
    too_little += [key for scopes, key in world.keys.items() if not needed <= scopes]
    enough = [token for role, token in world.roles.items() if role >= least]
    enough += [key for scopes, key in world.keys.items() if needed <= scopes]
    for credential in too_little:
        response = await call(credential)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")

    for credential in enough[: 1 if route == f"DELETE {W}" else None]:  # it leaves nothing to ask a second time
        assert not refused(await call(credential))
