"""A long run with everything in it that must be in no log: passwords, tokens, keys, questions, text of documents."""

import io
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from tests.fakes.assembly import Assembly
from tests.http.conftest import PASSWORD, StandInContainer, join

TEXT = "velvet-umbrella"  # of a document
QUESTION = "zebrafish-question"
TYPED = "typed-by-mistake"  # what somebody wrote where it did not belong


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """All lines with all facts and traces, ours before anything is masked and the libraries', at the lowest level."""
    told = io.StringIO()

    def keep(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        told.write(repr(dict(event)) + "\n")
        return event

    caplog.set_level(logging.DEBUG)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, keep]):
        yield told
    told.write(caplog.text)


async def test_a_long_run_tells_no_secret(
    http: httpx.AsyncClient,
    assembly: Assembly,
    everything_logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever works, fails, is malformed or breaks: the log and the audit log know that it happened, and no more."""
    ada = await join(http, "ada@example.org")
    secrets = [PASSWORD, TEXT, QUESTION, TYPED, ada.refresh_token, ada.headers["Authorization"].split()[1]]

    pair = (await http.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token})).json()
    await http.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token})  # a copy: the session is over
    secrets += [pair["refresh_token"], pair["access_token"]]
    again = (await http.post("/v1/auth/login", json={"email": ada.email, "password": PASSWORD})).json()
    secrets += [again["refresh_token"], again["access_token"]]
    ada.headers["Authorization"] = f"Bearer {again['access_token']}"

    for email in (ada.email, "nobody@example.org", f"{TYPED}@"):
        await http.post("/v1/auth/login", json={"email": email, "password": f"{TYPED} {TYPED}"})
    await http.get("/v1/me", headers={"Authorization": f"Bearer {TYPED}"})
    await http.get("/v1/me", headers={"Authorization": f"Bearer rrk_{TYPED}"})
    await ada.call("POST", "/v1/auth/ws-ticket", headers={"X-Request-Id": f"{TYPED} is none"})
    key = (await ada.call("POST", "api-keys", json={"name": "K", "scopes": ["read"]})).json()["key"]
    invited = (await ada.call("POST", "invitations", json={"email": "b@example.org", "role": "viewer"})).json()["token"]
    ticket = (await ada.call("POST", "/v1/auth/ws-ticket")).json()["ticket"]
    secrets += [key, invited, ticket]

    for body in ({"name": {TYPED: TYPED}}, {"name": f"{TYPED}\0"}, {"password": TYPED, "email": 7, "name": [TYPED]}):
        for path in ("/v1/auth/register", "/v1/auth/login", "/v1/auth/password", f"{ada.workspace}/api-keys"):
            await ada.call("POST", path, json=body)
    await ada.call(
        "POST", "search", content=b'{"query": "' + TYPED.encode(), headers={"Content-Type": "application/json"}
    )
    await ada.call("GET", "documents", params={"q": TYPED, "cursor": TYPED, "tag": TYPED})
    await ada.call("GET", f"/v1/{TYPED}")

    await ada.upload(f"The {TEXT} stands in the hall.".encode(), name=f"{TEXT}.txt", metadata=f"[{TYPED}")
    await ada.upload(f"The {TEXT} stands in the hall.".encode(), title=TEXT)
    await assembly.worker().drain()
    talk = (await ada.call("POST", "conversations", json={"title": QUESTION})).json()["id"]
    await ada.call("POST", "search", json={"query": f"{TEXT} {QUESTION}"})
    await ada.call("POST", f"conversations/{talk}/messages", json={"content": f"{QUESTION}: {TEXT}?"})

    assembly.embedder.down = True
    await ada.call("POST", "search", json={"query": QUESTION, "mode": "semantic"})
    assembly.embedder.down = False
    with monkeypatch.context() as broken:

        def use_cases(_: StandInContainer) -> None:
            password = token = f"{TYPED} in a variable"  # noqa: F841 traces must not draw it
            raise RuntimeError("a defect")

        broken.setattr(StandInContainer, "use_cases", use_cases)
        assert (await ada.call("POST", "search", json={"query": QUESTION})).status_code == 500

    audit = (await ada.call("GET", "audit-log", params={"limit": 200})).text
    told = everything_logged.getvalue()
    assert "request_broke" in told
    assert "a defect" in told
    assert "api_key" in audit
    assert [] == [secret for secret in secrets if secret in told]
    assert [] == [secret for secret in secrets if secret in audit]
