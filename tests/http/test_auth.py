import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
from attrs import evolve

from adapters.limits import ProcessLimiter
from adapters.security.passwords import Argon2Passwords
from application.assembly import assemble
from application.ports.limits import Rate
from application.use_cases import UseCases
from entrypoints.http.app import create_app
from entrypoints.http.rates import Rates
from entrypoints.rate_limits import DEFAULTS
from tests.fakes.assembly import Assembly
from tests.http.conftest import PASSWORD, Member, StandInContainer, join

ACCOUNT = {"email": "Ada@Example.org", "password": PASSWORD, "name": " Ada  Lovelace "}


async def test_registering_gives_a_user_who_owns_a_workspace(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/auth/register", json=ACCOUNT)

    assert response.status_code == 201
    assert response.json()["user"]["email"] == "ada@example.org"
    assert response.json()["user"]["name"] == "Ada Lovelace"
    assert response.json()["workspace"]["role"] == "owner"
    assert response.json()["user"]["created_at"].endswith("Z")


async def test_an_email_is_taken_once(http: httpx.AsyncClient) -> None:
    await http.post("/v1/auth/register", json=ACCOUNT)

    response = await http.post("/v1/auth/register", json=ACCOUNT | {"email": "ADA@example.ORG"})

    assert (response.status_code, response.json()["code"]) == (409, "email_taken")


async def test_a_weak_password_is_told_where_it_stands(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/auth/register", json=ACCOUNT | {"password": "short"})

    assert (response.status_code, response.json()["code"]) == (422, "weak_password")
    assert response.json()["errors"][0]["pointer"] == "/password"


async def test_wrong_password_and_unknown_user_are_told_the_same(http: httpx.AsyncClient, ada: Member) -> None:
    wrong = await http.post("/v1/auth/login", json={"email": ada.email, "password": "not this one"})
    unknown = await http.post("/v1/auth/login", json={"email": "nobody@example.org", "password": "not this one"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["code"] == "invalid_credentials"
    assert wrong.headers["www-authenticate"] == "Bearer"
    differing = {"request_id"}
    assert {k: v for k, v in wrong.json().items() if k not in differing} == {
        k: v for k, v in unknown.json().items() if k not in differing
    }


async def test_a_spent_refresh_token_ends_the_session(http: httpx.AsyncClient, ada: Member) -> None:
    fresh = (await http.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token})).json()

    again = await http.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token})
    ended = await http.get("/v1/me", headers={"Authorization": f"Bearer {fresh['access_token']}"})

    assert (again.status_code, again.json()["code"]) == (401, "token_reused")
    assert ended.status_code == 401


async def test_logging_out_ends_the_access_token(ada: Member) -> None:
    assert (await ada.call("GET", "/v1/me")).status_code == 200

    response = await ada.call("POST", "/v1/auth/logout", json={"refresh_token": ada.refresh_token})

    assert response.status_code == 204
    assert (await ada.call("GET", "/v1/me")).status_code == 401


async def test_profile_names_the_workspaces(ada: Member) -> None:
    profile = (await ada.call("GET", "/v1/me")).json()

    assert profile["email"] == ada.email
    assert [(f"/v1/workspaces/{place['id']}", place["role"]) for place in profile["workspaces"]] == [
        (ada.workspace, "owner")
    ]


async def test_two_people_have_two_workspaces(http: httpx.AsyncClient, ada: Member) -> None:
    bob = await join(http, "bob@example.org")

    response = await bob.call("GET", ada.workspace)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_flood_of_logins_is_bounded_and_disturbs_nobody(tmp_path: Path) -> None:
    """Fifty at once: some get in, the rest are told when to come back, and that is no failed attempt of theirs."""
    assembly = Assembly(root=tmp_path)
    passwords = Argon2Passwords(concurrency=1, most_waiting=9, memory_kib=1024)
    use_cases = assemble(evolve(assembly.ports(), passwords=passwords), assembly.policy)

    class Container(StandInContainer):
        def use_cases(self) -> UseCases:
            return use_cases

    rates = Rates(ProcessLimiter(), ProcessLimiter(), {**DEFAULTS, "login-failures": Rate(1, timedelta(hours=1))})
    app = create_app(Container(assembly), rates=rates)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        ada = await join(http, "ada@example.org")
        account = {"email": ada.email, "password": PASSWORD}
        flood = asyncio.gather(*(http.post("/v1/auth/login", json=account) for _ in range(50)))
        beside = [(await ada.call("GET", "/v1/me")).status_code for _ in range(20)]
        answers = await flood
        after = await http.post("/v1/auth/login", json=account)
    passwords.close()

    turned_away = [answer for answer in answers if answer.status_code != 200]
    assert len(answers) - len(turned_away) >= 10
    assert {(503, "too_busy", "3")} == {
        (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) for answer in turned_away
    }
    assert {200} == {after.status_code, *beside}


async def test_a_hash_of_other_parameters_is_made_again_at_the_next_login(ada: Member, assembly: Assembly) -> None:
    """Once: what is stored then is today's, and the password stays the same."""
    users = assembly.begin.database.table("users")
    [(key, user)] = users.items()
    older = Argon2Passwords(concurrency=1, memory_kib=512, time_cost=1)
    today = Argon2Passwords(concurrency=1, memory_kib=1024, time_cost=1)
    users[key] = evolve(user, password_hash=await older.hash(PASSWORD))
    log_in = evolve(assembly.use_cases.log_in, passwords=today)
    hashes = []
    for _ in range(2):
        await log_in(email=ada.email, password=PASSWORD)
        hashes.append(users[key].password_hash)
    older.close()
    today.close()

    assert "m=1024,t=1" in hashes[0]
    assert hashes[0] == hashes[1]
