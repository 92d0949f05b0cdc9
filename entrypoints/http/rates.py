"""How often clients may call: which limit a route falls under, who is counted, and what they are told.

`RateLimit` and `RateLimit-Policy` are structured fields (draft-ietf-httpapi-ratelimit-headers).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic
from typing import Annotated, Final

import structlog
from attrs import define, field
from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import Scope

from application.authentication import Identity
from application.errors import CacheUnavailable
from application.ports.limits import Charge, Limiter, Rate, Standing
from domain.errors import InvalidCredentials, TooManyRequests

WORKSPACE: Final = "/v1/workspaces/{workspace_id}"
# Routes that do not count as `read` or `write`.
CLASSES: Final[Mapping[tuple[str, str], str]] = {
    ("POST", f"{WORKSPACE}/search"): "search",
    ("POST", f"{WORKSPACE}/documents"): "upload",
    ("PUT", f"{WORKSPACE}/documents/{{document_id}}/content"): "upload",
    ("POST", f"{WORKSPACE}/conversations/{{conversation_id}}/messages"): "chat",
    ("POST", f"{WORKSPACE}/messages/{{message_id}}/regenerate"): "chat",
}
PATIENCE: Final = 0.5  # seconds for Redis to answer; requests do not wait longer for leave to go on
PAUSE: Final = 1.0  # seconds in which it is not asked again after it failed
KEY: Final = "rate_limits"

log = structlog.get_logger(__name__)


@define(eq=False)
class Rates:
    """The limits of one application; without a limiter there are none.

    While the limiter is away requests go on, which is logged once; only failed log-ins are counted meanwhile, by
    this process alone.
    """

    limiter: Limiter | None = None
    fallback: Limiter | None = None
    table: Mapping[str, Rate] = field(factory=dict)
    _away_until: float = 0.0
    _is_away: bool = False

    async def charge_address(self, connection: HTTPConnection, name: str) -> None:
        """For what is done by nobody known; `TooManyRequests` when over."""
        if self.limiter is not None:
            address = address_of(connection)
            await self._charge(connection.scope, [self._cost(name, address, address)])

    async def charge_identity(self, connection: HTTPConnection, identity: Identity) -> None:
        """For a request of somebody known, but for what is counted by workspace too."""
        name = class_of(connection.scope)
        if self.limiter is not None and f"{name}-workspace" not in self.table:
            who = _who(identity)
            await self._charge(connection.scope, [self._cost(name, who, who)])

    async def charge_workspace(self, connection: HTTPConnection, identity: Identity, workspace_id: object) -> None:
        """For what is counted by workspace: the person's share of it and the whole."""
        name = class_of(connection.scope)
        whole = f"{name}-workspace"
        if self.limiter is not None and whole in self.table:
            place = str(workspace_id)
            await self._charge(
                connection.scope, [self._cost(name, place, _who(identity)), self._cost(whole, place, "all")]
            )

    @asynccontextmanager
    async def guarding_login(self, connection: HTTPConnection, email: str) -> AsyncIterator[None]:
        """Count failures by account and address, and let nobody try who had too many; success forgets them."""
        if self.limiter is None:
            yield
            return
        address = address_of(connection)
        account = hashlib.sha256(email.strip().casefold().encode(errors="replace")).hexdigest()[:24]
        failure = self._cost("login-failures", address, account)
        peek = Charge(name=failure.name, key=failure.key, rate=failure.rate, cost=0)
        await self._charge(connection.scope, [self._cost("login", address, address), peek], strict=True)
        try:
            yield
        except InvalidCredentials:
            await self._spend([failure], strict=True)
            raise
        await self._forgive(failure.key)

    def _cost(self, name: str, place: str, who: str) -> Charge:
        return Charge(name=name, key=f"{name}:{{{place}}}:{who}", rate=self.table[name])

    async def _charge(self, scope: Scope, charges: Sequence[Charge], *, strict: bool = False) -> None:
        standing = await self._spend(charges, strict=strict)
        if standing is None:
            return
        scope[KEY] = standing
        if not standing.allowed:
            wait = max(1, ceil(standing.retry_after))
            raise TooManyRequests(
                f"Too many requests ({standing.charge.name}). Try again in {wait} seconds.", retry_after=wait
            )

    async def _spend(self, charges: Sequence[Charge], *, strict: bool) -> Standing | None:
        """None when nobody can tell; `strict` charges are then counted here."""
        if self.limiter is not None and monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE):
                    standing = await self.limiter.spend(charges)
            except (CacheUnavailable, TimeoutError):
                self._failed()
            else:
                self._answered()
                return standing
        return await self.fallback.spend(charges) if strict and self.fallback is not None else None

    async def _forgive(self, key: str) -> None:
        if self.fallback is not None:
            await self.fallback.forgive(key)
        if self.limiter is not None and monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.limiter.forgive(key)
            except (CacheUnavailable, TimeoutError):
                self._failed()

    def _failed(self) -> None:
        self._away_until = monotonic() + PAUSE
        if not self._is_away:
            self._is_away = True
            log.warning("rate_limits_off", reason="the limiter does not answer")

    def _answered(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("rate_limits_on")


def class_of(scope: Scope) -> str:
    """The limit that a route falls under."""
    method = scope["method"]
    path = getattr(scope.get("route"), "path", "")
    return CLASSES.get((method, path), "read" if method in {"GET", "HEAD"} else "write")


def address_of(connection: HTTPConnection) -> str:
    """The client's address; of IPv6 the network, since one client has all of it (RFC 6177)."""
    host = connection.client.host if connection.client else "-"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else address.exploded[:19] + "::/64"
    return host


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """What the client is told of the limit it fell under."""
    standing: Standing | None = scope.get(KEY)
    if standing is None:
        return {}
    name, rate = standing.charge.name, standing.charge.rate
    return {
        b"ratelimit-policy": f'"{name}";q={rate.quota};w={ceil(rate.window.total_seconds())}'.encode(),
        b"ratelimit": f'"{name}";r={standing.remaining};t={ceil(standing.retry_after or standing.reset)}'.encode(),
    }


def _who(identity: Identity) -> str:
    return str(identity.api_key_id or identity.user_id)


async def get_rates(connection: HTTPConnection) -> Rates:
    """Those of the application that serves this connection."""
    rates: Rates = connection.app.state.rates
    return rates


RatesDep = Annotated[Rates, Depends(get_rates)]


async def charge_open(connection: HTTPConnection, rates: RatesDep) -> None:
    """For routes that anybody may call."""
    await rates.charge_address(connection, "open")
