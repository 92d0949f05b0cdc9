"""The models that the emulator knows, and what each of them takes."""

from attrs import frozen


@frozen(kw_only=True)
class Model:
    """One row of the catalogue."""

    id: str
    thinking: frozenset[str]  # types of the `thinking` parameter that are taken
    efforts: frozenset[str] = frozenset()
    forced_tools: bool = False  # whether tool_choice any and tool are taken
    prefill: bool = False
    cache_minimum: int = 512  # tokens
    max_tokens: int = 128_000
    lifecycle: str = "active"


_ALL = frozenset({"low", "medium", "high", "xhigh", "max"})
_TO_HIGH = frozenset({"low", "medium", "high"})
_ALWAYS = frozenset({"adaptive"})
_CLASSIC = frozenset({"enabled", "disabled"})
_EITHER = frozenset({"adaptive", "disabled", "enabled"})

MODELS = {
    model.id: model
    for model in (
        Model(id="claude-fable-5-2", thinking=_ALWAYS, efforts=_ALL),
        Model(id="claude-mythos-5-2", thinking=_ALWAYS, efforts=_ALL),
        Model(id="claude-haiku-5-5", thinking=_EITHER, efforts=_TO_HIGH),
        Model(id="claude-sonnet-5-5", thinking=frozenset({"adaptive", "between_tools"}), efforts=_ALL),
        Model(id="claude-fable-5-1", thinking=_ALWAYS, efforts=_ALL),
        Model(id="claude-opus-5-5", thinking=_ALWAYS, efforts=_ALL),
        Model(id="claude-sonnet-5", thinking=_EITHER, efforts=_ALL, forced_tools=True, cache_minimum=1024),
        Model(id="claude-opus-5", thinking=_EITHER, efforts=_ALL, forced_tools=True),
        Model(id="claude-opus-4-8", thinking=_EITHER, efforts=_ALL, forced_tools=True, cache_minimum=1024),
        Model(id="claude-opus-4-7", thinking=_EITHER, efforts=_ALL, forced_tools=True, cache_minimum=2048),
        Model(id="claude-opus-4-6", thinking=_EITHER, efforts=_TO_HIGH, forced_tools=True, cache_minimum=4096),
        Model(id="claude-sonnet-4-6", thinking=_EITHER, efforts=_TO_HIGH, forced_tools=True, cache_minimum=1024),
        Model(
            id="claude-haiku-4-5",
            thinking=_CLASSIC,
            forced_tools=True,
            prefill=True,
            cache_minimum=4096,
            max_tokens=64_000,
        ),
        Model(id="claude-opus-4-1", thinking=_CLASSIC, forced_tools=True, prefill=True, lifecycle="retired"),
    )
}


def model_info(model: Model) -> dict[str, object]:
    """As `GET /v1/models` shows it."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id.replace("-", " ").title(),
        "created_at": "2026-09-22T00:00:00Z",
        "lifecycle": model.lifecycle,
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": model.max_tokens,
        "capabilities": None,
    }
