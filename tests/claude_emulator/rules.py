"""What the API refuses although its shape is right. Texts are approximations: assert on types."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.claude_emulator.catalogue import Model
from tests.claude_emulator.signing import signature_holds

Json = Mapping[str, Any]
BREAKPOINTS = 4
LEAST_BUDGET = 1024


def content_of(message: Json) -> list[Json]:
    """The content as blocks, a string being one text block."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def search_results(body: Json) -> list[Json]:
    """All of the request in order, those in tool results included: what `search_result_index` counts."""
    found: list[Json] = []
    for message in body["messages"]:
        for block in content_of(message):
            nested = block.get("content") if block["type"] == "tool_result" else None
            inner = nested if isinstance(nested, list) else []
            found.extend(each for each in (block, *inner) if each["type"] == "search_result")
    return found


def broken_rule(body: Json, model: Model) -> str | None:
    """The first rule that the request breaks, or None."""
    return next(
        (
            problem
            for rule in (_limits, _messages, _texts, _tools, _thinking, _citations, _caching)
            for problem in rule(body, model)
        ),
        None,
    )


def _limits(body: Json, model: Model) -> Iterator[str]:
    if not 0 <= body["max_tokens"] <= model.max_tokens:
        yield f"max_tokens: must be at most {model.max_tokens}"
    choice = body.get("tool_choice", {}).get("type")
    if choice in {"any", "tool"} and not model.forced_tools:
        yield "tool_choice: forced tool use is not supported by this model"
    if choice is not None and not body.get("tools"):
        yield "tool_choice: may only be specified with tools"
    effort = body.get("output_config", {}).get("effort")
    if effort is not None and effort not in model.efforts:
        yield f"output_config.effort: {effort} is not supported by this model"


def _messages(body: Json, model: Model) -> Iterator[str]:
    messages = body["messages"]
    if not messages:
        yield "messages: at least one message is required"
        return
    if messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    if messages[-1]["role"] == "assistant" and not model.prefill:
        yield "messages: this model does not support assistant message prefill"
    for index, message in enumerate(messages):
        if message["role"] == "system" and (
            index == 0
            or messages[index - 1]["role"] != "user"
            or (index + 1 < len(messages) and messages[index + 1]["role"] != "assistant")
        ):
            yield f"messages.{index}: a system message must follow a user turn"


def _texts(body: Json, model: Model) -> Iterator[str]:
    system = body.get("system", [])
    for block in system if isinstance(system, list) else []:
        if not block["text"].strip():
            yield "system: text content blocks must be non-empty"
    for index, message in enumerate(body["messages"]):
        blocks = content_of(message)
        if not blocks:
            yield f"messages.{index}: content must be non-empty"
        for block in blocks:
            nested = block.get("content") if block["type"] in {"tool_result", "search_result"} else None
            inner = nested if isinstance(nested, list) else []
            if block["type"] == "search_result" and not inner:
                yield f"messages.{index}: search_result content must be non-empty"
            texts = [block, *inner, *(t for each in inner if each["type"] == "search_result" for t in each["content"])]
            if any(text["type"] == "text" and not text["text"].strip() for text in texts):
                yield f"messages.{index}: text content blocks must contain non-whitespace text"


def _tools(body: Json, model: Model) -> Iterator[str]:
    names = [tool["name"] for tool in body.get("tools", [])]
    if len(set(names)) != len(names):
        yield "tools: tool names must be unique"
    asked: list[str] = []
    for index, message in enumerate(body["messages"]):
        blocks = content_of(message)
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "user":
            if sorted(results) != sorted(asked):
                yield f"messages.{index}: tool_use ids and tool_result blocks do not match"
            if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
                yield f"messages.{index}: tool_result blocks must come first"
            asked = []
        elif message["role"] == "assistant":
            asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if asked and not names:
                yield f"messages.{index}: tool_use blocks need tools"
    if asked:
        yield "messages: tool_use ids were found without tool_result blocks after them"


def _thinking(body: Json, model: Model) -> Iterator[str]:
    thinking = body.get("thinking")
    if thinking is not None:
        if thinking["type"] not in model.thinking:
            yield f"thinking.type: {thinking['type']} is not supported by this model"
        budget = thinking.get("budget_tokens")
        if budget is not None and not LEAST_BUDGET <= budget < body["max_tokens"]:
            yield "thinking.budget_tokens: must be at least 1024 and less than max_tokens"
    for index, message in enumerate(body["messages"]):
        for place, block in enumerate(content_of(message)):
            if block["type"] == "thinking" and not signature_holds(body, index, place):
                yield f"messages.{index}.content.{place}: thinking block is bound to a different conversation"


def _citations(body: Json, model: Model) -> Iterator[str]:
    results = search_results(body)
    enabled = {bool(result.get("citations", {}).get("enabled")) for result in results}
    if len(enabled) > 1:
        yield "citations must be enabled on all or none of the search results"
    if True in enabled and "format" in body.get("output_config", {}):
        yield "output_config.format: not supported with citations"
    for index, message in enumerate(body["messages"]):
        for block in content_of(message):
            kind = block["type"]
            if message["role"] == "assistant" and kind in {"search_result", "document", "tool_result", "image"}:
                yield f"messages.{index}: {kind} blocks are not allowed in assistant messages"
            if message["role"] == "user" and kind in {"tool_use", "thinking", "redacted_thinking"}:
                yield f"messages.{index}: {kind} blocks are not allowed in user messages"
            if message["role"] == "user" and kind == "text" and block.get("citations"):
                yield f"messages.{index}: citations are not allowed on user text"
            nested = block.get("content") if kind == "tool_result" else None
            kinds = {each["type"] for each in nested} if isinstance(nested, list) else set()
            if "search_result" in kinds and len(kinds) > 1:
                yield f"messages.{index}: a tool_result with search results may hold nothing else"


def _caching(body: Json, model: Model) -> Iterator[str]:
    if _breakpoints(body) > BREAKPOINTS:
        yield f"cache_control: at most {BREAKPOINTS} breakpoints"


def _breakpoints(value: object) -> int:
    if isinstance(value, Mapping):
        return (value.get("cache_control") is not None) + sum(_breakpoints(each) for each in value.values())
    return sum(_breakpoints(each) for each in value) if isinstance(value, list) else 0
