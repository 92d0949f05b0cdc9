"""`readingroom search` and `readingroom ask`: passages and answers on a terminal."""

import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from rich.text import Text

from entrypoints.cli.output import complain, note, out, pages

Json = dict[str, Any]

EXTRACTIVE: Final = "extractive"
CUT_SHORT: Final = {
    "max_tokens": "it used up the tokens that one answer may have",
    "model_context_window_exceeded": "the language model can read no more",
    "pause_turn": "the language model paused again and again",
}


def print_passages(found: Json) -> None:
    """Numbered passages with title, page and the words that fit."""
    if not found["results"]:
        out.print("Nothing was found.")
    for number, result in enumerate(found["results"], start=1):
        place = pages(result["page_from"], result["page_to"])
        heading = " / ".join(result["heading_path"])
        out.print(
            Text.assemble(
                (f"{number}. {result['document']['title']}", "bold"),
                f"  {place}" if place else "",
                (f"  {heading}" if heading else "", "italic"),
                (f"  {result['score']:.3f}", "dim"),
            )
        )
        text = Text(result["text"].strip("\n"))
        lead = len(result["text"]) - len(result["text"].lstrip("\n"))
        for start, end in result["highlights"]:
            text.stylize("bold yellow", max(start - lead, 0), max(end - lead, 0))
        out.print(text)
        out.print()


async def print_answer(events: AsyncIterator[tuple[str, Json]]) -> Json:
    """Stream the text with a `[n]` after each claim, then the citations and how to go on; the data of the last event.

    Several citations of the same words of one place share a number.
    """
    numbers: dict[tuple[str, int | None, str], int] = {}
    cited: list[Json] = []
    last: Json = {}
    talk: str | None = None
    try:
        async for name, data in events:
            match name:
                case "message.created":
                    talk = data["message"]["conversation_id"]
                case "retrieval.started":
                    note(f"searching: {data['query'].splitlines()[-1][:120]}")
                case "content.delta":
                    out.print(data["text"], end="", markup=False)
                case "citation":
                    key = (data["document_id"], data["page_from"], data["quote"])
                    if key not in numbers:
                        numbers[key] = len(numbers) + 1
                        cited.append(data)
                    out.print(f" [{numbers[key]}]", end="", markup=False, style="bold cyan")
                case "message.completed" | "message.failed":
                    last = data
    finally:
        out.print()
        if last:
            _print_end(cited, last)
        if talk is not None:
            note(f"to go on: --conversation {talk}")
    return last


def _print_end(cited: Sequence[Json], last: Json) -> None:
    """The sources, and what is to be said of how the answer ended."""
    if cited:
        out.print()
    for number, citation in enumerate(cited, start=1):
        place = pages(citation["page_from"], citation["page_to"])
        out.print(
            Text.assemble(
                (f"[{number}] ", "bold cyan"),
                (citation["document_title"], "bold"),
                f", {place}" if place else "",
                f": “{' '.join(citation['quote'].split())}”",
            )
        )
    message = last["message"]
    if error := last.get("error"):
        wait = error.get("retry_after")
        when = f" Try again in {math.ceil(wait)} seconds." if wait and error["retryable"] else ""
        complain(f"The answer failed ({error['code']}): {error['message']}{when}")
    elif message["status"] == "cancelled":
        note("The answer was cancelled here.")
    elif not message["content"]:
        note("The model ended without a word.")
    elif message["stop_reason"] in CUT_SHORT:
        note(f"The answer ends here because {CUT_SHORT[message['stop_reason']]}.")
    if message["model"] == EXTRACTIVE and not error:
        note("Quoted from the documents, without a language model: no ANTHROPIC_API_KEY is set.")
