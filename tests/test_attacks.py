"""Attacks: what can be undone is undone to the bit, what hides something is counted, and the rest does as it says."""

import csv
import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import artifacts, kernels
from ai_detect.ngrams import STATISTICS, NgramSpec
from ai_detect.predictor import Predictor
from ai_detect.text import PackedTexts, Undone
from benchmarks.attacks import ATTACKS, attacked

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SPECS = (NgramSpec((1, 3), (0, 0), 18), NgramSpec((1, 1), (2, 4), 16, lowercase=True))
UNDOABLE = [name for name, attack in ATTACKS.items() if attack.undoable]
HIDING = [name for name, attack in ATTACKS.items() if attack.hides]
OPEN = [name for name, attack in ATTACKS.items() if not attack.undoable and not attack.hides]
HIDDEN = [
    STATISTICS.index(kind.name.lower())
    for kind in (Undone.INVISIBLE, Undone.LOOKALIKE, Undone.ODD_SPACE)
]
# Every letter, digit and mark that an attack has in its tables, and what people set with a good keyboard.
PANGRAMS = (
    'The five boxing wizards jump quickly! "SPHINX of black quartz", judge my vow: it\'s 1,234,567,890'
    " - fine; so? PACK MY BOX WITH FIVE DOZEN LIQUOR JUGS. An affluent official shuffles fast.\n\n"
    "Well-known caf\u00e9s, too.",
    "\u201cIt\u2019s na\u00efve,\u201d she said \u2014 in 1999\u20132004\u2026 \u0141\u00f3d\u017a,"
    " D\u0131yarbak\u0131r, \u00d8re, co\u0153ur, Stra\u00dfe, pi\u00f1ata, Vi\u1ec7t Nam, no\u0308n.",
    "10\u00a0% of 5\u202fkm \u2248 \u00bd mile\u00b2, 4\u00ba, x\u2080, \u20ac3, n\u00ba 7\u2122 \u2022 \u2116 5"
    " \u2460 \ufb01ne \u2764\ufe0f 1\ufe0f\u20e3 \u2018quoted\u2019 5\u2032 6\u2033 don\u00b4t \u211d \u3000wide",
    "Damage hides nothing: it\x92s \x93mis-decoded\x94 \x96 \ufffd \uf0b7",
)


def sample(n: int) -> list[str]:
    with (SAMPLE / "test.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)][:n]


def obfuscation(texts: list[str]) -> np.ndarray:
    return kernels.statistics(PackedTexts.pack(texts))[:, HIDDEN].sum(axis=1)


def assert_same_features(texts: list[str], others: list[str]) -> None:
    for spec in SPECS:
        ours, theirs = (kernels.count(PackedTexts.pack(part), spec) for part in (texts, others))
        for one, other in zip(ours[:3], theirs[:3], strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(ours[3][:, :2], theirs[3][:, :2])


@pytest.mark.parametrize("name", UNDOABLE)
def test_undoable_attacks_leave_no_trace_in_the_features(name: str) -> None:
    texts = [*sample(40), *PANGRAMS]
    changed = attacked(name, texts)
    assert changed != texts
    assert_same_features(changed, texts)


@given(st.text(max_size=60), st.sampled_from(UNDOABLE), st.integers(0, 2**32))
def test_undoable_means_on_any_text(text: str, name: str, seed: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert_same_features([ATTACKS[name].change(text, Random(seed))], [text])


@pytest.mark.parametrize("name", HIDING)
def test_what_hides_is_counted(name: str) -> None:
    assert obfuscation(attacked(name, sample(40))).min() > 0


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in HIDING])
def test_what_is_ordinary_is_not_counted(name: str) -> None:
    # Digits of a full-width keyboard count as disguised; those of other scripts do not.
    texts = [re.sub(r"\d", "", text) for text in sample(40)]
    assert obfuscation(attacked(name, texts)).max() == 0


@pytest.mark.parametrize("text", PANGRAMS)
def test_ordinary_typography_and_damage_are_not_counted(text: str) -> None:
    assert obfuscation([text]) == [0]


@pytest.mark.parametrize(
    "char",
    [chr(c) for c in (0x00AD, 0x034F, 0x115F, 0x1160, 0x180B, 0x200B, 0x200D, 0x202E, 0x2060, 0x2064, 0x206F, 0xFE00,
                      0xFEFF, 0xE0001, 0xE0041, 0xE01EF, 0x1D173, 0x1F, 0x7F)],
)  # fmt: skip
def test_characters_that_show_nothing_are_dropped_and_counted(char: str) -> None:
    assert_same_features([f"un{char}seen"], ["unseen"])
    assert obfuscation([f"un{char}seen"]) == [1]


@pytest.mark.parametrize("char", "\u2003\u3164\uffa0\u2800\U0001d159")
def test_blanks_are_spaces_and_counted(char: str) -> None:
    assert_same_features([f"two{char}words"], ["two words"])
    assert obfuscation([f"two{char}words"]) == [1]


@pytest.mark.parametrize("name", OPEN)
def test_other_attacks_change_the_text(name: str) -> None:
    texts = [*sample(200), PANGRAMS[0]]
    assert attacked(name, texts) != texts


def test_attacks_are_seeded() -> None:
    texts = sample(10)
    for name in ATTACKS:
        assert attacked(name, texts) == attacked(name, texts)
        assert attacked(name, texts)[:3] == attacked(name, texts[:3])


def test_upper_lower_flips_first_letters_only() -> None:
    text = "word Word " * 100
    (changed,) = attacked("upper_lower", [text])
    assert changed.lower() == text.lower()
    flipped = [i for i in range(len(text)) if changed[i] != text[i]]
    assert len(flipped) == 10
    assert all(i % 5 == 0 for i in flipped)


def test_article_deletion_deletes_half_and_keeps_one_space() -> None:
    (changed,) = attacked("article_deletion", ["see the dog, an owl and a cat by the sea; The end"])
    assert len(changed.split()) == 13 - 2
    assert "  " not in changed
    assert "The end" in changed


def test_number_changes_digits_of_half_the_numbers() -> None:
    text = "1234567 in 7654321.5 or " * 10
    (changed,) = attacked("number", [text])
    assert len(changed) == len(text)
    assert re.sub(r"\d", "0", changed) == re.sub(r"\d", "0", text)
    numbers = zip(re.findall(r"[\d.]+", changed), re.findall(r"[\d.]+", text), strict=True)
    assert sum(one != other for one, other in numbers) == 10


@pytest.mark.parametrize(
    ("american", "british"),
    [
        ("Color and behavior, organized", "Colour and behaviour, organised"),
        ("realizing the analyzed center", "realising the analysed centre"),
        (
            "a size, a prize, capsized, resize; horizon",
            "a size, a prize, capsized, resize; horizon",
        ),
        ("Gray programs traveled", "Grey programmes travelled"),
        ("favorite neighborhood; honorable labor", "favourite neighbourhood; honourable labour"),
        ("orange, humorous, vigorous", "orange, humorous, vigorous"),
    ],
)
def test_alternative_spelling(american: str, british: str) -> None:
    assert attacked("alternative_spelling", [american]) == [british]


def test_misspelling_takes_at_most_a_fifth_of_the_words() -> None:
    text = "Because " + "which friend would believe their government " * 10
    (changed,) = attacked("perplexity_misspelling", [text])
    pairs = list(zip(changed.split(), text.split(), strict=True))
    assert sum(one != other for one, other in pairs) == int(0.2 * len(pairs))
    assert {"Because", "Becuase"} >= {changed.split()[0]}


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.from_files(artifacts.load(trained / "data" / "model"))


@pytest.mark.parametrize("name", UNDOABLE)
def test_undoable_attacks_leave_the_scores_as_they_are(name: str, predictor: Predictor) -> None:
    texts = sample(20)
    (clean, _), (after, _) = (
        predictor.score(PackedTexts.pack(part)) for part in (texts, attacked(name, texts))
    )
    np.testing.assert_array_equal(clean, after)
