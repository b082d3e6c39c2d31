import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect.text import PackedTexts, canonical_text, code_point_table

# The 22 letters of RAID's homoglyph attack, by code point.
RAID_HOMOGLYPHS = {
    "a": "\u0430", "A": "\u0410\u0391", "B": "\u0412\u0392", "e": "\u0435", "E": "\u0415\u0395",
    "c": "\u0441", "p": "\u0440", "K": "\u041a\u039a", "O": "\u041e\u039f", "P": "\u0420\u03a1",
    "M": "\u041c\u039c", "H": "\u041d\u0397", "T": "\u0422\u03a4", "X": "\u0425\u03a7",
    "C": "\u0421", "y": "\u0443", "o": "\u043e", "x": "\u0445", "I": "\u0406\u0399",
    "i": "\u0456", "N": "\u039d", "Z": "\u0396",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \n\t ", ""),
        ("Hello, world!", "Hello , world !"),
        ("it's 3.5%", "it ' s 3 . 5 %"),
        ("one\n\ntwo  three\u00a0four", "one two three four"),
        ("\u201cquoted\u201d \u2018it\u2019s\u2019", "\" quoted \" ' it ' s '"),
        ("a\u2014b \u2013 c", "a - b - c"),
        ("wait\u2026", "wait . . ."),
        ("**bold** # Title `x`", "bold Title x"),
        ("un\u200bbe\u00adliev\ufeffable", "unbelievable"),
        ("\uff21\uff22 \U0001d41b\U0001d428\U0001d425\U0001d41d", "AB bold"),
        ("caf\u00e9 nai\u0308ve \ufb01ne \u00bd", "cafe naive fine 1 / 2"),
        ("\u041d\u0435ll\u043e", "Hello"),
        ("\u65e5\u672c\u8a9e \u062a", "\u65e5\u672c\u8a9e \u062a"),
        ("\u0661\u0662", "12"),
        ("nul\x00 \x07bell \ufffd", "nul bell"),
        ("\U0001f600 ok", "\U0001f600 ok"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert canonical_text(text) == canonical


def test_lowercase_folds_letters_only() -> None:
    assert canonical_text("ÀB Ω \u0130x!", lowercase=True) == canonical_text("àb ω ix!")


@pytest.mark.parametrize(("letter", "lookalikes"), RAID_HOMOGLYPHS.items())
def test_every_homoglyph_of_the_attack_is_undone(letter: str, lookalikes: str) -> None:
    assert {canonical_text(lookalike) for lookalike in lookalikes} == {letter}


@given(st.text())
def test_canonical_form_is_a_fixed_point(text: str) -> None:
    once = canonical_text(text)
    assert canonical_text(once) == once
    assert once == " ".join(once.split())


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_is_tokenised_like_the_regular_expression(text: str) -> None:
    without_marks = re.sub(r"[*_`#~]", "", text).replace("|", " ")
    assert canonical_text(text).split() == re.findall(r"\w+|[^\w\s]", without_marks)


@pytest.mark.parametrize("lowercase", [False, True])
def test_growth_stays_within_the_kernels_buffer(lowercase: bool) -> None:
    code_points = np.arange(0x110000)
    table = code_point_table(lowercase)
    entries = table.entries[
        (table.pages[code_points >> 8].astype(np.int64) << 8) | code_points & 255
    ]
    assert entries[ord("\u00df")] == table.entry("\u00df")
    n_bytes = 1 + sum((code_points >= longer).astype(int) for longer in (0x80, 0x800, 0x10000))
    assert np.all((entries >> 8 & 63) + 1 <= 4 * n_bytes)


@given(st.lists(st.text()), st.integers(1, 5))
def test_packed_texts_give_back_what_went_in(texts: list[str], n_parts: int) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    packed = PackedTexts.pack(texts)
    assert [packed[i] for i in range(len(packed))] == texts
    assert packed.n_bytes == sum(len(text.encode()) for text in texts)
    parts = packed.split(n_parts)
    assert len(parts) <= n_parts
    again = PackedTexts.concat(parts)
    assert [again[i] for i in range(len(again))] == texts
    backwards = np.arange(len(texts))[::-1]
    assert [packed.take(backwards)[i] for i in range(len(texts))] == texts[::-1]
