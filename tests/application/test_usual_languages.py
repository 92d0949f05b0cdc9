"""In which language a question is taken to be that does not tell."""

from attrs import define

from application.usual_languages import MAX_AGE, UsualLanguages
from domain.access import Actor
from domain.passages import SearchMode
from tests.application.conftest import bytes_of, upload
from tests.fakes.assembly import Assembly

GERMAN = "Der Reiher steht im Schilf, und das ist gut."
ENGLISH = "The heron stands in the reeds."
UNTOLD = "Reiher Schilf"


async def language_of(assembly: Assembly, actor: Actor, query: str) -> str | None:
    """What the index was told."""
    await assembly.use_cases.search(actor, query=query, mode=SearchMode.KEYWORD)
    return assembly.vectors.asked[-1].language


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


@define
class Clock:
    """Seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def test_two_thirds_make_a_language_usual_and_it_is_remembered_for_a_while(
    assembly: Assembly, ann: Actor
) -> None:
    """Each set of collections has its own."""
    clock = Clock()
    usual = UsualLanguages(assembly.use_cases.search.begin, clock)
    papers = (await assembly.use_cases.create_collection(ann, name="Papers")).collection.id
    (default,) = ann.readable_collections
    reader = ann.with_collection(papers)
    for text, into in ((GERMAN, default), (f"{GERMAN} {GERMAN}", default), (ENGLISH, papers)):
        await assembly.use_cases.upload_document(reader, content=bytes_of(text), filename="a.txt", collection_id=into)
    await assembly.worker().drain()

    assert await usual(ann.workspace_id, frozenset({papers, default})) == "de"
    assert await usual(ann.workspace_id, frozenset({papers})) == "en"

    await assembly.use_cases.upload_document(
        reader, content=bytes_of(f"{ENGLISH} {ENGLISH}"), filename="b.txt", collection_id=papers
    )
    await assembly.worker().drain()

    clock.now = MAX_AGE - 1
    assert await usual(ann.workspace_id, frozenset({papers, default})) == "de"
    clock.now = MAX_AGE
    assert await usual(ann.workspace_id, frozenset({papers, default})) is None
