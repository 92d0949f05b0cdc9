"""Every way in which the language model can fail, tried over HTTP: what a person is told, and what is kept.

``python -m benchmarks.failures [NAME …]`` starts a server with the emulated Messages API behind it, asks one question a
scenario, as a stream and as one call, and prints a line or two on each. The exit code is 1 when a stream did not end
with exactly one last event, or told another text than was stored.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.service import STREAM, Service, running

Scenario = dict[str, Any]
QUESTION = {"content": "How often is the seal of machine 7 inspected?"}
LAST = ("message.completed", "message.failed")
LONG = {"text": "A longer answer, told word by word, goes on for a while."}
SLOW = ("hang", "stall")  # minutes, not seconds
WITH_HISTORY = ("context window, then well",)  # asked after two other questions: there is something to leave out


def fault(kind: str, **more: Any) -> Scenario:
    """On the wire; after the tenth frame where it is inside of a stream."""
    return {"reply": "text", "options": LONG, "fault": {"kind": kind, "after": 10, **more}}


def status(number: int, kind: str, *, times: int = 9, **more: Any) -> Scenario:
    """Refused, as often as it is tried again."""
    return {"fault": {"kind": "status", "status": number, "error_type": kind, **more}, "times": times}


SCENARIOS: dict[str, list[Scenario]] = {
    "happy": [{}],
    "400": [status(400, "invalid_request_error")],
    "401": [status(401, "authentication_error")],
    "402": [status(402, "billing_error")],
    "403": [status(403, "permission_error")],
    "404": [status(404, "not_found_error")],
    "408": [status(408, "timeout_error")],
    "409": [status(409, "conflict_error")],
    "413": [status(413, "request_too_large")],
    "422": [status(422, "invalid_request_error")],
    "429, retry-after 3600": [status(429, "rate_limit_error", headers={"retry-after": "3600"})],
    "429, retry-after 1, then well": [status(429, "rate_limit_error", times=1, headers={"retry-after": "1"})],
    "429, retry-after-ms 200, then well": [status(429, "rate_limit_error", times=1, headers={"retry-after-ms": "200"})],
    "429, spend limit": [status(429, "rate_limit_error", error_code="enforced_spend_limit_reached")],
    "429, x-should-retry false": [status(429, "rate_limit_error", headers={"x-should-retry": "false"})],
    "500": [status(500, "api_error")],
    "503": [status(503, "api_error")],
    "504": [status(504, "timeout_error")],
    "529": [status(529, "overloaded_error")],
    "529 twice, then well": [status(529, "overloaded_error", times=2)],
    "502 as HTML": [{**fault("html", status=502), "times": 9}],
    "200 as HTML": [{**fault("html", status=200), "times": 9}],
    "200 with broken JSON": [{**fault("bad_json", status=200), "times": 9}],
    "hang": [{**fault("hang"), "times": 9}],
    "stall": [fault("stall")],
    "error event at first": [{**fault("error_event", error_type="overloaded_error"), "times": 9}],
    "error event at once": [
        {"fault": {"kind": "error_event", "after": 0, "error_type": "overloaded_error"}, "times": 9}
    ],
    "error event inside": [fault("error_event", error_type="overloaded_error")],
    "FIN": [fault("fin")],
    "RST": [fault("rst")],
    "FIN at once": [{**fault("fin"), "fault": {"kind": "fin", "after": 0}, "times": 9}],
    "truncated": [fault("truncated")],
    "malformed": [fault("malformed")],
    "no event lines": [{**fault("no_event_lines"), "times": 9}],
    "a byte at a time, CRLF, comments": [{"framing": {"dribble": True, "crlf": True, "comments": True}}],
    "pings": [{"reply": "text", "options": LONG, "delay": 0.05, "framing": {"ping_every": 0.01}}],
    "refusal before": [{"reply": "refusal"}],
    "refusal inside": [{"reply": "refusal", "options": {"text": "To begin with, one takes"}}],
    "max_tokens": [{"reply": "max_tokens"}],
    "stop_sequence": [{"reply": "stop_sequence"}],
    "context window": [{"reply": "context_window", "options": {"text": ""}, "times": 2}],
    "context window, then well": [{"reply": "context_window", "options": {"text": ""}}],
    "pause_turn": [{"reply": "pause_turn"}],
    "pause_turn for ever": [{"reply": "pause_turn", "times": 9}],
    "no content": [{"reply": "no_content"}],
    "unknown everything": [{"reply": "unknown"}],
    "thinking": [{"reply": "thinking"}],
    "redacted thinking": [{"reply": "thinking", "options": {"display": "redacted"}}],
    "tool": [{"reply": "tool_use"}],
    "tool, parallel": [{"reply": "tool_use", "options": {"inputs": [{"query": "seal"}, {"query": "machine 8"}]}}],
    "tool, bad JSON": [{"reply": "tool_use", "options": {"inputs": ['{"query": "se']}}],
    "tool, for ever": [{"reply": "tool_use", "times": 9}],
    "tool cut by max_tokens": [
        {"reply": "tool_use", "options": {"inputs": ['{"query": "se'], "stop_reason": "max_tokens"}}
    ],
    "uncited": [{"reply": "uncited"}],
    "citation of an unknown source": [{"reply": "bad_citation", "options": {"how": "unknown_source"}}],
    "citation out of range": [{"reply": "bad_citation", "options": {"how": "out_of_range"}}],
    "citation of other words": [{"reply": "bad_citation", "options": {"how": "wrong_text"}}],
    "citations after their text": [{"options": {"text_first": True}}],
}


async def streamed(service: Service, talk: str) -> tuple[list[str], bool]:
    """What the stream told, and whether that was in order."""
    began, rest, events = time.monotonic(), "", []
    async with service.http.stream("POST", talk, json=QUESTION, headers=STREAM) as response:
        if response.status_code != 200:  # noqa: PLR2004
            return [f"{response.status_code} {(await response.aread()).decode()[:300]}"], True
        async for text in response.aiter_text():
            *frames, rest = (rest + text).split("\n\n")
            lines = [frame.split("\n") for frame in frames if frame.startswith("event: ")]
            events += [(name[7:], json.loads(data[6:])) for name, _, data in lines]
    took = time.monotonic() - began
    last = events[-1][1]["message"]
    told = "".join(data["text"] for name, data in events if name == "content.delta")
    stored = (await service.http.get(f"{service.path}/messages/{last['id']}")).json()
    counts = Counter(name for name, _ in events)
    good = [name for name, _ in events if name in LAST] == [events[-1][0]] and told == last["content"]
    good = good and stored == last and all(_holds(one, told) for one in last["citations"])
    error = last["error"]
    summary = f"{events[-1][0]} {last['status']}, {took:.1f} s, stop {last['stop_reason']}"
    found = f"{counts['retrieval.completed']} searches, {counts['citation']} citations, text {told[:70]!r}"
    told_of = [f"{summary}, {found}"]
    if error is not None:
        wait = f", after {error['retry_after']:.0f} s" if error.get("retry_after") else ""
        again = "may be repeated" if error["retryable"] else "not to be repeated"
        told_of.append(f"{error['code']} ({again}{wait}): {error['message']}")
    return told_of, good


def _holds(citation: Scenario, content: str) -> bool:
    return bool(content[citation["from"] : citation["to"]].strip()) and bool(citation["quote"].strip())


async def at_once(service: Service, talk: str) -> str:
    """The answer to the call without a stream."""
    response = await service.http.post(talk, json=QUESTION)
    wait = response.headers.get("retry-after")
    body = response.json()
    said = body.get("detail") or f"{body.get('status')} {body.get('error') and body['error']['code']}"
    return f"{response.status_code} {body.get('code', '')} {said}" + (f" (Retry-After {wait})" if wait else "")


async def prepared(service: Service, name: str) -> str:
    """A talk in which the scenario meets whoever asks next."""
    talk = await service.talk()
    for _ in range(2 if name in WITH_HISTORY else 0):
        await service.http.post(talk, json=QUESTION)
    await service.reset()
    await service.script(*SCENARIOS[name])
    return talk


async def tried(service: Service, name: str) -> bool:
    """One scenario, both ways; whether all was in order."""
    lines, good = await streamed(service, await prepared(service, name))
    if name not in SLOW:
        lines.append(f"without a stream: {await at_once(service, await prepared(service, name))}")
    print(f"{'' if good else 'BROKEN '}{name}")
    for line in lines:
        print(f"    {line}")
    sys.stdout.flush()
    await service.reset()
    await service.http.post(await service.talk(), json=QUESTION)  # a good one, or the breaker opens
    return good


async def breaker(service: Service) -> None:
    """After five refusals in a row nobody is asked any more."""
    await service.reset()
    await service.script(status(529, "overloaded_error", times=100, headers={"retry-after": "60"}))
    for _ in range(6):
        print(f"    {await at_once(service, await service.talk())}")
    ready = await service.http.get("/readyz")
    print(f"    readyz {ready.status_code}: {ready.text[:400]}")


async def run(names: list[str]) -> int:
    """The number of scenarios that were not in order."""
    async with running() as service:
        results = [await tried(service, name) for name in names]
        print("breaker")
        await breaker(service)
    print(f"{results.count(True)} of {len(results)} in order")
    return results.count(False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    chosen = parser.parse_args().names or list(SCENARIOS)
    sys.exit(1 if asyncio.run(run(chosen)) else 0)
