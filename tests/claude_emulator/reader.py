"""The answer without a script: finds what fits the question in the request's sources, and cites it.

Deterministic, and dumb on purpose: a test can foresee it.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from tests.claude_emulator.rules import content_of, search_results

Json = Mapping[str, Any]
MOST_CLAIMS = 3
SILENT = "The sources do not say."
_NUMBERED = re.compile(r"^\[(\d+)\] ([^\n]*)\n<<<\n(.*?)\n>>>$", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(r"(?:^|\n\n)Question: (.*)\Z", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\n]+[.!?\u3002\uff01\uff1f]?")
_SHORTEST_WORD = 3


def question_of(body: Json) -> str:
    """The last text that the user said."""
    for message in reversed(body["messages"]):
        texts = [block["text"] for block in content_of(message) if block["type"] == "text"]
        if message["role"] == "user" and texts:
            marked = _QUESTION.search(texts[-1])
            return str(marked.group(1) if marked else texts[-1])
    return ""


def has_tool_results(body: Json) -> bool:
    """Whether a tool was run already for the present question."""
    return any(block["type"] == "tool_result" for block in content_of(body["messages"][-1]))


def wants_tool(body: Json) -> bool:
    """The reader searches when it may and has nothing to read."""
    allowed = body.get("tools") and body.get("tool_choice", {}).get("type") != "none"
    return bool(allowed) and not has_tool_results(body) and not search_results(body) and not _numbered(body)


def read(body: Json) -> list[dict[str, Any]]:
    """The text blocks of the answer, each with its citations."""
    wanted = words(question_of(body))
    results = search_results(body)
    found: list[tuple[int, dict[str, Any]]] = []
    for index, result in enumerate(results):
        for place, block in enumerate(result["content"]):
            score = len(wanted & words(block["text"]))
            if score:
                found.append((score, cited(result, index, place)))
    for number, text in _numbered(body).items():
        for sentence in _SENTENCE.findall(text):
            score = len(wanted & words(sentence))
            if score:
                claim = sentence.strip()
                found.append((score, {"type": "text", "text": f"{claim.rstrip('.')} [{number}]."}))
    found.sort(key=lambda scored: -scored[0])
    if not found:
        return [{"type": "text", "text": SILENT}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": "The sources say: "}]
    for _, block in found[:MOST_CLAIMS]:
        blocks += [block, {"type": "text", "text": " "}]
    return blocks[:-1]


def cited(result: Json, index: int, place: int) -> dict[str, Any]:
    """A text block that repeats block `place` of search result `index` and cites it."""
    text = result["content"][place]["text"]
    location = {
        "type": "search_result_location",
        "cited_text": text,
        "source": result["source"],
        "title": result["title"],
        "search_result_index": index,
        "start_block_index": place,
        "end_block_index": place + 1,
    }
    return {"type": "text", "text": text.strip(), "citations": [location]}


def words(text: str) -> set[str]:
    """Words of three letters and more; pairs of characters where words are not spaced."""
    found: set[str] = set()
    for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()):
        if word.isascii() or unicodedata.category(word[0]) != "Lo":
            found |= {word} if len(word) >= _SHORTEST_WORD else set()
        else:
            found |= {word[i : i + 2] for i in range(max(len(word) - 1, 1))}
    return found


def _numbered(body: Json) -> dict[int, str]:
    """Plain sources by number, from the user's texts and from tool results."""
    found: dict[int, str] = {}
    for message in body["messages"]:
        for block in content_of(message):
            nested = block.get("content") if block["type"] == "tool_result" else None
            for text in [block, *(nested if isinstance(nested, list) else [])]:
                if message["role"] == "user" and text["type"] == "text":
                    found |= {int(number): content for number, _, content in _NUMBERED.findall(text["text"])}
    return found
