"""What a client may ask for, once it is known who it is."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw

from application.ports.live import LiveNote, NoteKind
from application.ports.presence import Entry
from application.ports.rooms import Admission, Appended
from application.rooms_access import LiveIdentity
from application.rooms_events import told
from application.rooms_feed import FeedReader, Since
from application.rooms_runs import RunState
from application.use_cases import UseCases
from application.views import time_view
from domain.access import Actor
from domain.errors import DomainError
from domain.ids import CollectionId, MessageId, RoomId
from domain.rooms import Sender
from entrypoints.websocket import frames
from entrypoints.websocket.errors import ErrorCode, Refused
from entrypoints.websocket.hub import Hub

MAX_ROOMS: Final = 100  # that one connection reads
NO_EPOCH: Final = UUID(int=0)
MAX_RUNS: Final = 8  # that one join names
MAX_HISTORY: Final = 1000
MAX_HISTORY_BYTES: Final = 768 * 1024
MAX_SIGNAL_BYTES: Final = 4096
MAX_NAME: Final = 50


class Client(FeedReader, Protocol):
    """What requests ask of their connection."""

    hub: Hub
    use_cases: UseCases
    rooms: dict[RoomId, Actor]
    visited: dict[RoomId, Actor]  # not read, but written into; whether they still may is asked at each publish

    @property
    def is_ending(self) -> bool:
        """Whether it was said why it ends."""
        ...

    def push(self, frame: frames.Frame) -> None:
        """Write a frame."""
        ...

    @property
    def entry(self) -> Entry:
        """What stands for it in a room."""
        ...

    def leave(self, room_id: RoomId, *, is_meant: bool = False) -> None:
        """Read a room no more; `is_meant`: nobody waits for them to come back."""
        ...

    def admit(self, room_id: RoomId, admission: Admission | None) -> None:
        """None: they may not be in the room any more."""
        ...

    def renew(self, who: LiveIdentity) -> None:
        """Go on with another token of the same user."""
        ...


async def join(connection: Client, request: frames.Join, who: LiveIdentity) -> None:
    """Begin to read a room."""
    room_id = RoomId(request.room_id)
    if room_id in connection.rooms:
        raise Refused(ErrorCode.ALREADY_JOINED, "This connection reads the room already.")
    if len(connection.rooms) >= MAX_ROOMS:
        raise Refused(ErrorCode.LIMIT_EXCEEDED, f"A connection reads at most {MAX_ROOMS} rooms.")
    runs = {} if request.runs is None else {MessageId(key): offset for key, offset in request.runs.items()}
    if len(runs) > MAX_RUNS:
        raise Refused(ErrorCode.LIMIT_EXCEEDED, f"A join names at most {MAX_RUNS} answers.")
    actor = await connection.use_cases.enter_room(who.identity, room_id)
    since = None if request.since is None else Since(seq=request.since.seq, epoch=_epoch(request.since.epoch))
    # entered before the feed is joined: a change that is told in between shows as a gap of the version
    presence = await connection.hub.presence.enter(room_id, connection.entry)
    try:
        joined = await connection.hub.feeds.join(room_id, connection, since, runs)
    except BaseException:
        connection.hub.presence.leave(room_id, connection.entry, is_meant=True)
        raise
    # From here to the reply in one step: what the room tells next comes after it.
    if connection.is_ending:
        connection.leave(room_id)
        return
    connection.rooms[room_id] = actor
    connection.push(
        frames.JoinedFrame(
            id=id_of(request),
            room_id=str(room_id),
            epoch=str(joined.epoch),
            seq=joined.seq,
            recovered=joined.recovered,
            publications=[Raw(event.body) for event in joined.events],
            presence=frames.PresenceBody(version=presence.version, members=[person(one) for one in presence.members]),
            runs={str(state.message_id): _run(state, actor) for state in joined.runs},
        )
    )


def _epoch(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return NO_EPOCH


def _run(state: RunState, actor: Actor) -> frames.RunBody:
    """An answer, with the citations of documents that may be read."""
    cited = [msgspec.json.decode(note.body) for note in state.citations]
    return frames.RunBody(
        message_id=str(state.message_id),
        attempt=state.attempt,
        start=state.start,
        offset=state.offset,
        text=state.text,
        status=state.status.value,
        citations=[
            one["frame"]["citation"] for one in cited if actor.can_read(CollectionId(UUID(one["collection_id"])))
        ],
    )


async def publish(connection: Client, request: frames.Publish, who: LiveIdentity) -> None:
    """Store an event; answered after the commit."""
    room_id = RoomId(request.room_id)
    actor = connection.rooms.get(room_id) or connection.visited.get(room_id)
    if actor is None:
        actor = await connection.use_cases.enter_room(who.identity, room_id)
        if len(connection.visited) < MAX_ROOMS:
            connection.visited[room_id] = actor
    appended = await connection.use_cases.publish_together(
        actor,
        who.sender,
        room_id=room_id,
        kind=request.kind,
        client_msg_id=request.client_msg_id,
        data=request.data,
    )
    connection.push(_published(connection, request, appended))


def _published(connection: Client, request: frames.Publish | frames.Ask, appended: Appended) -> frames.Published:
    return frames.Published(
        id=id_of(request),
        room_id=str(request.room_id),
        seq=appended.event.seq,
        client_msg_id=str(request.client_msg_id),
        duplicate=appended.duplicate,
        server_time=str(time_view(connection.hub.clock.now())),
    )


async def ask(connection: Client, request: frames.Ask, who: LiveIdentity) -> None:
    """Ask Claude in the room; answered after the question is stored."""
    room_id = RoomId(request.room_id)
    actor = await connection.use_cases.enter_room(who.identity, room_id)  # with what they may read at this moment
    appended = await connection.use_cases.ask_in_room(
        actor, room_id=room_id, client_msg_id=request.client_msg_id, content=request.content
    )
    connection.push(_published(connection, request, appended))


async def cancel(connection: Client, request: frames.Cancel, who: LiveIdentity) -> None:
    """Stop an answer."""
    await connection.use_cases.cancel_live(who.identity, MessageId(request.message_id))
    connection.push(frames.Ok(id=id_of(request)))


async def show_citation(connection: Client, note: LiveNote, who: LiveIdentity) -> None:
    """Show a citation where the document may be read at this moment, else nothing."""
    told_citation = msgspec.json.decode(note.body)
    frame = msgspec.convert(told_citation["frame"], frames.AnswerCitation)
    room_id = RoomId(UUID(frame.room_id))
    if room_id in connection.rooms:
        actor = await connection.use_cases.enter_room(who.identity, room_id)
        if actor.can_read(CollectionId(UUID(told_citation["collection_id"]))):
            connection.push(frame)


async def signal(connection: Client, request: frames.Signal, who: LiveIdentity) -> None:
    """Tell something of this moment."""
    room_id = RoomId(request.room_id)
    if room_id not in connection.rooms:
        raise Refused(ErrorCode.UNKNOWN_ROOM, "Join the room first.")
    if not request.name or len(request.name) > MAX_NAME:
        raise Refused(ErrorCode.BAD_REQUEST, f"A signal's name has 1 to {MAX_NAME} characters.")
    body = frames.encode(
        frames.SignalFrame(
            room_id=str(room_id),
            name=request.name,
            sender=person(who.sender),
            data=request.data,
        )
    )
    if len(body) > MAX_SIGNAL_BYTES:
        raise Refused(ErrorCode.PAYLOAD_TOO_LARGE, f"A signal has at most {MAX_SIGNAL_BYTES} bytes.")
    await connection.hub.feeds.bus.note(room_id, LiveNote(kind=NoteKind.SIGNAL, body=body))


async def history(connection: Client, request: frames.History, who: LiveIdentity) -> None:
    """Stored events in a page."""
    room_id = RoomId(request.room_id)
    if not 1 <= request.limit <= MAX_HISTORY:
        raise Refused(ErrorCode.BAD_REQUEST, f"`limit` is 1 to {MAX_HISTORY}.")
    actor = connection.rooms.get(room_id) or await connection.use_cases.enter_room(who.identity, room_id)
    page = await connection.use_cases.read_events(
        actor, room_id=room_id, limit=request.limit, after=request.after_seq, before=request.before_seq
    )
    bodies = [told(event).body for event in page.events]
    connection.push(
        frames.HistoryFrame(
            id=id_of(request),
            room_id=str(room_id),
            publications=[Raw(body) for body in _fitting(bodies, from_start=request.after_seq is not None)],
            seq=page.head_seq,
            epoch=str(page.epoch),
            is_whole=page.is_whole,
        )
    )


async def presence(connection: Client, request: frames.AskPresence, _who: LiveIdentity) -> None:
    """Who is in a room that is read."""
    room_id = RoomId(request.room_id)
    if room_id not in connection.rooms:
        raise Refused(ErrorCode.UNKNOWN_ROOM, "Join the room first.")
    state = await connection.hub.presence.look(room_id)
    connection.push(
        frames.PresenceFrame(
            id=id_of(request),
            room_id=str(room_id),
            version=state.version,
            members=[person(one) for one in state.members],
        )
    )


async def refresh(connection: Client, request: frames.Refresh, who: LiveIdentity) -> None:
    """Take a new token, and look again at every room."""
    fresh = await connection.use_cases.identify_live(token=request.token)
    if fresh.identity.user_id != who.identity.user_id:
        raise Refused(ErrorCode.UNAUTHORIZED, "The token is another user's.")
    connection.renew(fresh)
    connection.visited.clear()
    for room_id in list(connection.rooms):
        try:
            connection.rooms[room_id] = await connection.use_cases.enter_room(fresh.identity, room_id)
        except DomainError:
            connection.admit(room_id, None)
    connection.push(frames.Refreshed(id=id_of(request), token_expires_at=time_view(fresh.expires_at)))


async def leave(connection: Client, request: frames.Leave, _who: LiveIdentity) -> None:
    """Read a room no more."""
    room_id = RoomId(request.room_id)
    if room_id not in connection.rooms:
        raise Refused(ErrorCode.UNKNOWN_ROOM, "This connection does not read the room.")
    connection.leave(room_id, is_meant=True)
    connection.push(frames.Left(id=id_of(request), room_id=str(room_id)))


HANDLERS: Final[dict[type[frames.Request], Callable[[Any, Any, LiveIdentity], Awaitable[None]]]] = {
    frames.Join: join,
    frames.Publish: publish,
    frames.Ask: ask,
    frames.Cancel: cancel,
    frames.Signal: signal,
    frames.History: history,
    frames.AskPresence: presence,
    frames.Refresh: refresh,
    frames.Leave: leave,
}


def id_of(request: frames.Request) -> int:
    """The id of a request that is answered, which has one."""
    return 0 if request.id is UNSET else request.id


def person(sender: Sender) -> frames.Person:
    """Somebody as others see them."""
    return frames.Person(id=None if sender.id is None else str(sender.id), name=sender.name)


def _fitting(bodies: list[bytes], *, from_start: bool) -> list[bytes]:
    """As many as make one frame: of the oldest when paging on, else of the youngest."""
    kept: list[bytes] = []
    size = 0
    for body in bodies if from_start else reversed(bodies):
        size += len(body)
        if kept and size > MAX_HISTORY_BYTES:
            break
        kept.append(body)
    return kept if from_start else kept[::-1]
