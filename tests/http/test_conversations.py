"""Conversations as trees of messages: changed, searched, kept and thrown away."""

import asyncio
import re

import pytest

from application.errors import ModelUnavailable
from tests.fakes.assembly import Assembly
from tests.fakes.models import Pause, stop, text
from tests.http.checker import events
from tests.http.conftest import Member, ready_document

TEXT = "The notice period is three months. It begins with the month that follows."
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def talk(ada: Member) -> str:
    """The path of a new conversation."""
    return f"conversations/{(await ada.call('POST', 'conversations', json={})).json()['id']}"


async def test_a_conversation_is_changed_by_whoever_read_it_last(ada: Member, bob: Member, talk: str) -> None:
    """A member left out stays, null takes away; a stale version is refused; nobody else finds it."""
    first = await ada.call("GET", talk)
    changed = await ada.call(
        "PATCH",
        talk,
        json={"title": "Notice", "instructions": "Be brief."},
        headers={"If-Match": first.headers["etag"]},
    )

    assert (changed.status_code, changed.json()["title"], changed.json()["version"]) == (200, "Notice", 2)
    stale = await ada.call("PATCH", talk, json={"title": "No"}, headers={"If-Match": first.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    cleared = (await ada.call("PATCH", talk, json={"instructions": None})).json()
    assert (cleared["instructions"], cleared["title"]) == (None, "Notice")
    assert (await ada.call("PATCH", talk, json={"title": "x" * 201})).status_code == 422
    assert (await ada.call("PATCH", talk, json={"collection_ids": [talk[-36:]]})).status_code == 404
    for method in ("PATCH", "DELETE"):
        assert (await bob.call(method, talk, json={})).status_code == 404


async def test_a_deleted_conversation_is_gone(ada: Member, assembly: Assembly, talk: str) -> None:
    """With its messages, and with the answer that was being written."""
    answer = (await ada.call("POST", f"{talk}/messages", json={"content": "Hello?"})).json()
    assembly.model.script(text("Going on"), [Pause()])
    writing = asyncio.create_task(ada.call("POST", f"{talk}/messages", json={"content": "And?"}, headers=STREAM))
    async with asyncio.timeout(5):
        while assembly.use_cases.answer_runs.active == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    stale = await ada.call("DELETE", talk, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    assert (await ada.call("DELETE", talk)).status_code == 204
    async with asyncio.timeout(10):
        await writing
    for path in (talk, f"{talk}/messages", f"{talk}/export", f"messages/{answer['id']}"):
        assert (await ada.call("GET", path)).status_code == 404


async def test_an_answer_is_written_again_beside_the_first(ada: Member, assembly: Assembly, talk: str) -> None:
    """Both have the same parent; the model is asked the same question with the same history."""
    assembly.model.script(text("First."), stop())
    assembly.model.script(text("Second."), stop())
    assembly.model.script(text("Third."), stop())
    await ada.call("POST", f"{talk}/messages", json={"content": "Hello?"})
    second = (await ada.call("POST", f"{talk}/messages", json={"content": "And?"})).json()

    again = await ada.call("POST", f"messages/{second['id']}/regenerate")

    assert (again.status_code, again.json()["content"]) == (201, "Third.")
    assert again.json()["parent_id"] == second["parent_id"]
    [_, before, after] = assembly.model.requests
    assert before.question == after.question
    assert before.history == after.history
    told = events((await ada.call("POST", f"messages/{second['id']}/regenerate", headers=STREAM)).text)
    assert told[-1][1] == "message.completed"
    question = await ada.call("POST", f"messages/{second['parent_id']}/regenerate")
    assert (question.status_code, question.json()["code"]) == (409, "not_an_answer")


async def test_an_edited_question_begins_a_branch(ada: Member, assembly: Assembly, talk: str) -> None:
    """It follows what the first had followed, and knows nothing of what came after."""
    for words in ("First.", "Second.", "Edited."):
        assembly.model.script(text(words), stop())
    first = (await ada.call("POST", f"{talk}/messages", json={"content": "One?"})).json()
    await ada.call("POST", f"{talk}/messages", json={"content": "Two?"})

    await ada.call("POST", f"{talk}/messages", json={"content": "Two, but better?", "parent_id": first["id"]})

    assert [turn.text for turn in assembly.model.requests[-1].history] == ["One?", "First."]
    items = (await ada.call("GET", f"{talk}/messages")).json()["items"]
    assert [item["content"] for item in items if item["parent_id"] == first["id"]] == ["Two?", "Two, but better?"]


async def test_the_first_question_is_edited_too(ada: Member, bob: Member, assembly: Assembly, talk: str) -> None:
    """An edited question follows what the first version follows: nothing, where that began the talk."""
    for words in ("First.", "Second.", "Edited.", "Better."):
        assembly.model.script(text(words), stop())
    first = (await ada.call("POST", f"{talk}/messages", json={"content": "One?"})).json()
    second = (await ada.call("POST", f"{talk}/messages", json={"content": "Two?"})).json()
    url = f"{talk}/messages"

    edited = await ada.call("POST", url, json={"content": "One, but better?", "edits": first["parent_id"]})
    better = await ada.call("POST", url, json={"content": "Two, but better?", "edits": second["parent_id"]})

    asked = {item["id"]: item for item in (await ada.call("GET", url)).json()["items"]}
    assert asked[edited.json()["parent_id"]]["parent_id"] is None
    assert asked[better.json()["parent_id"]]["parent_id"] == first["id"]
    assert [[turn.text for turn in request.history] for request in assembly.model.requests[2:]] == [
        [],
        ["One?", "First."],
    ]
    wrong = {"content": "Three?", "edits": first["id"]}
    assert (await ada.call("POST", url, json=wrong)).json()["code"] == "not_a_question"
    both = {"content": "Three?", "edits": first["parent_id"], "parent_id": first["id"]}
    assert (await ada.call("POST", url, json=both)).status_code == 422
    elsewhere = (await ada.call("POST", "conversations", json={})).json()["id"]
    strange = await ada.call(
        "POST", f"conversations/{elsewhere}/messages", json={"content": "One?", "edits": first["parent_id"]}
    )
    assert strange.status_code == 404


async def test_another_answer_may_read_something_else(ada: Member, assembly: Assembly, talk: str) -> None:
    """Filters and whether documents are searched are chosen anew, as for a question."""
    document = await ready_document(assembly, ada, TEXT)
    answer = (await ada.call("POST", f"{talk}/messages", json={"content": "What is the notice period?"})).json()
    url = f"messages/{answer['id']}/regenerate"

    plain = await ada.call("POST", url, json={"use_knowledge": False})
    other = await ada.call("POST", url, json={"filters": {"tags": ["no such tag"]}})
    same = await ada.call("POST", url, json={"filters": {"document_ids": [document["id"]]}})

    given = [[one.passage.document.id for one in request.sources] for request in assembly.model.requests[1:]]
    assert [plain.status_code, other.status_code, same.status_code] == [201] * 3
    assert [[], []] == given[:2]
    assert {str(one) for one in given[2]} == {document["id"]}


async def test_what_people_think_of_answers(ada: Member, bob: Member, assembly: Assembly, talk: str) -> None:
    """The newest rating counts; questions and other people's answers are not rated."""
    answer = (await ada.call("POST", f"{talk}/messages", json={"content": "Hello?"})).json()
    url = f"messages/{answer['id']}/feedback"

    assert (await ada.call("PUT", url, json={"rating": "up"})).status_code == 204
    assert (await ada.call("PUT", url, json={"rating": "down", "comment": " Wrong page. "})).status_code == 204
    [given] = assembly.begin.database.table("feedback").values()
    assert (given.rating.value, given.comment) == ("down", "Wrong page.")
    for body in ({"rating": "meh"}, {"rating": "up", "comment": "x" * 2001}, {}):
        assert (await ada.call("PUT", url, json=body)).status_code == 422
    question = f"messages/{answer['parent_id']}/feedback"
    assert (await ada.call("PUT", question, json={"rating": "up"})).status_code == 422
    assert (await bob.call("PUT", url, json={"rating": "up"})).status_code == 404


async def test_a_conversation_is_exported_with_its_citations(ada: Member, assembly: Assembly, talk: str) -> None:
    """As Markdown with a note for each claim, as JSON in the shapes of the API; without what may not be read."""
    document = await ready_document(assembly, ada, TEXT)
    answer = (await ada.call("POST", f"{talk}/messages", json={"content": "What is the notice period?"})).json()

    markdown = await ada.call("GET", f"{talk}/export")
    told = await ada.call("GET", f"{talk}/export", params={"format": "json"})

    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.text.startswith("# What is the notice period?\n")
    assert "## Answer" in markdown.text
    assert markdown.text.count("[^1]") == 2
    assert "three months" in markdown.text
    assert told.json()["messages"][1] == answer
    assert told.json()["conversation"] == (await ada.call("GET", talk)).json()
    assert (await ada.call("GET", f"{talk}/export", params={"format": "pdf"})).status_code == 422
    await ada.call("DELETE", f"documents/{document['id']}")
    assert document["title"] not in (await ada.call("GET", f"{talk}/export")).text.replace(answer["content"], "")


async def test_an_exported_talk_reads_as_it_went(ada: Member, assembly: Assembly, talk: str) -> None:
    """Each note is defined once in the whole document, branches say what they follow, failures say why."""
    await ready_document(assembly, ada, TEXT)
    first = (await ada.call("POST", f"{talk}/messages", json={"content": "What is the notice period?"})).json()
    await ada.call("POST", f"{talk}/messages", json={"content": "Who may give notice?"})
    branch = {"content": "What is the notice period again?", "parent_id": first["id"]}
    await ada.call("POST", f"{talk}/messages", json=branch)
    assembly.model.script(ModelUnavailable("It is overloaded."))
    await ada.call("POST", f"{talk}/messages", json={"content": "Once more?"})

    exported = (await ada.call("GET", f"{talk}/export")).text

    notes = re.findall(r"^\[\^(\d+)\]: ", exported, re.MULTILINE)
    cited = sum(len(item["citations"]) for item in (await ada.call("GET", f"{talk}/messages")).json()["items"])
    assert notes == [str(number) for number in range(1, cited + 1)]
    assert cited >= 2
    assert all(exported.count(f"[^{number}]") == 2 for number in notes)
    begun = " ".join(first["content"].split())[:20]
    assert re.findall(r"UTC, after “(.*)”\*", exported)[0].startswith(begun)
    assert "## Answer (failed)" in exported
    assert "> It is overloaded." in exported


async def test_search_in_ones_own_conversations(ada: Member, bob: Member, assembly: Assembly) -> None:
    """By words of the title or of any message, in any case; signs mean themselves; cursors fit their search."""
    ids = []
    for question in ("When does water boil?", "100% of what?", "Who is Ada?"):
        talk = (await ada.call("POST", "conversations", json={})).json()["id"]
        assembly.model.script(text("It is the Kettle."), stop())
        await ada.call("POST", f"conversations/{talk}/messages", json={"content": question})
        ids.append(talk)

    async def found(q: str, who: Member = ada) -> list[str]:
        return [item["id"] for item in (await who.call("GET", "conversations", params={"q": q})).json()["items"]]

    assert await found("WATER") == [ids[0]]
    assert await found("100%") == [ids[1]]
    assert await found("kettle") == ids[::-1]
    assert await found("zebra") == []
    assert await found("kettle", bob) == []
    page = (await ada.call("GET", "conversations", params={"q": "kettle", "limit": 2})).json()
    cursor = page["next_cursor"]
    rest = (await ada.call("GET", "conversations", params={"q": "kettle", "limit": 2, "cursor": cursor})).json()
    assert [item["id"] for item in rest["items"]] == [ids[0]]
    assert (await ada.call("GET", "conversations", params={"q": "ada", "cursor": cursor})).status_code == 422
