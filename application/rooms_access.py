"""Who may be where on the live side, at the beginning and ever after."""

from collections.abc import Collection
from datetime import datetime

from attrs import field, frozen

from application.authentication import Authenticate, EnterWorkspace, Identity
from application.ports.rooms import Admission
from application.ports.security import Tokens
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.errors import NotFound, Unauthenticated
from domain.ids import RoomId, SessionId, UserId
from domain.rooms import Sender
from domain.times import aware


@frozen(kw_only=True)
class LiveIdentity:
    """Somebody on a connection, and until when the token that proves it is good (None: no end is known)."""

    identity: Identity
    sender: Sender
    expires_at: datetime | None = field(validator=aware)


@frozen(kw_only=True)
class IdentifyLive:
    """From a token to a person on a connection."""

    begin: UnitOfWorkFactory
    authenticate: Authenticate
    tokens: Tokens

    async def __call__(self, token: str) -> LiveIdentity:
        """`Unauthenticated` unless the token is genuine and its session and user are still good."""
        identity = await self.authenticate(token)
        async with self.begin(None) as work:
            user = await work.users.get(identity.user_id)
        if user is None:
            raise Unauthenticated("This user does not exist any more.", code="invalid_token")
        return LiveIdentity(
            identity=identity, sender=Sender(id=user.id, name=user.name), expires_at=self._expiry(token)
        )

    def _expiry(self, token: str) -> datetime | None:
        try:
            return self.tokens.read_access(token).expires_at
        except Unauthenticated:  # a credential of another kind, which was found good
            return None


@frozen(kw_only=True)
class EnterRoom:
    """From a person to what they may do in the workspace of a room that they see."""

    begin: UnitOfWorkFactory
    enter_workspace: EnterWorkspace

    async def __call__(self, identity: Identity, room_id: RoomId) -> Actor:
        """`NotFound` unless they see the room, `Forbidden` when their credential may not read."""
        async with self.begin(None) as work:
            admitted = await work.rooms.admitted([(room_id, identity.user_id)])
            room = (await work.rooms.positions([room_id])).get(room_id)
        if not admitted or room is None:
            raise NotFound("There is no such room.")
        actor = await self.enter_workspace(identity, room.workspace_id)
        actor.require(Action.ROOM_READ)
        return actor


@frozen(kw_only=True)
class Standing:
    """What holds of those who were asked about."""

    sessions: frozenset[SessionId]
    admissions: dict[tuple[RoomId, UserId], Admission]


@frozen(kw_only=True)
class CheckStanding:
    """Of sessions and of people in rooms, those for whom it still holds: one look for all of a process."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, sessions: Collection[SessionId], places: Collection[tuple[RoomId, UserId]]) -> Standing:
        """An engine's error when it cannot be known."""
        async with self.begin(None) as work:
            good = await work.rooms.good_sessions(list(sessions), now=self.clock.now())
            found = await work.rooms.admitted(list(places))
        return Standing(sessions=good, admissions={(one.room_id, one.user_id): one for one in found})
