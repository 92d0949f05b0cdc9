"""What a test can ask of the emulator: a reply, a fault on the wire, a way of framing."""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import evolve, field, frozen

Reply = Literal[
    "reader",
    "text",
    "no_content",
    "uncited",
    "bad_citation",
    "tool_use",
    "thinking",
    "max_tokens",
    "stop_sequence",
    "refusal",
    "pause_turn",
    "context_window",
    "unknown",
]
FaultKind = Literal[
    "status",
    "html",  # an HTML page, with `status`
    "bad_json",  # a JSON body that is none, with `status`
    "hang",  # the request is taken, nothing is answered
    "stall",
    "error_event",
    "fin",
    "rst",
    "truncated",  # the body ends as it should, but before message_stop
    "malformed",  # data that is not JSON
    "no_event_lines",
]


@frozen(kw_only=True)
class Fault:
    """What goes wrong. Those inside a stream come after `after` frames."""

    kind: FaultKind
    after: int = 0
    status: int = 500
    error_type: str = "api_error"
    error_code: str | None = None
    headers: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Framing:
    """How frames are written; none of it may make a difference."""

    dribble: bool = False  # a byte at a time
    crlf: bool = False
    comments: bool = False
    ping_every: float | None = None  # seconds of silence between deltas that a ping fills
    piece: int = 12  # characters a text delta
    stamped: bool = False  # each text delta is the moment of its sending instead, as `stamp` writes it


@frozen(kw_only=True)
class Scenario:
    """One request's fate, `times` times over; after that the next, at last the reader."""

    reply: Reply = "reader"
    options: Mapping[str, Any] = field(factory=dict)  # of the reply; see replies.py
    fault: Fault | None = None
    framing: Framing = Framing()
    delay: float = 0.0  # seconds before each frame
    times: int = 1

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "Scenario":
        """As POSTed to the control endpoint."""
        known = dict(value)
        if known.get("fault") is not None:
            known["fault"] = Fault(**known["fault"])
        if "framing" in known:
            known["framing"] = Framing(**known["framing"])
        return cls(**known)

    def once_less(self) -> "Scenario | None":
        """What is left of it after one use."""
        return evolve(self, times=self.times - 1) if self.times > 1 else None


def says(text: str, **options: Any) -> Scenario:
    """A plain answer."""
    return Scenario(reply="text", options={"text": text, **options})


def calls(*inputs: object, name: str = "search_knowledge", **options: Any) -> Scenario:
    """Wants the tool, once an input; a string is sent as the JSON it claims to be."""
    return Scenario(reply="tool_use", options={"name": name, "inputs": list(inputs), **options})


def refuses(
    status: int, error_type: str, *, times: int = 1, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Scenario:
    """An error before anything began."""
    fault = Fault(kind="status", status=status, error_type=error_type, error_code=code, headers=headers or {})
    return Scenario(fault=fault, times=times)


def breaks(kind: FaultKind, *, after: int = 0, times: int = 1, **more: Any) -> Scenario:
    """A fault on the wire."""
    return Scenario(fault=Fault(kind=kind, after=after, **more), times=times)


def thinks(display: str = "summarized", **options: Any) -> Scenario:
    """Thinks before it answers as the reader does."""
    return Scenario(reply="thinking", options={"display": display, **options})
