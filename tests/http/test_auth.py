import httpx

from tests.http.conftest import PASSWORD, Member, join

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
