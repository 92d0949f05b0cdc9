import asyncio
from datetime import timedelta

import httpx
import pytest
from attrs import evolve

from tests.fakes.assembly import Assembly
from tests.fakes.database import SESSIONS
from tests.http.conftest import PASSWORD, Member, join


async def log_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    return await http.post("/v1/auth/login", json={"email": email, "password": password}, headers=headers)


async def refresh(http: httpx.AsyncClient, token: str, attempt: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": attempt} if attempt else {}
    return await http.post("/v1/auth/refresh", json={"refresh_token": token}, headers=headers)


def bearer(pair: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair.json()['access_token']}"}


async def test_the_same_attempt_again_gives_the_same_refresh_token(http: httpx.AsyncClient, ada: Member) -> None:
    """A client whose answer got lost repeats its request and goes on."""
    first = await refresh(http, ada.refresh_token, "attempt-1")
    again = await refresh(http, ada.refresh_token, "attempt-1")

    assert first.status_code == again.status_code == 200
    assert first.json()["refresh_token"] == again.json()["refresh_token"]
    assert (await http.get("/v1/me", headers=bearer(again))).status_code == 200
    assert (await refresh(http, again.json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize("attempt", [None, "attempt-2"])
async def test_another_attempt_with_a_spent_token_ends_the_session(
    http: httpx.AsyncClient, ada: Member, attempt: str | None
) -> None:
    """Who does not know the first attempt's word is somebody else."""
    first = await refresh(http, ada.refresh_token, "attempt-1")
    again = await refresh(http, ada.refresh_token, attempt)

    assert (again.status_code, again.json()["code"]) == (401, "token_reused")
    assert (await http.get("/v1/me", headers=bearer(first))).status_code == 401
    assert (await refresh(http, first.json()["refresh_token"])).status_code == 401


async def test_the_same_attempt_after_ten_seconds_ends_the_session(
    http: httpx.AsyncClient, ada: Member, assembly: Assembly
) -> None:
    """By then the answer has arrived or the client has asked again."""
    await refresh(http, ada.refresh_token, "attempt-1")
    sessions = assembly.begin.database.table(SESSIONS)
    for key, session in sessions.items():
        sessions[key] = evolve(session, rotated_at=session.rotated_at - timedelta(seconds=11))

    again = await refresh(http, ada.refresh_token, "attempt-1")

    assert (again.status_code, again.json()["code"]) == (401, "token_reused")


async def test_of_many_that_hold_one_token_exactly_one_wins(http: httpx.AsyncClient, ada: Member) -> None:
    """And the session is over, because the others prove that copies are about."""
    answers = await asyncio.gather(*(refresh(http, ada.refresh_token) for _ in range(8)))

    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert all(answer.json()["code"] in {"token_reused", "invalid_token"} for answer in answers if answer not in won)
    assert (await http.get("/v1/me", headers=bearer(won[0]))).status_code == 401


async def test_login_sessions_are_listed_with_their_devices(http: httpx.AsyncClient, ada: Member) -> None:
    """Newest first, in pages, the one that asks marked, and nobody else's."""
    await join(http, "bob@example.org")
    await log_in(http, ada.email, **{"User-Agent": "Phone/1.0"})

    first = (await ada.call("GET", "/v1/me/sessions?limit=1")).json()
    rest = (await ada.call("GET", f"/v1/me/sessions?cursor={first['next_cursor']}")).json()

    assert [(one["device"], one["current"]) for one in first["items"]] == [("Phone/1.0", False)]
    assert [one["current"] for one in rest["items"]] == [True]
    assert rest["next_cursor"] is None


async def test_a_session_is_revoked_by_its_owner_only(http: httpx.AsyncClient, ada: Member, bob: Member) -> None:
    """Its tokens stop working at once; another's session does not exist."""
    phone = await log_in(http, ada.email)
    sessions = (await ada.call("GET", "/v1/me/sessions")).json()["items"]
    path = next(f"/v1/me/sessions/{one['id']}" for one in sessions if not one["current"])
    assert (await http.get("/v1/me", headers=bearer(phone))).status_code == 200
    assert (await ada.call("GET", path)).json()["id"] in path

    assert (await bob.call("DELETE", path)).status_code == 404
    assert (await bob.call("GET", path)).status_code == 404
    assert (await http.get("/v1/me", headers=bearer(phone))).status_code == 200
    assert (await ada.call("DELETE", path)).status_code == 204

    assert (await http.get("/v1/me", headers=bearer(phone))).status_code == 401
    assert (await refresh(http, phone.json()["refresh_token"])).status_code == 401
    assert (await ada.call("DELETE", path)).status_code == 404
    assert (await ada.call("GET", "/v1/me")).status_code == 200


async def test_another_password_ends_every_other_session(http: httpx.AsyncClient, ada: Member) -> None:
    """This one goes on, the old password opens nothing."""
    phone = await log_in(http, ada.email)
    body = {"current_password": PASSWORD, "new_password": "a wholly different phrase"}

    assert (await ada.call("POST", "/v1/auth/password", json=body)).status_code == 204

    assert (await ada.call("GET", "/v1/me")).status_code == 200
    assert (await http.get("/v1/me", headers=bearer(phone))).status_code == 401
    assert (await log_in(http, ada.email)).status_code == 401
    assert (await log_in(http, ada.email, "a wholly different phrase")).status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "expected"),
    [
        ("not this one", "a wholly different phrase", (401, "invalid_credentials")),
        (PASSWORD, "short", (422, "weak_password")),
        (PASSWORD, "password1234", (422, "weak_password")),
    ],
)
async def test_a_password_is_not_changed_on_wrong_words(
    ada: Member, http: httpx.AsyncClient, current: str, new: str, expected: tuple[int, str]
) -> None:
    """The present one is asked for, and the next must be good."""
    answer = await ada.call("POST", "/v1/auth/password", json={"current_password": current, "new_password": new})

    assert expected == (answer.status_code, answer.json()["code"])
    assert (await log_in(http, ada.email)).status_code == 200
