"""`readingroom search` and `readingroom ask`: passages and answers on a terminal."""

from collections.abc import AsyncIterator
from typing import Any

from rich.text import Text

from entrypoints.cli.output import complain, note, out, pages

Json = dict[str, Any]


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
    """Stream the text with a `[n]` after each claim, then the citations; the data of the last event.

    Several quotes of one place share a number.
    """
    numbers: dict[tuple[str, str], int] = {}
    cited: list[Json] = []
    last: Json = {}
    async for name, data in events:
        match name:
            case "retrieval.started":
                note(f"searching: {data['query'].splitlines()[-1][:120]}")
            case "content.delta":
                out.print(data["text"], end="", markup=False)
            case "citation":
                key = (data["chunk_id"], data["quote"])
                if key not in numbers:
                    numbers[key] = len(numbers) + 1
                    cited.append(data)
                out.print(f" [{numbers[key]}]", end="", markup=False, style="bold cyan")
            case "message.completed" | "message.failed":
                last = data
                note(f"to go on: --conversation {data['message']['conversation_id']}")
    out.print()
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
    if error := last.get("error"):
        complain(f"The answer failed ({error['code']}): {error['message']}")
    return last
