"""The frames of `rooms.v1`, as types: what is not described here is neither sent nor understood."""

from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from entrypoints.websocket.errors import ErrorBody

SUBPROTOCOL: Final = "rooms.v1"
MAX_FRAME_BYTES: Final = 1024 * 1024


class Request(Struct, frozen=True, kw_only=True):
    """Base of what clients send; `id` comes back with the reply."""

    id: int | UnsetType = UNSET


class SinceBody(Struct, frozen=True, kw_only=True):
    """The youngest event that the client has seen; an epoch that is none of ours is another one."""

    seq: int
    epoch: str


class Connect(Request, frozen=True, kw_only=True, tag="connect"):
    """The first frame, within ten seconds; an `Authorization` header on the upgrade stands for `token`."""

    token: str | UnsetType = UNSET
    ticket: str | UnsetType = UNSET  # of `POST /v1/auth/ticket`, where no header can be sent
    client_id: str | UnsetType = UNSET


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Read a room; with `since` what was missed comes in the reply, and with `runs` what was missed of answers.

    `runs` names answers that were being followed, with the `offset` of the last delta that was seen.
    """

    room_id: UUID
    since: SinceBody | None = None
    runs: dict[UUID, int] | None = None


class Publish(Request, frozen=True, kw_only=True, tag="publish"):
    """Store an event and tell it to everybody in the room."""

    room_id: UUID
    client_msg_id: UUID
    kind: str
    data: Any


class Signal(Request, frozen=True, kw_only=True, tag="signal"):
    """Tell something to those who are there now; it is not stored and may be dropped."""

    room_id: UUID
    name: str
    data: Any = None


class History(Request, frozen=True, kw_only=True, tag="history"):
    """Stored events after a number or before one; the youngest without either."""

    room_id: UUID
    after_seq: int | None = None
    before_seq: int | None = None
    limit: int = 100


class Ask(Request, frozen=True, kw_only=True, tag="ask"):
    """Send a message to the room and let Claude answer it there; answered as `publish` is."""

    room_id: UUID
    client_msg_id: UUID
    content: str


class Cancel(Request, frozen=True, kw_only=True, tag="cancel"):
    """Stop an answer; what it has so far is kept."""

    message_id: UUID


class Refresh(Request, frozen=True, kw_only=True, tag="refresh"):
    """A new token on the live connection; every joined room is checked again."""

    token: str


class Pong(Request, frozen=True, kw_only=True, tag="pong"):
    """The answer to `ping`; `positions` are the youngest events seen, by room."""

    positions: dict[UUID, int] | UnsetType = UNSET


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    """Read a room no more."""

    room_id: UUID


class AskPresence(Request, frozen=True, kw_only=True, tag="presence"):
    """Who is in the room."""

    room_id: UUID


AnyRequest = Connect | Join | Publish | Ask | Cancel | Signal | History | AskPresence | Refresh | Pong | Leave
REQUESTS: Final[tuple[type[Request], ...]] = (
    Connect,
    Join,
    Publish,
    Ask,
    Cancel,
    Signal,
    History,
    AskPresence,
    Refresh,
    Pong,
    Leave,
)


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of what the server sends."""


class Reply(Frame, frozen=True, kw_only=True):
    """Base of what answers a request; `id` is the request's."""

    id: int


class Person(Struct, frozen=True, kw_only=True):
    """A person as others see them; no id for Claude and the service itself."""

    id: str | None
    name: str


class Connected(Reply, frozen=True, kw_only=True, tag="connected"):
    """The connection stands. Times are in milliseconds, moments in RFC 3339."""

    connection_id: str
    user: Person
    server_time: str
    ping_interval_ms: int
    pong_timeout_ms: int
    max_frame_bytes: int
    token_expires_at: str | None


class PresenceBody(Struct, frozen=True, kw_only=True):
    """Who is in the room; a `presence_diff` with the next version follows on this."""

    version: int
    members: list[Person]


class PublicationBody(Frame, frozen=True, kw_only=True, tag="publication"):
    """A stored event in its place."""

    room_id: str
    seq: int
    epoch: str
    kind: str
    sender: Person
    client_msg_id: str
    data: Any
    created_at: str


class RunBody(Struct, frozen=True, kw_only=True):
    """An answer as it is taken up: `text` is that of the deltas after `from` up to `offset`.

    Further deltas follow while `status` is `streaming`. A `from` of 0 begins anew, also where another number was asked.
    """

    message_id: str
    attempt: int
    start: int = msgspec.field(name="from")
    offset: int
    text: str
    status: str
    citations: list[dict[str, Any]]


class JoinedFrame(Reply, frozen=True, kw_only=True, tag="joined"):
    """Live events follow after `seq` without a gap. `recovered`: `publications` are all that was missed.

    `runs`, by message, are the answers that were named, and all that are being written.
    """

    room_id: str
    epoch: str
    seq: int
    recovered: bool
    publications: list[Raw]
    presence: PresenceBody
    runs: dict[str, RunBody]


class Published(Reply, frozen=True, kw_only=True, tag="published"):
    """The event is stored; `duplicate` when it was before."""

    room_id: str
    seq: int
    client_msg_id: str
    duplicate: bool
    server_time: str


class HistoryFrame(Reply, frozen=True, kw_only=True, tag="history"):
    """Stored events in order, and the number of the room's youngest.

    Not `is_whole`: events that were asked for are older than the installation keeps them.
    """

    room_id: str
    publications: list[Raw]
    seq: int
    epoch: str
    is_whole: bool


class PresenceFrame(Reply, frozen=True, kw_only=True, tag="presence"):
    """Who is in the room; a member with several connections is there once."""

    room_id: str
    version: int
    members: list[Person]


class Refreshed(Reply, frozen=True, kw_only=True, tag="refreshed"):
    """The new token is taken."""

    token_expires_at: str | None


class Ok(Reply, frozen=True, kw_only=True, tag="ok"):
    """It was done."""


class Left(Reply, frozen=True, kw_only=True, tag="left"):
    """The room is not read any more."""

    room_id: str


class ErrorFrame(Frame, frozen=True, kw_only=True, tag="error", omit_defaults=True):
    """A request was refused; without `id` when the frame could not be read."""

    id: int | UnsetType = UNSET
    error: ErrorBody


class SignalFrame(Frame, frozen=True, kw_only=True, tag="signal"):
    """Something of this moment."""

    room_id: str
    name: str
    sender: Person
    data: Any


class PresenceDiff(Frame, frozen=True, kw_only=True, tag="presence_diff"):
    """Who came and who went; a version that does not follow says that a diff was missed: ask for `presence`."""

    room_id: str
    version: int
    joins: list[Person]
    leaves: list[Person]


class AnswerDelta(Frame, frozen=True, kw_only=True, tag="answer_delta"):
    """More of an answer. `offset` counts deltas; where some were joined it is that of the last."""

    room_id: str
    message_id: str
    attempt: int
    offset: int
    text: str


class AnswerCitation(Frame, frozen=True, kw_only=True, tag="answer_citation"):
    """A citation of the answer, shown to those who may read its document."""

    room_id: str
    message_id: str
    attempt: int
    offset: int
    citation: dict[str, Any]


class AnswerEnd(Frame, frozen=True, kw_only=True, tag="answer_end"):
    """No more of the answer follows; `offset` is the number of its deltas. Who has another number reads the message."""

    room_id: str
    message_id: str
    status: str
    offset: int


class TokenExpiring(Frame, frozen=True, kw_only=True, tag="token_expiring"):
    """Send `refresh` with a new token within this time."""

    in_ms: int


class RoomLeft(Frame, frozen=True, kw_only=True, tag="room_left"):
    """The server ended the reading of a room; `code` is an error's. 112: join again."""

    room_id: str
    code: int


class Ping(Frame, frozen=True, kw_only=True, tag="ping"):
    """Answer with `pong`."""


class Disconnect(Frame, frozen=True, kw_only=True, tag="disconnect"):
    """The connection is about to be closed with this code."""

    code: int
    reason: str
    reconnect: bool
    reconnect_after_ms: int


REPLIES: Final[dict[type[Request], type[Reply] | None]] = {
    Connect: Connected,
    Join: JoinedFrame,
    Publish: Published,
    Ask: Published,
    Cancel: Ok,
    Signal: None,
    History: HistoryFrame,
    AskPresence: PresenceFrame,
    Refresh: Refreshed,
    Pong: None,
    Leave: Left,
}
PUSHES: Final[tuple[type[Frame], ...]] = (
    PublicationBody,
    SignalFrame,
    PresenceDiff,
    AnswerDelta,
    AnswerCitation,
    AnswerEnd,
    TokenExpiring,
    RoomLeft,
    Ping,
    Disconnect,
    ErrorFrame,
)


_encoder: Final = msgspec.json.Encoder()


def encode(frame: Frame) -> bytes:
    """A frame as UTF-8 JSON."""
    return _encoder.encode(frame)
