"""Attacks on the characters and words of a text, and what they do to the scores.

    python -m benchmarks.attacks [--data=../shared/data] [--model=data/model] [--n_texts=0]

`ATTACKS` holds the nine cheap attacks of the RAID benchmark, written anew from their definitions, at RAID's rates, and
character tricks of our own. An attack is `undoable` where the code-point table of the normalisation gives back the
tokens of the clean text exactly, whatever the text was; then the scores cannot differ. It `hides` where it puts in what
nobody types by accident, which must show in the obfuscation count.

Two of RAID's attacks are stand-ins: `alternative_spelling` uses word lists and suffix rules instead of a table of all
American spellings; `perplexity_misspelling` has some 60 misspellings instead of 192 words, and takes words at random
instead of those likeliest under GPT-2, so it is milder than the original. Where RAID asks NLTK for words and sentences,
regular expressions do here.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import fire
import numpy as np
import pandas as pd

from ai_detect import artifacts, metrics
from ai_detect.predictor import Predictions, Predictor
from ai_detect.text import PackedTexts

Change = Callable[[str, Random], str]

LETTERS = string.ascii_letters

# RAID's 22 letters: Cyrillic and Greek, by code point.
RAID_HOMOGLYPHS = {
    "a": "\u0430", "A": "\u0410\u0391", "B": "\u0412\u0392", "e": "\u0435", "E": "\u0415\u0395",
    "c": "\u0441", "p": "\u0440", "K": "\u041a\u039a", "O": "\u041e\u039f", "P": "\u0420\u03a1",
    "M": "\u041c\u039c", "H": "\u041d\u0397", "T": "\u0422\u03a4", "X": "\u0425\u03a7", "C": "\u0421",
    "y": "\u0443", "o": "\u043e", "x": "\u0445", "I": "\u0406\u0399", "i": "\u0456", "N": "\u039d",
    "Z": "\u0396",
}  # fmt: skip
# Further Cyrillic, Greek, Armenian, Cherokee, Lisu, Coptic and Latin letters, and Roman numerals.
CONFUSABLES = {
    "a": "\u0251\u03b1", "b": "\u042c\u044c", "c": "\u03f2\u217d\u1d04", "d": "\u0501\u217e", "f": "\u0584",
    "g": "\u0261\u0581", "h": "\u04bb\u0570", "i": "\u0131\u2170\u03b9", "j": "\u0458\u03f3",
    "k": "\u043a\u03ba", "l": "\u04cf\u217c", "m": "\u043c\u217f", "n": "\u0578", "o": "\u03bf\u0585\u1d0f",
    "p": "\u03c1\u2ca3", "q": "\u051b", "r": "\u0433", "s": "\u0455\ua731", "t": "\u0442", "u": "\u057d\u03c5",
    "v": "\u03bd\u0475\u2174", "w": "\u051d", "x": "\u2179", "y": "\u04af", "z": "\u1d22",
    "A": "\u13aa\ua4ee", "B": "\u13f4\ua4d0", "C": "\u03f9\u216d\ua4da", "D": "\u13a0\ua4d3\u216e",
    "E": "\u13ac\ua4f0", "G": "\u050c\ua4d6", "H": "\u13bb\ua4e7", "I": "\u04c0\u2160", "J": "\u0408\u13ab",
    "K": "\u13e6\ua4d7", "L": "\u13de\ua4e1\u216c", "M": "\u13b7\ua4df\u216f", "N": "\ua4e0", "O": "\ua4f3\u0555",
    "P": "\u13e2\ua4d1", "Q": "\u051a", "R": "\u13a1\ua4e3", "S": "\u0405\u054f", "T": "\u13a2\ua4d4",
    "U": "\ua4f4\u054d", "V": "\u0474\u2164", "W": "\u051c\u13b3", "X": "\ua4eb\u2169", "Y": "\u04ae\u03a5",
    "Z": "\u13c3\ua4dc",
}  # fmt: skip
# Bold, bold italic, bold script, bold Fraktur, sans-serif, sans-serif bold, monospace: alphabets without gaps.
MATHEMATICAL = (0x1D400, 0x1D468, 0x1D4D0, 0x1D56C, 0x1D5A0, 0x1D5D4, 0x1D670)
# First capital letter of a row of A to Z: circled, squared, and both in white on black.
ENCLOSED = (0x24B6, 0x1F130, 0x1F150, 0x1F170)
SMALL_CAPITALS = dict(
    zip(
        "abcdefghijklmnopqrstuvwyz",
        "\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f\u1d18\ua7af\u0280"
        "\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22",
        strict=True,
    )
)
SUPERSCRIPTS = dict(
    zip(
        "abcdefghijklmoprstuvwxyz",
        "\u1d43\u1d47\u1d9c\u1d48\u1d49\u1da0\u1d4d\u02b0\u1da6\u02b2\u1d4f\u02e1\u1d50\u1d52\u1d56\u02b3\u02e2\u1d57"
        "\u1d58\u1d5b\u02b7\u02e3\u02b8\u1dbb",
        strict=True,
    )
)
STROKED = dict(
    zip(
        "bcdefghijklmnopqrstuvwxyz",
        "\u0180\u023c\u0256\u0247\u0192\u01e5\u0266\u0268\u0249\u0199\u019a\u0271\u0272\u00f8\u1d7d\u024b\u024d\u0282\u01ad"
        "\u1d7e\u028b\u2c73\u1d8d\u024f\u01b6",
        strict=True,
    )
)
DIGITS = {
    digit: [chr(zero + int(digit)) for zero in (0x660, 0x966, 0xFF10)] for digit in "0123456789"
}
LIGATURES = {
    "ffi": "\ufb03",
    "ffl": "\ufb04",
    "ff": "\ufb00",
    "fi": "\ufb01",
    "fl": "\ufb02",
    "st": "\ufb06",
}
TYPOGRAPHY = {
    "'": "\u2018\u2019\u02bc\u2032",
    '"': "\u201c\u201d\u201e\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212",
}
PUNCTUATION = {
    ":": "\u2236\ua789\u0589",
    ";": "\u037e\uff1b",
    ".": "\u2024\uff0e",
    ",": "\uff0c\ufe50",
    "!": "\uff01",
}

INVISIBLE = (
    "\u200c\u200d\u2060\ufeff\u034f\u061c\u180e\u2061\u2062\u2063\u2064\u206a\u115f\u1160\ufe00\ufff9"
    "\U000e0101\U000e0061"
)
MARKS = "\u0335\u0336\u033d\u0346\u035c\u0360\u0489\u1ab0\u1dc4\u20d2\ufe20"
BIDI = ("\u200e", "\u200f", "\u202a\u202c", "\u202d\u202c", "\u2066\u2069", "\u2068\u2069")
CONTROLS = "\x00\x01\x07\x08\x1b\x1f\x7f"
SPACES = (
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u1680"
    "\u3164\uffa0\u2800"
)

MISSPELLINGS = dict(
    pair.split()
    for pair in """
    accommodate accomodate,achieve acheive,across accross,actually actualy,always allways,apparent apparant,
    argument arguement,basically basicly,beautiful beautifull,because becuase,become becomme,beginning begining,
    believe beleive,business buisness,coming comming,committed commited,completely completly,decision desicion,
    definitely definately,different diffrent,difficult dificult,disappoint dissapoint,environment enviroment,
    especially especialy,example exemple,experience experiance,finally finaly,foreign foriegn,friend freind,
    government goverment,guarantee garantee,happened happend,immediately immediatly,important importent,
    independent independant,interesting intresting,knowledge knowlege,learning learing,necessary neccessary,
    occurred occured,often offen,opinion opinon,people peple,possible posible,probably probly,really realy,
    receive recieve,recommend recomend,responsible responsable,school shcool,separate seperate,should shoud,
    similar similer,student studant,success sucess,surprise suprise,technology tecnology,their thier,
    themselves themselfs,therefore therefor,together togather,tomorrow tommorow,truly truely,until untill,
    usually usualy,which wich,whether wether,would woud,writing writting
    """.replace("\n", "").split(",")
)
BRITISH = dict(
    pair.split()
    for pair in """
    aging ageing,analog analogue,canceled cancelled,catalog catalogue,center centre,centers centres,cozy cosy,
    defense defence,dialog dialogue,enroll enrol,enrollment enrolment,fiber fibre,fulfill fulfil,fulfillment fulfilment,
    gray grey,jewelry jewellery,labeled labelled,liter litre,maneuver manoeuvre,math maths,modeling modelling,mom mum,
    offense offence,pajamas pyjamas,program programme,programs programmes,skeptical sceptical,skillful skilful,
    theater theatre,traveled travelled,traveler traveller,travelers travellers,traveling travelling,willful wilful
    """.replace("\n", "").split(",")
)
BRITISH_SUFFIXES = (
    (re.compile(r"\b(?!res|caps)(\w{3,})iz(e|es|ed|er|ers|ing|ation|ations)\b"), r"\1is\2"),
    (re.compile(r"\b((?:anal|paral|catal)y)z(e|es|ed|ing)\b"), r"\1s\2"),
    (
        re.compile(
            r"\b((?:un|dis)?(?:arm|behavi|col|endeav|fav|flav|harb|hon|hum|lab|neighb|rum|sav|splend|vap|vig))or"
            r"(s|ed|ing|ite|ites|able|ably|ful|less|hood|hoods|al)?\b",
            re.IGNORECASE,
        ),
        r"\1our\2",
    ),
)


class Attack(NamedTuple):
    """change: text, generator -> attacked text; undoable: exactly, by the table; hides: must be counted."""

    change: Change
    undoable: bool
    hides: bool = False


def swapped(alternatives: Mapping[str, Sequence[str]], rate: float = 1.0) -> Change:
    """Swap each of the given strings for one of its alternatives; the first key that fits wins."""
    pattern = re.compile("|".join(map(re.escape, alternatives)))

    def change(text: str, rng: Random) -> str:
        def swap(match: re.Match[str]) -> str:
            return rng.choice(alternatives[match[0]]) if rng.random() < rate else match[0]

        return pattern.sub(swap, text)

    return change


def inserted(additions: Sequence[str], rate: float) -> Change:
    """Insert one of the given strings after a share of the characters."""

    def change(text: str, rng: Random) -> str:
        return "".join(
            char + (rng.choice(additions) if rng.random() < rate else "") for char in text
        )

    return change


def at_share_of_matches(
    pattern: str, rate: float, replace: Callable[[re.Match[str], Random], str]
) -> Change:
    """Replace a share of the matches of a regular expression, rounded down as RAID does."""
    compiled = re.compile(pattern)

    def change(text: str, rng: Random) -> str:
        n_matches = sum(1 for _ in compiled.finditer(text))
        chosen = set(rng.sample(range(n_matches), int(rate * n_matches)))
        counter = iter(range(n_matches))
        return compiled.sub(
            lambda match: replace(match, rng) if next(counter) in chosen else match[0], text
        )

    return change


def alphabet(rows: Sequence[int]) -> dict[str, list[str]]:
    """Map the 52 letters to alphabets that begin at the given code points, capitals before small letters."""
    return {
        letter: [chr(first + i) for first in rows]
        for i, letter in enumerate(string.ascii_uppercase + string.ascii_lowercase)
    }


def whitespace(text: str, rng: Random) -> str:
    """Put one more space after 20 % of the words, chosen with replacement."""
    words = text.split(" ")
    for _ in range(int(0.2 * len(words))):
        words[rng.randrange(len(words))] += " "
    return " ".join(words)


def insert_paragraphs(text: str, rng: Random) -> str:
    """Begin a new paragraph at half of the sentences."""
    first, *others = re.split(r"(?<=[.!?])\s+", text)
    broken = set(rng.sample(range(len(others)), int(0.5 * len(others))))
    return " ".join(
        [first, *("\n\n" * (i in broken) + sentence for i, sentence in enumerate(others))]
    )


def random_digits(match: re.Match[str], rng: Random) -> str:
    """Replace every digit of a number."""
    return re.sub(r"\d", lambda _: rng.choice(string.digits), match[0])


def keep_capital(original: str, replacement: str) -> str:
    """Write the replacement with a capital if the original has one."""
    return replacement.capitalize() if original[0].isupper() else replacement


def alternative_spelling(text: str, rng: Random) -> str:
    """Spell the British way (stand-in, see above)."""
    text = re.sub(
        rf"\b({'|'.join(BRITISH)})\b",
        lambda match: keep_capital(match[0], BRITISH[match[0].lower()]),
        text,
        flags=re.IGNORECASE,
    )
    for pattern, replacement in BRITISH_SUFFIXES:
        text = pattern.sub(replacement, text)
    return text


def perplexity_misspelling(text: str, rng: Random) -> str:
    """Misspell up to 20 % of the words (stand-in, see above)."""
    candidates = list(re.finditer(rf"\b({'|'.join(MISSPELLINGS)})\b", text, re.IGNORECASE))
    n = min(len(candidates), int(0.2 * len(text.split())))
    for match in sorted(rng.sample(candidates, n), key=re.Match.start, reverse=True):
        wrong = keep_capital(match[0], MISSPELLINGS[match[0].lower()])
        text = text[: match.start()] + wrong + text[match.end() :]
    return text


def full_width(text: str, rng: Random) -> str:
    """Write printable ASCII full-width, and spaces as wide ones."""
    return "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c.replace(" ", "\u3000") for c in text
    )


def decomposed(text: str, rng: Random) -> str:
    """Take accents off their Latin letters, so that both stand by themselves (NFD)."""
    forms = ((char, unicodedata.normalize("NFD", char)) for char in text)
    return "".join(form if form[0] in LETTERS else char for char, form in forms)


def markdown(text: str, rng: Random) -> str:
    """Set words in bold, italics or code, and some lines as headings."""

    def mark(match: re.Match[str], rng: Random) -> str:
        marks = rng.choice(("**", "*", "__", "_", "`", "~~"))
        return marks + match[0] + marks

    text = at_share_of_matches(r"\w+", 0.2, mark)(text, rng)
    return at_share_of_matches(r"(?m)^(?=.)", 0.5, lambda _, rng: "#" * rng.randint(1, 3) + " ")(
        text, rng
    )


def shown_backwards(match: re.Match[str], rng: Random) -> str:
    """Store a word backwards between two controls that show it forwards."""
    return f"\u202e{match[0][::-1]}\u202c"


ATTACKS = {
    # RAID
    "homoglyph": Attack(swapped(RAID_HOMOGLYPHS), True, True),
    "zero_width_space": Attack(inserted(["\u200b"], 1.0), True, True),
    "whitespace": Attack(whitespace, True),
    "insert_paragraphs": Attack(insert_paragraphs, True),
    "upper_lower": Attack(
        at_share_of_matches(r"[^\W\d_]\w*", 0.05, lambda m, _: m[0][0].swapcase() + m[0][1:]), False
    ),
    "article_deletion": Attack(
        at_share_of_matches(" (?:a|an|the)(?= )", 0.5, lambda *_: ""), False
    ),
    "number": Attack(at_share_of_matches(r"\d+\.?\d*", 0.5, random_digits), False),
    "alternative_spelling": Attack(alternative_spelling, False),
    "perplexity_misspelling": Attack(perplexity_misspelling, False),
    # Letters in disguise
    "confusables": Attack(swapped(CONFUSABLES), True, True),
    "full_width": Attack(full_width, True, True),
    "mathematical": Attack(swapped(alphabet(MATHEMATICAL)), True, True),
    "enclosed": Attack(
        swapped(
            {c: [chr(row + i) for row in ENCLOSED] for i, c in enumerate(string.ascii_uppercase)}
        ),
        True,
        True,
    ),
    "small_capitals": Attack(swapped(SMALL_CAPITALS), True, True),
    "superscripts": Attack(swapped(SUPERSCRIPTS), True, True),
    "strokes": Attack(swapped(STROKED), True, True),
    "foreign_digits": Attack(swapped(DIGITS), True),
    # Characters that are not seen
    "soft_hyphen": Attack(inserted(["\u00ad"], 0.3), True, True),
    "invisible": Attack(inserted(INVISIBLE, 0.3), True, True),
    "bidi_controls": Attack(inserted(BIDI, 0.2), True, True),
    "control_characters": Attack(inserted(CONTROLS, 0.2), True, True),
    "combining_marks": Attack(inserted(MARKS, 0.3), True, True),
    "exotic_spaces": Attack(swapped({" ": SPACES}), True, True),
    # Typography, which is ordinary
    "quotes_and_dashes": Attack(swapped(TYPOGRAPHY), True),
    "punctuation": Attack(swapped(PUNCTUATION), True),
    "ligatures": Attack(swapped(LIGATURES), True),
    "decomposed": Attack(decomposed, True),
    "markdown": Attack(markdown, True),
    # Beyond a table of code points
    "shown_backwards": Attack(at_share_of_matches(r"\w{2,}", 1.0, shown_backwards), False, True),
    "hair_spaces": Attack(inserted(["\u200a"], 0.1), False, True),
}


def attacked(name: str, texts: Sequence[str], seed: int = 42) -> list[str]:
    """Attack each text with a generator of its own, so that the result does not depend on its neighbours."""
    change = ATTACKS[name].change
    return [change(text, Random(f"{seed} {name} {i}")) for i, text in enumerate(texts)]


def corpora(data: Path, n_texts: int) -> dict[str, tuple[list[str], list[str]]]:
    """Return human and ChatGPT essays of two test corpora, the first `n_texts` of each (0: all)."""
    found = {}
    for corpus in ("outfox_test", "herbold_argumentative"):
        texts = pd.read_parquet(data / "test" / f"{corpus}.parquet")
        texts = texts[texts["attack"] == "none"]
        llm = texts["generator"].isin(["gpt-3.5-turbo", "chatgpt-3.5", "chatgpt-4"])
        human, written = (
            texts["text"][rows].tolist()[: n_texts or None]
            for rows in (texts["generated"] == 0, llm)
        )
        found[corpus] = (human, written)
    return found


def report(
    data: str = "../shared/data", model: str = "data/model", n_texts: int = 0, seed: int = 42
) -> str:
    """Attack the LLM texts only and return the table as Markdown: one row per corpus and attack."""
    predictor = Predictor.from_files(artifacts.load(Path(model)))
    lines = [
        "| corpus | attack | undoable | AUROC | loss | mean score change | largest | verdicts flipped | obfuscation |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for corpus, (human, llm) in corpora(Path(data), n_texts).items():
        human_scores = predictor.predict(PackedTexts.pack(human)).scores[:, 0]
        clean = predictor.predict(PackedTexts.pack(llm))
        for name, attack in ATTACKS.items():
            after = predictor.predict(PackedTexts.pack(attacked(name, llm, seed)))
            figures = " | ".join(row(human_scores, clean, after))
            lines.append(
                f"| {corpus} | {name} | {'yes' if attack.undoable else 'no'} | {figures} |"
            )
    return "\n".join(lines)


def row(human_scores: np.ndarray, clean: Predictions, after: Predictions) -> list[str]:
    """Compare the predictions before and after one attack.

    Returns: AUROC after, its loss, mean and largest change of the score, share of verdicts at 1 % that changed, and
        mean obfuscation count after.
    """
    y = np.repeat([0, 1], [len(human_scores), len(clean.scores)])
    before_auc, after_auc = (
        metrics.roc_auc(y, np.concatenate((human_scores, predictions.scores[:, 0])))
        for predictions in (clean, after)
    )
    change = after.scores[:, 0] - clean.scores[:, 0]
    flipped = (clean.p_value <= 0.01) != (after.p_value <= 0.01)
    return [
        f"{after_auc:.4f}",
        f"{before_auc - after_auc:.4f}",
        f"{change.mean():+.3f}",
        f"{np.abs(change).max():.3f}",
        f"{100 * flipped.mean():.1f} %",
        f"{after.obfuscation.mean():.1f}",
    ]


if __name__ == "__main__":
    fire.Fire(report)
