"""What of Claude's answers reaches the port."""

from typing import Any

import pytest
from attrs import evolve

from adapters.claude.model import ClaudeModel
from application.ports.models import (
    BlockStarted,
    CitationPart,
    ModelPart,
    ModelRequest,
    PastTurn,
    Stop,
    StopReason,
    TextPart,
    ThinkingStarted,
    ToolResult,
    ToolRound,
    ToolSpec,
    UsagePart,
)
from domain.conversations import Speaker
from tests.claude_emulator.scenarios import Framing, Scenario, calls, thinks
from tests.claude_emulator.server import ClaudeEmulator
from tests.contracts.test_answer_model import ODD_TEXT, QUESTION, SOURCES, answer, asked, source, text_of

SEARCH = ToolSpec(
    name="search_knowledge",
    description="Finds passages.",
    input_schema={
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
)


def stop_of(parts: list[ModelPart]) -> Stop:
    stop = parts[-1]
    assert isinstance(stop, Stop)
    return stop


def body_of(emulator: ClaudeEmulator, key: str, number: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = emulator.recorded(key)[number].body
    return body


def claims_of(parts: list[ModelPart]) -> list[tuple[str, int, int]]:
    return [
        (part.claim.source_uri, part.claim.block_from, part.claim.block_to)
        for part in parts
        if isinstance(part, CitationPart)
    ]


def history(*texts: str) -> tuple[PastTurn, ...]:
    speakers = (Speaker.USER, Speaker.ASSISTANT)
    return tuple(PastTurn(speaker=speakers[number % 2], text=text) for number, text in enumerate(texts))


class TestCitations:
    @pytest.mark.parametrize("text_first", [False, True])
    async def test_any_order(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        native: ClaudeModel,
        text_first: bool,  # noqa: FBT001
    ) -> None:
        """Citations may come before or after the text of their block."""
        claude_emulator.script(claude_key, Scenario(options={"text_first": text_first}))

        assert (SOURCES[0].uri, 0, 1) in claims_of(await answer(native, asked()))

    @pytest.mark.parametrize("how", ["unknown_source", "out_of_range", "wrong_text"])
    async def test_bad_ones_are_handed_on(
        self, claude_emulator: ClaudeEmulator, claude_key: str, native: ClaudeModel, how: str
    ) -> None:
        """A forged citation is a claim like another: the check of citations must see it to count it."""
        good = len(claims_of(await answer(native, asked())))
        claude_emulator.script(claude_key, Scenario(reply="bad_citation", options={"how": how}))

        assert len(claims_of(await answer(native, asked()))) == good + 1

    async def test_blank_blocks_keep_the_count(
        self, claude_emulator: ClaudeEmulator, claude_key: str, native: ClaudeModel
    ) -> None:
        """White space that cannot be sent alone does not shift what is cited."""
        gaps = source("Gaps", "\n", "First words. ", "\n", " ", "Water boils. ", "\n", "Last.")
        parts = await answer(native, asked(sources=(gaps,)))

        assert claims_of(parts) == [(gaps.uri, 4, 6)]

    @pytest.mark.parametrize("piece", [1, 2, 3, 5, 80])
    async def test_markers(
        self, claude_emulator: ClaudeEmulator, claude_key: str, inline: ClaudeModel, piece: int
    ) -> None:
        """Markers leave the text however they are cut up, and back the claim before them."""
        written = "Water boils at 100 [1]. Ice melts [1][2], and eggs [2] cook. See [9], a[i] and [2026].\n- Done"
        claude_emulator.script(
            claude_key, Scenario(reply="text", options={"text": written}, framing=Framing(piece=piece))
        )
        parts = await answer(inline, asked())

        expected = "Water boils at 100. Ice melts, and eggs cook. See [9], a[i] and [2026].\n- Done"
        assert text_of(parts) == expected
        assert _claimed(parts) == [
            ("Water boils at 100.", [0]),
            (" Ice melts,", [0, 1]),
            (" and eggs", [1]),
            (" cook.", []),
            (" See [9], a[i] and [2026].", []),
            ("\n- Done", []),
        ]

    @pytest.mark.parametrize("piece", [1, 7])
    async def test_markers_without_spaces(
        self, claude_emulator: ClaudeEmulator, claude_key: str, inline: ClaudeModel, piece: int
    ) -> None:
        """Scripts without spaces, a marker after the full stop, one list of numbers, and one left unfinished."""
        written = "\u6c34\u5728\u4e00\u767e\u5ea6\u6cb8\u817e[1]\u3002\u51b0\u878d\u5316\u3002[1, 2]\u5b8c [1"
        claude_emulator.script(
            claude_key, Scenario(reply="text", options={"text": written}, framing=Framing(piece=piece))
        )
        parts = await answer(inline, asked())

        assert _claimed(parts) == [
            ("\u6c34\u5728\u4e00\u767e\u5ea6\u6cb8\u817e\u3002", [0]),
            ("\u51b0\u878d\u5316\u3002", [0, 1]),
            ("\u5b8c [1", []),
        ]

    async def test_white_space_of_its_own(
        self, claude_emulator: ClaudeEmulator, claude_key: str, inline: ClaudeModel
    ) -> None:
        """A content block of white space alone still parts what stands around it."""
        texts = ["Water boils [1].", " ", "Ice melts [2].", "\n\n", "Done."]
        claude_emulator.script(claude_key, Scenario(reply="text", options={"texts": texts}))
        parts = await answer(inline, asked())

        assert _claimed(parts) == [("Water boils.", [0]), (" Ice melts.", [1]), ("\n\nDone.", [])]


def _claimed(parts: list[ModelPart]) -> list[tuple[str, list[int]]]:
    """Each block's text, and which of SOURCES it cites."""
    uris = [given.uri for given in SOURCES]
    blocks: list[tuple[str, list[int]]] = []
    for part in parts:
        match part:
            case BlockStarted():
                blocks.append(("", []))
            case TextPart(text=text):
                blocks[-1] = (blocks[-1][0] + text, blocks[-1][1])
            case CitationPart(claim=claim):
                blocks[-1][1].append(uris.index(claim.source_uri))
            case _:
                pass
    return blocks


class TestTools:
    async def test_a_whole_loop(self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel) -> None:
        """Asks for the tool, gets sources, answers from them; usage is each turn's own."""
        question = ModelRequest(question=QUESTION, tools=(SEARCH,))
        first = stop_of(await answer(either, question))
        (call,) = first.calls
        result = ToolResult(call_id=call.id, sources=SOURCES)
        parts = await answer(either, evolve(question, rounds=(ToolRound(turn=first.turn, results=(result,)),)))

        assert (first.reason, call.name, call.arguments) == (
            StopReason.TOOL_USE,
            "search_knowledge",
            {"query": QUESTION},
        )
        assert (SOURCES[0].uri, 0, 1) in claims_of(parts)
        assert stop_of(parts).reason is StopReason.END_TURN
        assert body_of(claude_emulator, claude_key, -1)["tools"] == body_of(claude_emulator, claude_key, -2)["tools"]

    async def test_parallel_with_thinking(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel
    ) -> None:
        """Thinking goes back verbatim; each call gets its result: sources, none found, failed, not run."""
        asks = calls({"query": "a"}, {"query": "b"}, {"query": "c"}, {"query": "d"}, text="Searching.", thinking=True)
        claude_emulator.script(claude_key, asks)
        question = ModelRequest(question=QUESTION, tools=(SEARCH,), history=history("A?", "B."))
        first = stop_of(await answer(either, question))
        found, nothing, failed, _ = first.calls
        results = (
            ToolResult(call_id=failed.id, error="The search took too long."),
            ToolResult(call_id=nothing.id),
            ToolResult(call_id=found.id, sources=SOURCES),
        )
        second = evolve(question, rounds=(ToolRound(turn=first.turn, results=results),), tools_allowed=False)
        parts = await answer(either, second)

        assert claims_of(parts)
        body = body_of(claude_emulator, claude_key)
        assert body["tool_choice"] == {"type": "none"}
        assert [block["type"] for block in body["messages"][-2]["content"]] == ["thinking", "text", *["tool_use"] * 4]
        answers = body["messages"][-1]["content"]
        assert [block.get("is_error", False) for block in answers] == [False, False, True, True]
        assert answers[1]["content"] == "No results found."

    async def test_bad_json(self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel) -> None:
        """Arguments that are no JSON object are told as None, and the turn can still be given back."""
        claude_emulator.script(claude_key, calls('{"query": "wat', "[1, 2]", ""))
        question = ModelRequest(question=QUESTION, tools=(SEARCH,))
        first = stop_of(await answer(either, question))
        results = tuple(ToolResult(call_id=call.id, error="Not a JSON object.") for call in first.calls)
        parts = await answer(either, evolve(question, rounds=(ToolRound(turn=first.turn, results=results),)))

        assert [call.arguments for call in first.calls] == [None, None, {}]
        assert stop_of(parts).reason is StopReason.END_TURN

    async def test_cut_short(self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel) -> None:
        """A call that max_tokens cut off is not to be run."""
        claude_emulator.script(claude_key, calls('{"query": "wat', stop_reason="max_tokens"))
        stop = stop_of(await answer(either, ModelRequest(question=QUESTION, tools=(SEARCH,))))

        assert (stop.reason, stop.calls) == (StopReason.MAX_TOKENS, ())

    async def test_a_changed_turn_is_refused(
        self, claude_emulator: ClaudeEmulator, claude_key: str, native: ClaudeModel
    ) -> None:
        """The emulator notices thinking that was moved to another conversation (or the tests above prove nothing)."""
        claude_emulator.script(claude_key, calls({"query": "a"}, thinking=True))
        question = ModelRequest(question=QUESTION, tools=(SEARCH,))
        first = stop_of(await answer(native, question))
        result = ToolResult(call_id=first.calls[0].id)
        moved = evolve(question, question="Another?", rounds=(ToolRound(turn=first.turn, results=(result,)),))

        with pytest.raises(Exception, match="bound to a different conversation"):
            await answer(native, moved)


class TestStops:
    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            ("max_tokens", StopReason.MAX_TOKENS),
            ("stop_sequence", StopReason.STOP_SEQUENCE),
            ("pause_turn", StopReason.PAUSE_TURN),
            ("context_window", StopReason.CONTEXT_WINDOW_EXCEEDED),
            ("no_content", StopReason.END_TURN),
            ("unknown", StopReason.END_TURN),
        ],
    )
    async def test_reasons(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel, reply: Any, reason: StopReason
    ) -> None:
        """Each reason by its name; one of the future counts as the end."""
        claude_emulator.script(claude_key, Scenario(reply=reply))

        assert stop_of(await answer(either, asked())).reason is reason

    @pytest.mark.parametrize("text", ["", "I will"])
    async def test_refusal(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel, text: str
    ) -> None:
        """A refusal, before or in the middle of the text, carries its explanation."""
        claude_emulator.script(claude_key, Scenario(reply="refusal", options={"text": text}))
        parts = await answer(either, asked())

        assert (stop_of(parts).reason, stop_of(parts).refusal) == (StopReason.REFUSAL, "This could do harm.")
        assert text_of(parts) == text

    async def test_the_unknown_passes_by(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel
    ) -> None:
        """Events, blocks and deltas of the future do not disturb, nor leave a trace."""
        claude_emulator.script(claude_key, Scenario(reply="unknown"))
        parts = await answer(either, asked())

        assert text_of(parts) == "Known words."
        assert stop_of(parts).turn == [{"type": "text", "text": "Known words."}]

    @pytest.mark.parametrize("display", ["summarized", "omitted", "redacted"])
    async def test_thinking(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel, display: str
    ) -> None:
        """That it thinks is told once; what it thinks is not."""
        claude_emulator.script(claude_key, thinks(display))
        parts = await answer(either, asked())

        assert parts.count(ThinkingStarted()) == 1
        assert isinstance(next(part for part in parts if not isinstance(part, UsagePart)), ThinkingStarted)
        assert "Which source" not in text_of(parts)

    async def test_usage_counts_the_last_word(self, either: ClaudeModel) -> None:
        """Usage is the running total of the end, with the input of the beginning."""
        parts = await answer(either, asked())
        usage = stop_of(parts).usage

        assert parts[0] == UsagePart(usage=evolve(usage, output_tokens=1))
        assert usage.input_tokens > 1
        assert usage.output_tokens > 1


class TestFraming:
    @pytest.mark.parametrize(
        "framing",
        [
            Framing(dribble=True, piece=3),
            Framing(crlf=True),
            Framing(comments=True),
            Framing(ping_every=0.01),
            Framing(dribble=True, crlf=True, comments=True, piece=40),
        ],
        ids=["dribble", "crlf", "comments", "pings", "all"],
    )
    async def test_makes_no_difference(
        self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel, framing: Framing
    ) -> None:
        """However the bytes arrive, the text is the same to the letter."""
        delay = 0.02 if framing.ping_every else 0.0
        claude_emulator.script(
            claude_key, Scenario(reply="text", options={"text": ODD_TEXT}, framing=framing, delay=delay)
        )

        assert text_of(await answer(either, asked())) == ODD_TEXT

    async def test_long(self, claude_emulator: ClaudeEmulator, claude_key: str, either: ClaudeModel) -> None:
        """An answer of 128,000 tokens is whole."""
        text = "Word upon word. " * 32_000
        claude_emulator.script(claude_key, Scenario(reply="text", options={"text": text}, framing=Framing(piece=2000)))

        assert text_of(await answer(either, asked())).strip() == text.strip()
