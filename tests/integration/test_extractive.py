"""What the extractive answerer finds, and what it admits not to find."""

from collections.abc import Sequence

import pytest
from attrs import frozen

from adapters.extractive.model import NOTHING, ExtractiveModel
from adapters.words import terms
from application.errors import EmbedderUnavailable
from application.ports.embedding import Vector
from application.ports.models import CitationPart, ModelPart, ModelRequest, PastTurn, Stop, ToolResult, ToolRound
from domain.answers import Source
from domain.conversations import Speaker, Usage
from tests.contracts.test_answer_model import answer, source, text_of

MANUAL = source(
    "X200 manual",
    "The X200 is a pump for clean water. ",
    "It may be run at up to 45 degrees Celsius. ",
    "Clean the filter every 30 days. ",
    "The pump was designed by Maria Keller in 1998. ",
)
STAFF = source(
    "Staff handbook",
    "Holiday must be requested two weeks ahead. ",
    "Every employee has 28 days of holiday a year. ",
    "Holiday that is left over expires in March.",
)
OTHERS = (MANUAL, STAFF)


@frozen
class Meanings:
    """An embedder that knows two subjects, by words given to it."""

    subject: frozenset[str]
    broken: bool = False
    name: str = "meanings"
    dimensions: int = 2

    async def live(self) -> "Meanings":
        return self

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        return [await self.embed_query(text) for text in texts]

    async def embed_query(self, text: str) -> Vector:
        if self.broken:
            raise EmbedderUnavailable("As scripted.")
        return (1.0, 0.0) if self.subject & set(text.casefold().split()) else (0.0, 1.0)

    async def ping(self) -> None:
        return


async def quotes(question: str, *sources: Source, model: ExtractiveModel | None = None) -> list[str]:
    parts = await answer(model or ExtractiveModel(), ModelRequest(question=question, sources=sources))
    return [part.claim.quote for part in parts if isinstance(part, CitationPart)]


def stop_of(parts: list[ModelPart]) -> Stop:
    stop = parts[-1]
    assert isinstance(stop, Stop)
    return stop


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("How many days of holiday do employees have?", "Every employee has 28 days of holiday a year."),
        ("How often must filters be cleaned?", "Clean the filter every 30 days."),
        ("Who designed the pump?", "The pump was designed by Maria Keller in 1998."),
        ("When does leftover holiday expire?", "Holiday that is left over expires in March."),
        ("holiday request", "Holiday must be requested two weeks ahead."),
    ],
)
async def test_best_first(question: str, first: str) -> None:
    """The sentence that answers is quoted first."""
    assert (await quotes(question, *OTHERS))[0] == first


@pytest.mark.parametrize(
    ("question", "other", "fitting"),
    [
        ("水在多少度沸腾", "冰在零度融化。", "水在一百度沸腾。"),
        ("水は何度で沸騰しますか", "氷は零度で溶けます。", "水は百度で沸騰します。"),
        ("น้ำเดือดที่กี่องศา", "เกลือราคาถูก ", "น้ำเดือดที่หนึ่งร้อยองศา "),
        ("물은 몇 도에서 끓습니까?", "소금은 쌉니다. ", "물은 백 도에서 끓는다. "),
        ("Bei welcher Temperatur siedet Wasser?", "Salz ist billig. ", "Wasser siedet bei hundert Grad. "),
        ("При какой температуре кипит вода?", "Соль дешёвая. ", "Вода кипит при ста градусах. "),
        ("متى يغلي الماء؟", "الملح رخيص. ", "يغلي الماء عند مئة درجة. "),
        ("पानी कब उबलता है?", "नमक सस्ता है। ", "पानी सौ डिग्री पर उबलता है। "),
    ],
)
async def test_languages(question: str, other: str, fitting: str) -> None:
    """Words are found in scripts with spaces and without."""
    assert (await quotes(question, source("T", other, fitting)))[0] == fitting.strip()


async def test_says_what_it_is() -> None:
    """It costs nothing, and names itself; its text is sentences of the sources and nothing else."""
    parts = await answer(ExtractiveModel(), ModelRequest(question="How many days of holiday?", sources=OTHERS))

    assert text_of(parts).startswith("Every employee has 28 days of holiday a year.")
    assert (stop_of(parts).model, stop_of(parts).usage) == ("extractive", Usage())


@pytest.mark.parametrize("question", ["Which kangaroo won the race?", "???", "the of and"])
async def test_nothing_fits(question: str) -> None:
    """It says so, and cites nothing."""
    parts = await answer(ExtractiveModel(), ModelRequest(question=question, sources=OTHERS))

    assert text_of(parts) == NOTHING
    assert not [part for part in parts if isinstance(part, CitationPart)]


async def test_what_is_no_sentence_is_not_said_as_one() -> None:
    """Headings alone answer nothing; of a table the fitting row does, where no sentence answers."""
    heading = source("Handbook", "Holiday requests and employees")
    table = source("Figures", "Net sales 2020 2021\nCapital expenditure 1,577 1,373\nDepreciation of buildings 80 90")
    definition = source("Modes", "Restricted\nThe default execution policy for client computers. ")

    assert await quotes("holiday requests of employees", heading) == []
    parts = await answer(ExtractiveModel(), ModelRequest(question="capital expenditure 2021", sources=(table,)))
    assert text_of(parts) == "Capital expenditure 1,577 1,373"
    parts = await answer(ExtractiveModel(), ModelRequest(question="default execution policy", sources=(definition,)))
    assert text_of(parts) == "Restricted: The default execution policy for client computers."


async def test_a_question_that_points_back_is_read_with_those_before() -> None:
    """The words of the question before find the passage, those of this one the sentence."""
    history = (PastTurn(speaker=Speaker.USER, text="How many days of holiday do employees have?"),)
    request = ModelRequest(question="And when does it expire?", sources=OTHERS, history=history)
    parts = await answer(ExtractiveModel(), request)

    assert text_of(parts).startswith("Holiday that is left over expires in March.")


async def test_a_follow_up_is_not_answered_with_what_was_said_before() -> None:
    """Of what a follow-up asks anew, where any sentence has it, an answer has something too."""
    results = source(
        "Results",
        "Sales of the Acme company in the second quarter of 2023 were 25 billion. ",
        "Sales of the Acme company grew in the second quarter of 2023 by 6 percent. ",
        "The earnings rose to 1.96 for each share. ",
    )
    history = (PastTurn(speaker=Speaker.USER, text="What were Acme's sales in the second quarter of 2023?"),)
    request = ModelRequest(question="And what about the earnings?", sources=(results,), history=history)

    assert text_of(await answer(ExtractiveModel(), request)) == "The earnings rose to 1.96 for each share."


async def test_at_most_three_and_none_twice() -> None:
    """Three quotes at most; what says the same again is left out."""
    towns = source("Towns", *(f"Town number {name} lies by the sea. " for name in ("A1", "B2", "B2", "B2")))
    rivers = source(
        "Rivers", *(f"The sea {'far ' * n}beyond town {n}{n} gets river{n} water{n} from hill{n}. " for n in range(12))
    )
    found = await quotes("Which town lies by the sea?", towns, rivers)

    assert 1 <= len(found) <= 3
    assert len(set(found)) == len(found)


async def test_long_blocks_are_shown_in_part() -> None:
    """A block without sentences is shown by its beginning, and cited whole."""
    long = source("Long", "holiday " + "blah " * 1000)
    parts = await answer(ExtractiveModel(), ModelRequest(question="holiday?", sources=(long,)))

    assert len(text_of(parts)) < 800
    assert [part.claim.quote for part in parts if isinstance(part, CitationPart)] == [long.blocks[0].strip()]


async def test_sources_of_tools() -> None:
    """Sources that came from a search are read as well."""
    rounds = (ToolRound(turn=[], results=(ToolResult(call_id="1", sources=(STAFF,)),)),)
    parts = await answer(ExtractiveModel(), ModelRequest(question="How much holiday?", rounds=rounds))

    assert [part for part in parts if isinstance(part, CitationPart)]


async def test_other_words_with_embeddings() -> None:
    """With an embedder, a sentence that shares no word is found; without one it is not."""
    meanings = Meanings(frozenset({"vacation", "holiday"}))
    question = "vacation allowance"

    assert await quotes(question, STAFF) == []
    assert len(await quotes(question, STAFF, model=ExtractiveModel(embedder=meanings.live))) == 3


async def test_embedder_down() -> None:
    """Words alone decide while the embedder does not answer."""
    broken = ExtractiveModel(embedder=Meanings(frozenset(), broken=True).live)

    assert await quotes("holiday days", *OTHERS, model=broken) == await quotes("holiday days", *OTHERS)


@pytest.mark.parametrize(
    ("one", "other"),
    [("boiling", "boils"), ("Cafe\u0301", "CAFÉ"), ("ﬁlters", "filter"), ("Straße", "STRASSE"), ("policies", "policy")],
)
def test_same_words(one: str, other: str) -> None:
    """Inflection, case, composition and ligatures do not hide a word."""
    assert terms(one) == terms(other)
