"""Rooms and their events; the live side is the WebSocket at `/v1/ws`."""

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from application import rooms, rooms_events
from application.rooms import RoomWithMembers
from application.rooms_events import event_view
from application.views import time_view
from domain.ids import RoomId, UserId
from domain.rooms import MAX_SEQ, Room
from domain.workspaces import Visibility
from entrypoints.http.dependencies import ActorDep, IfMatch, UseCasesDep, expected_version
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.resources import Resource
from entrypoints.http.routing import WORKSPACE, about, problems, versioned
from entrypoints.http.schemas import Body, example

router = APIRouter(tags=["rooms"])
ROOM = f"{WORKSPACE}/rooms/{{room_id}}"
Seq = Annotated[int | None, Query(ge=0, le=MAX_SEQ)]


class RoomBody(Body):
    """A new room."""

    model_config = example(name="Due diligence", visibility="workspace")
    name: str
    visibility: Visibility | None = None


class RoomPatch(Body):
    """What is to change."""

    model_config = example(visibility="restricted")
    name: str | None = None
    visibility: Visibility | None = None


class EventBody(Body):
    """Something for everybody in the room."""

    model_config = example(
        client_msg_id="0f0d8c1e-6b0e-4c7a-9a36-0f6f3f0a9d11", kind="message", data={"text": "Look at page 4."}
    )
    client_msg_id: UUID | None = Field(
        default=None, description="Yours; the same again is the same event. Made for you when left out."
    )
    kind: str = Field(default="update", max_length=50, description="`update` or `message`.")
    data: Any = Field(description="Any JSON of up to 64 KiB.")


class RoomOut(Resource):
    """A room; `last_seq` is the number of its youngest event in this `epoch`."""

    id: str
    workspace_id: str
    name: str
    visibility: Visibility
    epoch: str
    last_seq: int
    version: int
    created_by: str | None
    created_at: str


class RoomDetailOut(RoomOut):
    """A room and the users whom it lists."""

    members: list[str]


class RoomsOut(Resource):
    """A page of rooms."""

    items: list[RoomOut]
    next_cursor: str | None


class SenderOut(Resource):
    """A person; no id for Claude and the service itself."""

    id: str | None
    name: str


class EventOut(Resource):
    """An event in its place."""

    room_id: str
    seq: int
    epoch: str
    kind: Literal[
        "update",
        "message",
        "answer.started",
        "answer.completed",
        "document.ready",
        "document.failed",
        "document.deleted",
        "member.joined",
        "member.left",
    ]
    sender: SenderOut
    client_msg_id: str
    data: Any
    created_at: str


class EventsOut(Resource):
    """Events in order, and the number of the room's youngest.

    Not `is_whole`: events that were asked for are older than the installation keeps them.
    """

    items: list[EventOut]
    head_seq: int
    epoch: str
    is_whole: bool


def room_view(room: Room) -> dict[str, Any]:
    """A room."""
    return {
        "id": str(room.id),
        "workspace_id": str(room.workspace_id),
        "name": room.name,
        "visibility": room.visibility.value,
        "epoch": str(room.epoch),
        "last_seq": room.last_seq,
        "version": room.version,
        "created_by": None if room.created_by is None else str(room.created_by),
        "created_at": time_view(room.created_at),
    }


def room_detail_view(shown: RoomWithMembers) -> dict[str, Any]:
    """A room and the users whom it lists."""
    return {**room_view(shown.room), "members": [str(user_id) for user_id in shown.members]}


@router.post(
    f"{WORKSPACE}/rooms",
    status_code=201,
    response_model=RoomOut,
    operation_id="createRoom",
    summary="Make a room",
    description=about(rooms.CreateRoom),
    responses=problems(409),
)
async def create_room(use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, body: RoomBody) -> Response:
    """Make a room."""
    return await once(
        lambda: use_cases.create_room(actor, name=body.name, visibility=body.visibility or Visibility.WORKSPACE),
        lambda made: versioned(
            room_view(made), status=201, location=f"/v1/workspaces/{actor.workspace_id}/rooms/{made.id}"
        ),
    )


@router.get(
    f"{WORKSPACE}/rooms",
    response_model=RoomsOut,
    operation_id="listRooms",
    summary="Rooms",
    description=about(rooms.ListRooms),
)
async def list_rooms(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """List rooms."""
    cursors = CursorOf(context=("rooms", actor.workspace_id))
    after = cursors.decode(cursor, lambda key: RoomId(UUID(key)))
    found = await use_cases.list_rooms(actor, limit=limit + 1, after=after)
    return JSONResponse(page_of(found, limit, view=room_view, key=lambda room: room.id, cursors=cursors))


@router.get(
    ROOM,
    response_model=RoomDetailOut,
    operation_id="showRoom",
    summary="One room",
    description=about(rooms.ShowRoom),
)
async def show_room(use_cases: UseCasesDep, actor: ActorDep, room_id: UUID) -> JSONResponse:
    """One room."""
    return versioned(room_detail_view(await use_cases.show_room(actor, room_id=RoomId(room_id))))


@router.patch(
    ROOM,
    response_model=RoomOut,
    operation_id="changeRoom",
    summary="Change a room",
    description=about(rooms.ChangeRoom),
    responses=problems(409, 412),
)
async def change_room(
    use_cases: UseCasesDep, actor: ActorDep, room_id: UUID, body: RoomPatch, if_match: IfMatch = None
) -> JSONResponse:
    """Change a room."""
    changed = await use_cases.change_room(
        actor,
        room_id=RoomId(room_id),
        name=body.name,
        visibility=body.visibility,
        version=expected_version(if_match),
    )
    return versioned(room_view(changed))


@router.delete(
    ROOM,
    status_code=204,
    operation_id="deleteRoom",
    summary="Delete a room",
    description=about(rooms.DeleteRoom),
    responses=problems(412),
)
async def delete_room(use_cases: UseCasesDep, actor: ActorDep, room_id: UUID, if_match: IfMatch = None) -> Response:
    """Delete a room."""
    await use_cases.delete_room(actor, room_id=RoomId(room_id), version=expected_version(if_match))
    return Response(status_code=204)


@router.put(
    f"{ROOM}/members/{{user_id}}",
    status_code=204,
    operation_id="listRoomMember",
    summary="List somebody in a room",
    description=about(rooms.ListRoomMember),
)
async def list_room_member(use_cases: UseCasesDep, actor: ActorDep, room_id: UUID, user_id: UUID) -> Response:
    """List somebody in a room."""
    await use_cases.list_room_member(actor, room_id=RoomId(room_id), user_id=UserId(user_id))
    return Response(status_code=204)


@router.delete(
    f"{ROOM}/members/{{user_id}}",
    status_code=204,
    operation_id="unlistRoomMember",
    summary="Take somebody off a room's list",
    description=about(rooms.UnlistRoomMember),
)
async def unlist_room_member(use_cases: UseCasesDep, actor: ActorDep, room_id: UUID, user_id: UUID) -> Response:
    """Take somebody off a room's list."""
    await use_cases.unlist_room_member(actor, room_id=RoomId(room_id), user_id=UserId(user_id))
    return Response(status_code=204)


@router.get(
    f"{ROOM}/events",
    response_model=EventsOut,
    operation_id="listRoomEvents",
    summary="Events of a room",
    description=about(rooms_events.ReadEvents),
)
async def list_room_events(
    use_cases: UseCasesDep,
    actor: ActorDep,
    room_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
    after: Seq = None,
    before: Seq = None,
) -> JSONResponse:
    """Events of a room."""
    page = await use_cases.read_events(actor, room_id=RoomId(room_id), limit=limit, after=after, before=before)
    return JSONResponse(
        {
            "items": [event_view(event) for event in page.events],
            "head_seq": page.head_seq,
            "epoch": str(page.epoch),
            "is_whole": page.is_whole,
        }
    )


@router.post(
    f"{ROOM}/events",
    status_code=201,
    response_model=EventOut,
    operation_id="publishRoomEvent",
    summary="Send something to a room",
    description=about(rooms_events.PublishEvent),
    responses=problems(409, 413),
)
async def publish_room_event(
    use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, room_id: UUID, body: EventBody
) -> Response:
    """Send something to a room."""
    return await once(
        lambda: use_cases.publish_event(
            actor, room_id=RoomId(room_id), kind=body.kind, client_msg_id=body.client_msg_id or uuid4(), data=body.data
        ),
        lambda appended: JSONResponse(event_view(appended.event), status_code=201),
    )
