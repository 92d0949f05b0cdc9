"""How many answers at once, how many tokens in a month, and what was used."""

import asyncio
from pathlib import Path

import pytest
from attrs import evolve

from application.answer_limits import AnswerLimits
from application.errors import ModelFailed
from application.ports.models import Stop, StopReason, UsagePart
from application.use_cases import Policy
from domain.conversations import Usage
from domain.usage import Price
from tests.fakes.assembly import Assembly
from tests.fakes.models import Pause, stop, text
from tests.http.conftest import MAX_UPLOAD, Member, ready_document

USED = Usage(input_tokens=100, output_tokens=50, cache_read_input_tokens=1000, cache_creation_input_tokens=10)
LIMITS = AnswerLimits(per_user=2, per_workspace=3, monthly_tokens_per_user=2000, monthly_tokens_per_workspace=None)
PRICES = {"fake": Price(input=2.0, output=10.0, cache_read=0.2, cache_write=2.5)}


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    policy = Policy(max_upload_bytes=MAX_UPLOAD, answer_limits=LIMITS, prices=PRICES)
    return Assembly(root=tmp_path / "files", policy=policy)


async def new_talk(member: Member) -> str:
    return f"conversations/{(await member.call('POST', 'conversations', json={})).json()['id']}/messages"


async def ask(member: Member, talk: str | None = None) -> int:
    path = talk or await new_talk(member)
    return (await member.call("POST", path, json={"content": "Hello?", "use_knowledge": False})).status_code


async def test_only_so_many_answers_at_once(ada: Member, assembly: Assembly) -> None:
    """One more is refused before the model is asked; when one has ended there is room again."""
    gate = Pause()
    for _ in range(2):
        assembly.model.script(text("One. "), [gate], text("Two."), stop())
    asking = [asyncio.create_task(ask(ada)) for _ in range(2)]
    async with asyncio.timeout(5):
        while assembly.use_cases.answer_runs.active < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    refused = await ada.call("POST", await new_talk(ada), json={"content": "Hello?"})

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_answers")
    assert int(refused.headers["retry-after"]) > 0
    assert len(assembly.model.requests) == 2
    gate.until.set()
    assert await asyncio.gather(*asking) == [201, 201]
    assert await ask(ada) == 201


async def test_a_used_up_quota_is_told_before_the_model_is_asked(ada: Member, bob: Member, assembly: Assembly) -> None:
    """The month's tokens of all kinds count; others go on; deleting a conversation gives nothing back."""
    talk = await new_talk(ada)
    for _ in range(2):
        assembly.model.script(text("Yes."), stop(usage=USED))
        assert await ask(ada, talk) == 201

    refused = await ada.call("POST", talk, json={"content": "Hello?"})

    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert int(refused.headers["retry-after"]) > 0
    assert len(assembly.model.requests) == 2
    await ada.call("DELETE", talk.removesuffix("/messages"))
    assert await ask(ada) == 429
    assert await ask(bob) == 201


async def test_what_was_used_is_shown_by_model_and_by_user(ada: Member, bob: Member, assembly: Assembly) -> None:
    """With its price, and with what is stored."""
    await ready_document(assembly, ada, "The notice period is three months.")
    assembly.model.script(text("Yes."), stop(usage=USED))
    await ask(ada)

    used = (await ada.call("GET", "usage")).json()

    assert used["total"] == {
        "answers": 1,
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 10,
        "cost_usd": pytest.approx((2 * 100 + 10 * 50 + 0.2 * 1000 + 2.5 * 10) / 1e6),
    }
    assert used["by_model"] == [{"model": "fake", **used["total"]}]
    assert [one["answers"] for one in used["by_user"]] == [1]
    assert (used["documents"], used["bytes"], used["chunks"]) == (1, 34, 1)
    past = await ada.call("GET", "usage", params={"from": "2020-01-01", "to": "2020-12-31"})
    assert past.json()["total"]["answers"] == 0
    for query in ({"from": "2021-01-01", "to": "2020-01-01"}, {"from": "x"}, {"from": "2000-01-01"}, {"to": "0"}):
        assert (await ada.call("GET", "usage", params=query)).status_code == 422
    assert (await bob.call("GET", f"{ada.workspace}/usage")).status_code == 404


async def test_an_answer_without_tokens_is_an_answer(ada: Member, assembly: Assembly) -> None:
    """As extractive ones are: it counts, and costs nothing."""
    assembly.model.script(text("Yes."), Stop(reason=StopReason.END_TURN, model="fake", usage=Usage()))
    await ask(ada)

    used = (await ada.call("GET", "usage")).json()

    assert (used["total"]["answers"], used["total"]["cost_usd"]) == (1, 0.0)


async def test_breaking_off_is_not_free(ada: Member, assembly: Assembly) -> None:
    """The cost of an answer that was cancelled is guessed from its text."""
    assembly.model.script(text("word " * 100), [Pause()])
    asking = asyncio.create_task(ask(ada))
    async with asyncio.timeout(5):
        while "content.delta" not in {e.name for run in assembly.run_log.runs.values() for e in run}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    [message_id] = assembly.run_log.runs
    await ada.call("POST", f"messages/{message_id}/cancel")
    await asking

    assert (await ada.call("GET", "usage")).json()["total"]["output_tokens"] > 100


async def test_what_broke_off_before_the_first_word_is_not_free(ada: Member, assembly: Assembly) -> None:
    """What the provider counted by then is paid for, and shown."""
    read = Usage(input_tokens=500, output_tokens=1, cache_read_input_tokens=40)
    assembly.model.script(UsagePart(usage=read), ModelFailed("It broke off.", code="model_cut_off", retryable=True))

    answer = (await ada.call("POST", await new_talk(ada), json={"content": "Hello?", "use_knowledge": False})).json()

    assert (answer["status"], answer["content"], answer["usage"]["input_tokens"]) == ("failed", "", 500)
    total = (await ada.call("GET", "usage")).json()["total"]
    assert (total["input_tokens"], total["output_tokens"], total["cache_read_input_tokens"]) == (500, 1, 40)


async def test_without_a_price_there_is_no_cost(ada: Member, assembly: Assembly) -> None:
    """Better none than a wrong one."""
    assembly.model.script(text("Yes."), evolve(stop(usage=USED), model="local-llama"))
    await ask(ada)

    assert (await ada.call("GET", "usage")).json()["total"]["cost_usd"] is None
