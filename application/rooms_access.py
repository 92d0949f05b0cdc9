"""Who may be where on the live side, at the beginning and ever after."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import define, field, frozen

from application.authentication import Authenticate, EnterWorkspace, Identity
from application.ports.rooms import Admission
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.tickets import RedeemTicket
from application.together import Together
from domain.access import Action, Actor
from domain.errors import NotFound, Unauthenticated
from domain.ids import ApiKeyId, RoomId, SessionId, UserId, WorkspaceId
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


@define(eq=False, kw_only=True)
class IdentifyLive:
    """From a token or a ticket to a person on a connection."""

    begin: UnitOfWorkFactory
    authenticate: Authenticate
    redeem: RedeemTicket
    _person: Together[UserId, Sender] = field(init=False)

    @_person.default
    def _people_together(self) -> Together[UserId, Sender]:
        return Together(self._people)

    async def __call__(self, *, token: str | None = None, ticket: str | None = None) -> LiveIdentity:
        """`Unauthenticated` unless what is shown is genuine and its session or key and user are still good."""
        if token is not None:
            identity = await self.authenticate(token)
        elif ticket is not None:
            identity = await self.redeem(ticket)
        else:
            raise Unauthenticated("Show a token or a ticket.")
        sender = await self._person(identity.user_id)
        if sender is None:
            raise Unauthenticated("This user does not exist any more.", code="invalid_token")
        return LiveIdentity(identity=identity, sender=sender)

    async def _people(self, user_ids: Sequence[UserId]) -> dict[UserId, Sender]:
        async with self.begin(None) as work:
            found = [await work.users.get(user_id) for user_id in user_ids]
        return {user.id: Sender(id=user.id, name=user.name) for user in found if user is not None}


@define(eq=False, kw_only=True)
class EnterRoom:
    """From a person to what they may do in the workspace of a room that they see."""

    begin: UnitOfWorkFactory
    enter_workspace: EnterWorkspace
    _workspace: Together[tuple[RoomId, UserId], WorkspaceId] = field(init=False)

    @_workspace.default
    def _places_together(self) -> Together[tuple[RoomId, UserId], WorkspaceId]:
        return Together(self._places)

    async def __call__(self, identity: Identity, room_id: RoomId) -> Actor:
        """`NotFound` unless they see the room, `Forbidden` when their credential may not read."""
        workspace_id = await self._workspace((room_id, identity.user_id))
        if workspace_id is None:
            raise NotFound("There is no such room.")
        actor = await self.enter_workspace(identity, workspace_id)
        actor.require(Action.ROOM_READ)
        return actor

    async def _places(self, pairs: Sequence[tuple[RoomId, UserId]]) -> dict[tuple[RoomId, UserId], WorkspaceId]:
        """The workspaces of the rooms into which they may."""
        async with self.begin(None) as work:
            admitted = await work.rooms.admitted(pairs)
            rooms = await work.rooms.positions(list({one.room_id for one in admitted}))
        return {(one.room_id, one.user_id): rooms[one.room_id].workspace_id for one in admitted if one.room_id in rooms}


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
