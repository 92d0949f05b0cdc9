"""Token counts, and prompt caching as the usage fields tell it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from tests.claude_emulator.catalogue import Model

_CHARACTERS_A_TOKEN = 4
_LOOKBACK = 20  # blocks before a breakpoint that are looked for in the cache


def count_tokens(value: object) -> int:
    """An estimate that grows with the text."""
    return len(json.dumps(value, ensure_ascii=False)) // _CHARACTERS_A_TOKEN + 1


@define
class PromptCache:
    """Prefixes that were marked, of one API key."""

    _known: set[str] = field(factory=set)

    def usage(self, body: Mapping[str, Any], model: Model) -> dict[str, Any]:
        """Input tokens, split into read from the cache, newly cached, and neither."""
        total, read, marked = 0, 0, 0
        passed: list[tuple[str, int]] = []  # prefixes so far, and their tokens
        prefix = hashlib.sha256(body["model"].encode())
        for part, is_breakpoint in _parts(body):
            total += count_tokens(part)
            prefix.update(json.dumps(part, sort_keys=True).encode())
            passed.append((prefix.hexdigest(), total))
            if is_breakpoint and total >= model.cache_minimum:
                marked = total
                read = max([read, *(tokens for known, tokens in passed[-_LOOKBACK:] if known in self._known)])
                self._known.add(prefix.hexdigest())
        return {
            "input_tokens": total - marked,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": marked - read,
            "cache_creation": {"ephemeral_5m_input_tokens": marked - read, "ephemeral_1h_input_tokens": 0},
        }


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Tools, system, messages: the order in which prefixes are made."""
    system = body.get("system", [])
    blocks = [
        *body.get("tools", []),
        *([system] if isinstance(system, str) else system),
    ]
    for message in body["messages"]:
        content = message["content"]
        blocks.extend([content] if isinstance(content, str) else content)
    for block in blocks:
        if isinstance(block, Mapping):
            bare = {key: value for key, value in block.items() if key != "cache_control"}
            yield bare, block.get("cache_control") is not None
        else:
            yield block, False
