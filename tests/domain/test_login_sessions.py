from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import TokenReused, Unauthenticated
from domain.ids import SessionId, UserId
from domain.users import LoginSession
from tests.contracts.units import new_id

NOW = datetime(2026, 5, 4, tzinfo=UTC)
TTL = timedelta(days=30)


def a_session() -> LoginSession:
    return LoginSession(
        id=SessionId(new_id()),
        user_id=UserId(new_id()),
        token_hash=b"1",
        created_at=NOW,
        last_used_at=NOW,
        expires_at=NOW + TTL,
    )


def test_an_exchange_prolongs_the_session_and_notes_its_use() -> None:
    """Thirty days unused end it, not thirty days."""
    later = NOW + timedelta(days=29)
    rotated = a_session().rotate(presented=b"1", replacement=b"2", now=later, ttl=TTL)

    assert (later, later + TTL, later) == (rotated.last_used_at, rotated.expires_at, rotated.rotated_at)
    assert rotated.is_live(later + TTL - timedelta(seconds=1))
    assert not rotated.is_live(later + TTL)


def test_a_spent_token_is_refused_and_an_unknown_one_otherwise() -> None:
    """The first means a copy, the second only an end."""
    rotated = a_session().rotate(presented=b"1", replacement=b"2", now=NOW, ttl=TTL)

    with pytest.raises(TokenReused):
        rotated.rotate(presented=b"1", replacement=b"3", now=NOW, ttl=TTL)
    with pytest.raises(Unauthenticated, match="Log in again") as caught:
        rotated.rotate(presented=b"unknown", replacement=b"3", now=NOW, ttl=TTL)
    assert caught.value.slug == "invalid_token"


def test_a_retry_names_what_the_exchange_gave_within_ten_seconds() -> None:
    """Neither later, nor with another replacement, nor after the next exchange, nor in a session that is over."""
    rotated = a_session().rotate(presented=b"1", replacement=b"2", now=NOW, ttl=TTL)
    soon, late = NOW + timedelta(seconds=10), NOW + timedelta(seconds=10, microseconds=1)

    assert rotated.is_retry(presented=b"1", replacement=b"2", now=soon)
    assert not rotated.is_retry(presented=b"1", replacement=b"2", now=late)
    assert not rotated.is_retry(presented=b"1", replacement=b"3", now=soon)
    assert not rotated.is_retry(presented=b"2", replacement=b"2", now=soon)
    assert not rotated.revoked(NOW).is_retry(presented=b"1", replacement=b"2", now=soon)
    again = rotated.rotate(presented=b"2", replacement=b"3", now=NOW, ttl=TTL)
    assert not again.is_retry(presented=b"1", replacement=b"2", now=soon)


def test_revoking_twice_keeps_the_first_time() -> None:
    """The end of a session is a fact."""
    assert a_session().revoked(NOW).revoked(NOW + timedelta(hours=1)).revoked_at == NOW
