"""In which language a question is taken to be that does not tell."""

from uuid import uuid4

import pytest
from attrs import define

from application import usual_languages
from application.knowledge import SearchFilters
from application.usual_languages import MAX_AGE, UsualLanguages
from domain.access import Actor
from domain.ids import CollectionId
from domain.passages import SearchMode
from tests.application.conftest import bytes_of, upload
from tests.fakes.assembly import Assembly

GERMAN = "Der Reiher steht im Schilf, und das ist gut."
ENGLISH = "The heron stands in the reeds."
UNTOLD = "Reiher Schilf"


@define
class Clock:
    """Seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def language_of(assembly: Assembly, actor: Actor, query: str, *within: CollectionId) -> str | None:
    """What the index was told."""
    filters = SearchFilters(collection_ids=frozenset(within)) if within else None
    await assembly.use_cases.search(actor, query=query, mode=SearchMode.KEYWORD, filters=filters)
    return assembly.vectors.asked[-1].language


async def add(assembly: Assembly, actor: Actor, into: CollectionId, *texts: str) -> None:
    """Have them read."""
    for text in texts:
        await assembly.use_cases.upload_document(actor, content=bytes_of(text), filename="a.txt", collection_id=into)
    await assembly.worker().drain()


async def test_a_question_too_short_to_tell_is_in_the_language_of_the_documents(assembly: Assembly, ann: Actor) -> None:
    """Its words are then stemmed as theirs are; a question that tells is believed."""
    await upload(assembly, ann, GERMAN)

    assert await language_of(assembly, ann, UNTOLD) == "de"
    assert await language_of(assembly, ann, "where is the heron") == "en"


async def test_without_a_usual_language_nothing_is_assumed(assembly: Assembly, ann: Actor) -> None:
    """Nor where there is nothing yet."""
    assert await language_of(assembly, ann, UNTOLD) is None

    await upload(assembly, ann, GERMAN)
    await upload(assembly, ann, ENGLISH, "other.txt")

    assert await language_of(assembly, ann, UNTOLD) is None


async def test_letters_of_another_language_are_not_taken_for_it(assembly: Assembly, ann: Actor) -> None:
    """Names and numbers among documents in another script stay undecided."""
    await upload(assembly, ann, "深度学习模型需要大量数据。")

    assert await language_of(assembly, ann, "学习") == "zh"
    assert await language_of(assembly, ann, "notice period") is None
    assert await language_of(assembly, ann, "4711") is None


async def test_the_searched_collections_decide_and_of_them_those_that_may_be_read(
    assembly: Assembly, ann: Actor
) -> None:
    """Whoever may not read a collection learns nothing of the language in it."""
    papers = (await assembly.use_cases.create_collection(ann, name="Papers")).collection.id
    reader = ann.with_collection(papers)
    (default,) = ann.readable_collections
    await add(assembly, reader, papers, GERMAN)
    await add(assembly, reader, default, ENGLISH)

    assert await language_of(assembly, reader, UNTOLD, papers) == "de"
    assert await language_of(assembly, reader, UNTOLD, default) == "en"
    assert await language_of(assembly, reader, UNTOLD) is None
    assert await language_of(assembly, ann, UNTOLD) == "en"
    assert await language_of(assembly, ann, UNTOLD, papers, default) == "en"
    looked = len(assembly.vectors.asked)
    await assembly.use_cases.search(ann, query=UNTOLD, filters=SearchFilters(collection_ids=frozenset({papers})))
    assert all(query.language is None for query in assembly.vectors.asked[looked:])


async def test_nine_tenths_of_those_known_make_a_language_usual_and_it_is_remembered_for_a_while(
    assembly: Assembly, ann: Actor
) -> None:
    """What is in no language is not counted; what was empty is looked at again at once."""
    clock = Clock()
    usual = UsualLanguages(assembly.use_cases.search.begin, clock)
    (default,) = ann.readable_collections
    asked = (ann.workspace_id, frozenset({default}))
    assert await usual(*asked) is None

    await add(assembly, ann, default, "4711", "4712", ENGLISH, *(GERMAN * times for times in range(1, 10)))
    assert await usual(*asked) == "de"

    await add(assembly, ann, default, f"{ENGLISH} {ENGLISH}")
    clock.now = MAX_AGE - 1
    assert await usual(*asked) == "de"
    clock.now = MAX_AGE
    assert await usual(*asked) is None


async def test_only_so_many_are_remembered(assembly: Assembly, ann: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first."""
    monkeypatch.setattr(usual_languages, "MAX_ENTRIES", 2)
    usual = UsualLanguages(assembly.use_cases.search.begin, Clock())
    (default,) = ann.readable_collections
    others = [CollectionId(uuid4()) for _ in range(3)]
    await add(assembly, ann, default, GERMAN)
    for other in others[:2]:
        assert await usual(ann.workspace_id, frozenset({default, other})) == "de"
    await add(assembly, ann, default, ENGLISH)

    assert await usual(ann.workspace_id, frozenset({default, others[2]})) is None
    assert await usual(ann.workspace_id, frozenset({default, others[1]})) == "de"
    assert await usual(ann.workspace_id, frozenset({default, others[0]})) is None
