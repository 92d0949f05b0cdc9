import asyncio
from typing import Any

import pytest

from application.errors import ModelUnavailable
from application.ports.models import BlockStarted, TextPart
from tests.fakes.assembly import Assembly
from tests.fakes.models import Pause, stop, text
from tests.http.checker import events
from tests.http.conftest import Member, ready_document

TEXT = "The notice period is three months. It begins with the month that follows."
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def talk(ada: Member) -> str:
    """The path of a new conversation's messages."""
    made = await ada.call("POST", "conversations", json={})
    return f"conversations/{made.json()['id']}/messages"


async def test_conversations_are_ones_own(ada: Member, bob: Member) -> None:
    made = await ada.call("POST", "conversations", json={"title": " Notice  periods ", "instructions": "Be brief."})
    url = f"conversations/{made.json()['id']}"

    assert (made.status_code, made.json()["title"]) == (201, "Notice periods")
    assert (await ada.call("GET", url)).json() == made.json()
    assert [item["id"] for item in (await ada.call("GET", "conversations")).json()["items"]] == [made.json()["id"]]
    assert (await bob.call("GET", url)).status_code == 404
    assert (await bob.call("GET", "conversations")).json()["items"] == []


async def test_an_answer_as_one_message(ada: Member, assembly: Assembly, talk: str) -> None:
    document = await ready_document(assembly, ada, TEXT)

    response = await ada.call("POST", talk, json={"content": "What is the notice period?"})

    answer = response.json()
    assert (response.status_code, answer["status"], answer["role"]) == (201, "complete", "assistant")
    [citation, *_] = answer["citations"]
    assert citation["document_id"] == document["id"]
    assert citation["quote"] in TEXT
    assert answer["content"][citation["from"] : citation["to"]].strip()
    assert (await ada.call("GET", response.headers["location"])).json() == answer
    listed = (await ada.call("GET", talk)).json()["items"]
    assert [message["role"] for message in listed] == ["user", "assistant"]
    assert (await ada.call("GET", talk.removesuffix("/messages"))).json()["title"] == "What is the notice period?"


async def test_an_answer_as_a_stream(ada: Member, assembly: Assembly, talk: str) -> None:
    await ready_document(assembly, ada, TEXT)

    response = await ada.call("POST", talk, json={"content": "What is the notice period?"}, headers=STREAM)

    told = events(response.text)
    names = [name for _, name, _ in told]
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert names[:3] == ["message.created", "retrieval.started", "retrieval.completed"]
    assert names.count("message.completed") == 1
    assert names[-1] == "message.completed"
    deltas = "".join(data["text"] for _, name, data in told if name == "content.delta")
    message = told[-1][2]["message"]
    assert deltas == message["content"]
    assert [data for _, name, data in told if name == "citation"] == message["citations"]


async def test_a_stream_is_taken_up_again_to_the_letter(ada: Member, assembly: Assembly, talk: str) -> None:
    await ready_document(assembly, ada, TEXT)
    whole = events((await ada.call("POST", talk, json={"content": "Notice period?"}, headers=STREAM)).text)
    url = f"messages/{whole[-1][2]['message']['id']}/stream"

    async def again(last: str | None) -> list[Any]:
        headers = {} if last is None else {"Last-Event-ID": last}
        return events((await ada.call("GET", url, headers=headers)).text)

    assert await again(None) == whole
    assert await again("3") == whole[3:]
    for bad in ("x", "-1", "9" * 30, ""):
        assert await again(bad) == whole


async def test_words_of_any_script_pass_unharmed(ada: Member, assembly: Assembly, talk: str) -> None:
    assembly.model.script(text("Zeile\n\nzwei \u2028 日本 🍵\r\ndata: x"), stop())

    told = events((await ada.call("POST", talk, json={"content": "?!"}, headers=STREAM)).text)

    assert told[-1][2]["message"]["content"] == "Zeile\n\nzwei \u2028 日本 🍵\r\ndata: x"


async def test_nothing_begun_is_a_503(ada: Member, assembly: Assembly, talk: str) -> None:
    assembly.model.refusals.append(ModelUnavailable("The model's provider is overloaded."))

    response = await ada.call("POST", talk, json={"content": "Hello?", "use_knowledge": False})

    assert (response.status_code, response.json()["code"]) == (503, "llm_unavailable")
    assert response.headers["retry-after"]


async def test_what_was_begun_is_given(ada: Member, assembly: Assembly, talk: str) -> None:
    """A model that breaks off after its first words fails the message, not the request."""
    assembly.model.script(BlockStarted(), TextPart(text="So far"), ModelUnavailable("gone"))

    response = await ada.call("POST", talk, json={"content": "Hello?", "use_knowledge": False})

    assert (response.status_code, response.json()["status"], response.json()["content"]) == (201, "failed", "So far")
    assert response.json()["error"]["retryable"] is True


async def test_a_cancelled_answer_keeps_what_it_has(ada: Member, assembly: Assembly, talk: str) -> None:
    assembly.model.script(BlockStarted(), TextPart(text="So far"), Pause())
    asking = asyncio.create_task(ada.call("POST", talk, json={"content": "Hello?"}, headers=STREAM))
    async with asyncio.timeout(10):
        while "content.delta" not in {event.name for run in assembly.run_log.runs.values() for event in run}:  # noqa: ASYNC110 the log tells nobody that it grew
            await asyncio.sleep(0.01)
    items = (await ada.call("GET", talk)).json()["items"]
    busy = await ada.call("POST", talk, json={"content": "And?"})
    cancelled = await ada.call("POST", f"messages/{items[1]['id']}/cancel")

    told = events((await asking).text)
    assert (busy.status_code, busy.json()["code"]) == (409, "answer_in_progress")
    assert cancelled.status_code == 202
    assert told[-1][1] == "message.completed"
    assert tuple(told[-1][2]["message"][key] for key in ("status", "content")) == ("cancelled", "So far")
    again = await ada.call("POST", f"messages/{items[1]['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (202, "cancelled")


@pytest.mark.parametrize("content", ["", "   ", "x" * 100_001, 7, None])
async def test_what_is_no_question(ada: Member, talk: str, content: Any) -> None:
    response = await ada.call("POST", talk, json={"content": content})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/content"


async def test_what_was_deleted_is_cited_no_more(ada: Member, assembly: Assembly, talk: str) -> None:
    """Whether the reader may read a cited document is asked when the message is read."""
    document = await ready_document(assembly, ada, TEXT)
    answer = (await ada.call("POST", talk, json={"content": "What is the notice period?"})).json()
    assert answer["citations"]

    await ada.call("DELETE", f"documents/{document['id']}")

    assert (await ada.call("GET", f"messages/{answer['id']}")).json() == answer | {"citations": []}
    assert (await ada.call("GET", talk)).json()["items"][1]["citations"] == []


async def test_messages_of_others_are_not_there(ada: Member, bob: Member, talk: str) -> None:
    answer = (await ada.call("POST", talk, json={"content": "Hello?"})).json()["id"]

    for method, path in (("GET", ""), ("GET", "/stream"), ("POST", "/cancel")):
        assert (await bob.call(method, f"messages/{answer}{path}")).status_code == 404
    assert (await bob.call("POST", talk, json={"content": "Hello?"})).status_code == 404


async def test_a_question_is_no_answer(ada: Member, talk: str) -> None:
    """It can be neither followed nor stopped, and both are told so."""
    asked = await ada.call("POST", talk, json={"content": "May it be?"})
    question = asked.json()["parent_id"]

    followed = await ada.call("GET", f"messages/{question}/stream")
    stopped = await ada.call("POST", f"messages/{question}/cancel")

    assert [(409, "not_an_answer")] * 2 == [(each.status_code, each.json()["code"]) for each in (followed, stopped)]
