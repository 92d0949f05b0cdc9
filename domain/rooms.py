"""Rooms: a named feed of events in one total order, and who sees it."""

import json
import re
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from attrs import evolve, field, frozen

from domain.access import Role
from domain.errors import Forbidden, InvalidInput, TooLarge
from domain.ids import RoomId, UserId, WorkspaceId
from domain.times import aware
from domain.workspaces import Visibility, check_name

MAX_DATA_BYTES: Final = 64 * 1024  # of an event's data as compact JSON in UTF-8
MAX_DATA_DEPTH: Final = 32
MAX_SEQ: Final = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
_NOT_KEPT: Final = re.compile("[\0\ud800-\udfff]")  # NUL and unpaired surrogates: no text of Postgres holds them


class EventKind(StrEnum):
    """What happened in a room."""

    UPDATE = "update"
    MESSAGE = "message"
    ANSWER_STARTED = "answer.started"
    ANSWER_COMPLETED = "answer.completed"
    DOCUMENT_READY = "document.ready"
    DOCUMENT_FAILED = "document.failed"
    DOCUMENT_DELETED = "document.deleted"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"


CLIENT_KINDS: Final = frozenset({EventKind.UPDATE, EventKind.MESSAGE})  # the others are told by the server alone


@frozen(kw_only=True)
class Room:
    """A place of a workspace where events are seen by everybody in the same order.

    `last_seq` is the number of its youngest event. `epoch` names one unbroken numbering: it changes when numbers may
    have been given twice, as after a restored backup, and then what a client has seen says nothing any more.
    """

    id: RoomId
    workspace_id: WorkspaceId
    name: str
    visibility: Visibility = Visibility.WORKSPACE
    epoch: UUID
    last_seq: int = 0
    version: int = 1
    created_by: UserId | None
    created_at: datetime = field(validator=aware)

    def changed(self, *, name: str | None = None, visibility: Visibility | None = None) -> "Room":
        """One version on."""
        return evolve(
            self,
            name=self.name if name is None else check_name(name),
            visibility=visibility or self.visibility,
            version=self.version + 1,
        )

    def is_open_to(self, role: Role, *, is_listed: bool) -> bool:
        """Whether a member of the workspace with this role sees the room at all."""
        return self.visibility is Visibility.WORKSPACE or is_listed or role >= Role.ADMIN


@frozen(kw_only=True)
class Sender:
    """Who caused an event: a person, or no id for Claude and the service itself."""

    id: UserId | None
    name: str


@frozen(kw_only=True)
class NewEvent:
    """What is to be appended. `client_msg_id` is the sender's own: the same again is the same event."""

    room_id: RoomId
    workspace_id: WorkspaceId
    kind: EventKind
    sender: Sender
    client_msg_id: UUID
    data: Any = field(hash=False)

    @property
    def digest(self) -> bytes:
        """What a repetition is compared by: who sends what, whatever the order of an object's members."""
        body = json.dumps([self.kind.value, str(self.sender.id), self.data], sort_keys=True, separators=(",", ":"))
        return blake2b(body.encode(), digest_size=16).digest()


@frozen(kw_only=True)
class RoomEvent:
    """An event in its place. `seq` counts from 1 without gaps within a room."""

    room_id: RoomId
    seq: int
    epoch: UUID
    kind: EventKind
    sender: Sender
    client_msg_id: UUID
    data: Any = field(hash=False)
    created_at: datetime = field(validator=aware)


def check_client_kind(kind: str) -> EventKind:
    """A kind that people may send; `InvalidInput` for a word that is none, `Forbidden` for one of the server's."""
    try:
        found = EventKind(kind)
    except ValueError:
        raise InvalidInput(f"{kind[:50]!r} is not a kind of event.", pointer="/kind") from None
    if found not in CLIENT_KINDS:
        raise Forbidden(f"Events of the kind {found.value} are told by the server alone.")
    return found


def check_data(data: Any) -> None:
    """Any JSON value of at most 64 KiB and 32 levels, without NUL, half surrogate pairs and infinite numbers.

    `InvalidInput`, or `TooLarge` with the code `payload_too_large`.
    """
    _check_plain(data)
    try:
        size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    except (ValueError, TypeError) as error:
        raise InvalidInput("The data is not plain JSON.", pointer="/data") from error
    if size > MAX_DATA_BYTES:
        raise TooLarge(f"The data of an event has at most {MAX_DATA_BYTES} bytes.", code="payload_too_large")


def _check_plain(value: object, depth: int = 0) -> None:
    """Refuse what the database's JSON cannot hold."""
    if depth > MAX_DATA_DEPTH:
        raise InvalidInput(f"The data is nested deeper than {MAX_DATA_DEPTH}.", pointer="/data")
    if isinstance(value, str):
        if _NOT_KEPT.search(value):
            raise InvalidInput("The data must not hold NUL or unpaired surrogates.", pointer="/data")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_plain(key, depth + 1)
            _check_plain(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner, depth + 1)
