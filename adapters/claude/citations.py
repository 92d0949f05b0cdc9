"""Sources as citable `search_result` blocks, and citations of them back as claims.

A citation is matched by its `source`, never by `search_result_index`, which counts over the whole
request and shifts as rounds are added.
"""

from collections.abc import Iterable, Mapping

from attrs import define, field

from adapters.claude.taming import without_controls
from domain.answers import ClaimedCitation, Source


@define
class SentSources:
    """The sources of one request, by URI, and what became of their blocks on the way.

    The API refuses blocks of white space alone, so each such block travels with the one before it.
    """

    _starts: dict[str, list[int]] = field(factory=dict)  # per URI: where each sent block begins, and the end
    _sources: dict[str, Source] = field(factory=dict)

    def block(self, source: Source) -> dict[str, object] | None:
        """A `search_result`, or None for a source without any text."""
        starts: list[int] = []
        texts: list[str] = []
        leading = ""
        for index, text in enumerate(source.blocks):
            if text.strip():
                starts.append(0 if not starts else index)
                texts.append(leading + text)
                leading = ""
            elif texts:
                texts[-1] += text
            else:
                leading += text
        if not texts:
            return None
        self._starts[source.uri] = [*starts, len(source.blocks)]
        self._sources[source.uri] = source
        return {
            "type": "search_result",
            "source": source.uri,
            "title": without_controls(source.title).strip() or "Untitled",
            "content": [{"type": "text", "text": without_controls(text)} for text in texts],
            "citations": {"enabled": True},
        }

    def blocks(self, sources: Iterable[Source]) -> list[dict[str, object]]:
        """One `search_result` each, in order; a URI given twice is sent once."""
        unique = {source.uri: source for source in sources}
        return [block for source in unique.values() if (block := self.block(source)) is not None]

    def claim(self, citation: Mapping[str, object]) -> ClaimedCitation | None:
        """What the model claims, with the range counted in the source's own blocks.

        None for a citation that is not of a search result. One of an unknown source, or out of range, is
        handed on as it came: the check of citations drops and counts it.
        """
        uri, quote = citation.get("source"), citation.get("cited_text")
        start, end = citation.get("start_block_index"), citation.get("end_block_index")
        if citation.get("type") != "search_result_location" or not isinstance(uri, str) or not isinstance(quote, str):
            return None
        if not isinstance(start, int) or not isinstance(end, int):
            return None
        starts = self._starts.get(uri, [])
        if 0 <= start < end < len(starts):
            start, end = starts[start], starts[end]
            words = "".join(self._sources[uri].blocks[start:end])
            if without_controls(words).strip() == quote.strip():
                quote = words  # as they stand in the document
        return ClaimedCitation(source_uri=uri, block_from=start, block_to=end, quote=quote)
