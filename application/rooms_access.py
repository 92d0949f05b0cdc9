"""Who may be where on the live side, at the beginning and ever after."""

from collections.abc import Collection
from datetime import datetime

from attrs import frozen

from application.authentication import Authenticate, EnterWorkspace, Identity
from application.ports.rooms import Admission
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.tickets import RedeemTicket
from domain.access import Action, Actor
from domain.errors import NotFound, Unauthenticated
from domain.ids import ApiKeyId, RoomId, SessionId, UserId
from domain.rooms import Sender


@frozen(kw_only=True)
class LiveIdentity:
    """Somebody on a connection."""

    identity: Identity
    sender: Sender

    @property
    def expires_at(self) -> datetime | None:
        """Until when what proves it is good; None where it has no end."""
        return self.identity.expires_at


@frozen(kw_only=True)
class IdentifyLive:
    """From a token or a ticket to a person on a connection."""

    begin: UnitOfWorkFactory
    authenticate: Authenticate
    redeem: RedeemTicket

    async def __call__(self, *, token: str | None = None, ticket: str | None = None) -> LiveIdentity:
        """`Unauthenticated` unless what is shown is genuine and its session or key and user are still good."""
        if token is not None:
            identity = await self.authenticate(token)
        elif ticket is not None:
            identity = await self.redeem(ticket)
        else:
            raise Unauthenticated("Show a token or a ticket.")
        async with self.begin(None) as work:
            user = await work.users.get(identity.user_id)
        if user is None:
            raise Unauthenticated("This user does not exist any more.", code="invalid_token")
        return LiveIdentity(identity=identity, sender=Sender(id=user.id, name=user.name))


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
    api_keys: frozenset[ApiKeyId]
    admissions: dict[tuple[RoomId, UserId], Admission]


@frozen(kw_only=True)
class CheckStanding:
    """Of sessions, keys and people in rooms, those for whom it still holds: one look for all of a process."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(
        self,
        sessions: Collection[SessionId],
        api_keys: Collection[ApiKeyId],
        places: Collection[tuple[RoomId, UserId]],
    ) -> Standing:
        """An engine's error when it cannot be known."""
        now = self.clock.now()
        async with self.begin(None) as work:
            good = await work.rooms.good_sessions(list(sessions), now=now)
            keys = [key for key_id in api_keys if (key := await work.api_keys.get(key_id)) is not None]
            found = await work.rooms.admitted(list(places))
        return Standing(
            sessions=good,
            api_keys=frozenset(key.id for key in keys if key.is_live(now)),
            admissions={(one.room_id, one.user_id): one for one in found},
        )
