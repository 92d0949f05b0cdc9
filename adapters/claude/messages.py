"""A ModelRequest as the body of `POST /v1/messages`."""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from adapters.claude.citations import SentSources
from adapters.claude.families import effort_for
from adapters.claude.inline import NumberedSources
from adapters.claude.instructions import CONTINUE, INLINE, NATIVE, NO_RESULTS, NOT_RUN, system_text
from application.ports.models import ModelRequest, PastTurn, ToolResult, ToolRound, ToolSpec
from domain.conversations import Speaker

Body = dict[str, object]
Block = dict[str, object]
Turns = list[tuple[str, list[Block]]]  # speaker and content, in order

_CACHED: dict[str, object] = {"type": "ephemeral"}


def native_body(request: ModelRequest, *, model: str, effort: str | None, sent: SentSources) -> Body:
    """Sources as `search_result` blocks, before the question and in tool results.

    Cache breakpoints stand after system and tools and after the history; never on what belongs to one question.
    """
    body = _common(request, model=model, effort=effort)
    body["system"] = [
        {"type": "text", "text": system_text(NATIVE, request.instructions), "cache_control": dict(_CACHED)}
    ]
    if request.tools:
        body["tools"] = [_tool(tool, strict=True) for tool in request.tools]
    messages = _history(request.history)
    if messages:
        messages[-1][1][-1]["cache_control"] = dict(_CACHED)
    _append(messages, "user", [*sent.blocks(request.sources), {"type": "text", "text": request.question}])
    for exchange in request.rounds:
        _append_round(messages, exchange, lambda result: sent.blocks(result.sources))
    body["messages"] = _rendered(messages)
    return body


def inline_body(request: ModelRequest, *, model: str, effort: str | None, numbered: NumberedSources) -> Body:
    """Sources as numbered plain text, for servers that drop `search_result` blocks; nothing that few servers know."""
    body = _common(request, model=model, effort=effort)
    body["system"] = system_text(INLINE, request.instructions)
    if request.tools:
        body["tools"] = [_tool(tool, strict=False) for tool in request.tools]
    messages = _history(request.history)
    sources = numbered.text(request.sources)
    question = f"{sources}\n\nQuestion: {request.question}" if sources else request.question
    _append(messages, "user", [{"type": "text", "text": question}])

    def results(result: ToolResult) -> list[Block]:
        text = numbered.text(result.sources)
        return [{"type": "text", "text": text}] if text else []

    for exchange in request.rounds:
        _append_round(messages, exchange, results)
    body["messages"] = _rendered(messages)
    return body


def _common(request: ModelRequest, *, model: str, effort: str | None) -> Body:
    body: Body = {"model": model, "max_tokens": request.max_tokens}
    level = effort_for(model, effort)
    if level is not None:
        body["output_config"] = {"effort": level}
    if request.user_ref:
        body["metadata"] = {"user_id": request.user_ref}
    if request.tools:
        # forcing a tool is refused by current models; forbidding is not
        body["tool_choice"] = {"type": "auto" if request.tools_allowed else "none"}
    return body


def _tool(tool: ToolSpec, *, strict: bool) -> Block:
    described: Block = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": dict(tool.input_schema),
    }
    if strict and tool.input_schema.get("additionalProperties") is False:
        described["strict"] = True
    return described


def _history(turns: Iterable[PastTurn]) -> Turns:
    """Plain turns. Those without text are left out, as is what stands before the first question."""
    messages: Turns = []
    for turn in turns:
        if turn.text.strip() and (messages or turn.speaker is Speaker.USER):
            _append(messages, turn.speaker.value, [{"type": "text", "text": turn.text}])
    return messages


def _append_round(messages: Turns, exchange: ToolRound, blocks: Callable[[ToolResult], list[Block]]) -> None:
    content = cast("Sequence[Block]", exchange.turn)
    results = {result.call_id: result for result in exchange.results}
    if content:
        _append(messages, "assistant", list(content))
    answers: list[Block] = []
    for block in content:
        if block["type"] != "tool_use":
            continue
        answer: Block = {"type": "tool_result", "tool_use_id": block["id"]}
        result = results.get(str(block["id"]))
        if result is None or result.error is not None:
            answer |= {"is_error": True, "content": NOT_RUN if result is None else result.error or NOT_RUN}
        else:
            answer["content"] = blocks(result) or NO_RESULTS
        answers.append(answer)
    _append(messages, "user", answers or [{"type": "text", "text": CONTINUE}])


def _append(messages: Turns, role: str, content: list[Block]) -> None:
    """Turns of one speaker in a row are one message; some servers refuse two."""
    if messages and messages[-1][0] == role:
        messages[-1][1].extend(content)
    else:
        messages.append((role, content))


def _rendered(messages: Turns) -> list[Block]:
    return [{"role": role, "content": content} for role, content in messages]
