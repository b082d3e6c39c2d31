"""Make `ai_detect/unicode_table.npz`, the code-point table of the normalisation in `ai_detect/text.py`.

    pip install confusable-homoglyphs==3.3.1
    python scripts/make_unicode_table.py [OUTPUT]

Everything in the table follows from two sources: Python's `unicodedata` (decompositions, categories, names) and the
Unicode Consortium's list of confusable characters as packaged by confusable-homoglyphs. Typed in by hand are only the
exceptions: typographic signs, blanks and shapes for which neither source has an ASCII form, or not the right one. The
result depends on the Unicode version of the interpreter, which is stored with it.
"""

import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
from confusable_homoglyphs import confusables  # type: ignore[import-not-found]

from ai_detect.text import DROP, PUNCTUATION, SPACE, WORD, Undone, pack_entry

TYPOGRAPHY = {
    **dict.fromkeys(
        "\u2018\u2019\u201a\u201b\u2032\u2035\u00b4\u02bc\u02b9\u02bb\u02bd\uff07", "'"
    ),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u301d\u301e\uff02", '"'),
    **dict.fromkeys("\u2212\u2043\u02d7", "-"),
    "\u2044": "/",
    "\u2022": " ",
    **dict(zip("\u00e6\u00c6\u0153\u0152\u00df", ("ae", "AE", "oe", "OE", "ss"), strict=True)),
}
MARKDOWN = "*_`#~"
SEPARATORS = "|"
# Spaces that people and word processors do not set. Left out: no-break, thin and ideographic spaces, line separators.
ODD_SPACES = "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u200a\u205f\u1680"
# Letters and symbols to Unicode, blanks to the reader: Hangul fillers, Braille blank, the note without a head.
BLANKS = "\u3164\uffa0\u2800\U0001d159"
# Default-ignorable or without a shape of their own, though the category says mark, letter or symbol: Hangul
# fillers, inherent vowels of Khmer, variation selectors, the object replacement character.
IGNORABLE = frozenset(
    chr(code_point)
    for first, last in (
        (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0xFE00, 0xFE0F), (0xFFFC, 0xFFFC), (0xE0100, 0xE01EF),
    )
    for code_point in range(first, last + 1)
)  # fmt: skip
EMOJI_MARKS = "\ufe0e\ufe0f\u20e3"
# Where the list of confusables has another shape in mind, or no ASCII letter at all.
SHAPES = {"\u04cf": "l", "\u051a": "Q", "\u03ba": "k", "\u0138": "k"}
PROSE_MARKS = ".,:;!?'\"-/()"
# Controls other than white space that stand in texts by accident: C1, which is Windows-1252 read as Latin-1.
C1_CONTROLS = {chr(byte): bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0xA0)}
# The accents that Unicode itself puts on Latin letters; other combining marks are decoration.
ACCENTS = frozenset(
    mark
    for code_point in range(0xC0, 0x1F00)
    if unicodedata.name(chr(code_point), "").startswith("LATIN")
    for mark in unicodedata.normalize("NFD", chr(code_point))[1:]
)
# Letters of the alphabet that no decomposition leads back to: strokes, hooks, small capitals, white on black.
VARIANT = re.compile(
    "LATIN (?:LETTER SMALL CAPITAL|SMALL CAPITAL LETTER|SMALL LETTER|CAPITAL LETTER) ([A-Z])(?: WITH .*)?"
    "|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])"
)
MAX_GROWTH = 4  # canonical bytes per source byte: the kernel's output buffer is sized by this


def lookalike(char: str) -> str:
    """Return the ASCII letter, digit or punctuation mark that another character is confusable with, or ""."""
    if char.isascii() or unicodedata.bidirectional(char) in ("R", "AL"):
        return ""
    if char in SHAPES:
        return SHAPES[char]
    found = confusables.confusables_data.get(char, [])
    ascii_forms = {entry["c"] for entry in found if len(entry["c"]) == 1 and entry["c"].isascii()}
    if not char.isalnum():
        marks = unicodedata.category(char)[0] in "PS" and ascii_forms.intersection(PROSE_MARKS)
        return min(marks) if marks else ""
    # The list has one prototype per shape: l stands for I, l, 1 and |. The case of the character decides.
    form = min(ascii_forms, key=lambda form: (form.isdigit(), form), default="")
    if form == "l" and char.isupper():
        return "I"
    if form.isalnum():
        return form
    # Small Cyrillic letters mostly have the shape of the capital, which the list knows by that shape alone.
    small_cyrillic = unicodedata.name(char, "").startswith("CYRILLIC SMALL LETTER")
    return lookalike(char.upper()).lower() if small_cyrillic and char.isalpha() else ""


def variant(char: str) -> str:
    """Return the ASCII letter that a character is a variant of by its name, or ""."""
    name = unicodedata.name(char, "")
    found = VARIANT.fullmatch(name)
    if not found or char.isascii():
        return ""
    letter = found[1] or found[2]
    return letter.lower() if "SMALL" in name else letter


def plain(char: str) -> str:
    """Fold one character: compatibility forms, accents, digits of other scripts, lookalikes, typography."""
    if char in TYPOGRAPHY:
        return TYPOGRAPHY[char]
    if char in BLANKS:
        return " "
    if char in C1_CONTROLS:
        decoded = C1_CONTROLS[char]
        return plain(decoded) if unicodedata.category(decoded)[0] == "P" else ""
    decomposed = unicodedata.normalize("NFKD", char)
    if re.fullmatch(r"\([A-Za-z]\)", decomposed):  # a letter in parentheses that is one character
        return decomposed[1]
    kept = "".join(c for c in decomposed if not is_combining(c))
    folded = "".join(plain_part(c) for c in unicodedata.normalize("NFC", kept))
    return folded if folded.isascii() else lookalike(char) or folded


def plain_part(char: str) -> str:
    """Fold one character of a decomposition."""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Pd":
        return "-"
    return TYPOGRAPHY.get(char) or variant(char) or lookalike(char) or char


def is_combining(char: str) -> bool:
    """Tell the marks that go on letters of any script from the vowel signs and such of a single one."""
    name = unicodedata.name(char, "")
    marks = unicodedata.category(char) in ("Mn", "Me") and name.startswith("COMBINING")
    return marks and "KATAKANA" not in name


def token_class(char: str) -> int:
    """Say what one folded character is to the tokeniser."""
    category = unicodedata.category(char)
    if "\x1c" <= char <= "\x1f" or char in IGNORABLE or char in MARKDOWN or char == "\ufffd":
        return DROP
    if char.isspace() or char in SEPARATORS or category.startswith("Z"):
        return SPACE
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return DROP
    return WORD if char.isalnum() or category.startswith("M") else PUNCTUATION


def undone(char: str, folded: str) -> Undone:
    """Say what kind of change `char` -> `folded` undoes."""
    if char in MARKDOWN:
        return Undone.MARKDOWN
    if char in ODD_SPACES or char in BLANKS:
        return Undone.ODD_SPACE
    if is_damage(char) or char in ACCENTS or char in EMOJI_MARKS:
        return Undone.TYPOGRAPHY
    if folded == "" or token_class(char) == DROP:
        return Undone.INVISIBLE
    if char == folded:
        return Undone.NOTHING
    return Undone.LOOKALIKE if is_disguised(char, folded) else Undone.TYPOGRAPHY


def is_damage(char: str) -> bool:
    """Tell what bad decoding and symbol fonts leave behind, which hides nothing: C1, U+FFFD, private use."""
    return char in C1_CONTROLS or char == "\ufffd" or unicodedata.category(char) == "Co"


def is_disguised(char: str, folded: str) -> bool:
    """Tell a letter or digit in disguise from the accents, ligatures, signs and numerals of ordinary typography."""
    if len(folded) != 1 or not folded.isalnum() or not folded.isascii() or char < "\u0180":
        return False
    if "\u2100" <= char <= "\u214f":  # letterlike symbols: the set of real numbers, the litre
        return False
    category, dress = unicodedata.category(char), unicodedata.decomposition(char).split(" ")[0]
    if dress in ("<font>", "<wide>", "<circle>", "<square>"):
        return category != "No"
    # Exponents, indices and the digits of other scripts are ordinary; words in superscript are not.
    if dress in ("<super>", "<sub>") or category == "Nd":
        return dress == "<super>" and category == "Lm" and char not in "\u2071\u207f"
    base = unicodedata.normalize("NFD", char)[0]
    return base >= "\u0180" and bool(lookalike(base) or variant(base))


def canonical(folded: str) -> tuple[str, int, int]:
    """Return the folded characters as tokens joined by single spaces, with the first and last token class."""
    out, last, first = "", SPACE, DROP
    spaced = False
    for char in folded:
        kind = token_class(char)
        if kind == SPACE:
            last, spaced = SPACE, True
        elif kind != DROP:
            out += (" " if out and (kind | last) != WORD else "") + char
            last = kind
            first = kind if first == DROP else first
    if not out:
        return "", (SPACE if spaced else DROP), DROP
    return out, first, last


def entry_of(char: str, lowercase: bool, pool: dict[bytes, int]) -> int:
    """Return the table entry of one character, adding its replacement to the pool."""
    folded = plain(char)
    kind = undone(char, folded)
    if lowercase:
        folded = "".join(map(plain, folded.lower()))
    text, first, last = canonical(folded)
    source = char.encode("utf-8", "surrogatepass")
    target = text.encode("utf-8", "surrogatepass")
    if first in (SPACE, DROP):
        return pack_entry(first, first, kind, 0, 0)
    if len(target) + 1 > MAX_GROWTH * len(source) or target == source:
        shape = token_class(char) if target != source else first
        return pack_entry(shape, shape, Undone.NOTHING if target != source else kind, 0, 0)
    if target not in pool:
        pool[target] = sum(len(known) for known in pool)
    return pack_entry(first, last, kind, len(target), pool[target])


def build(lowercase: bool) -> dict[str, np.ndarray]:
    """Return pages (uint16 by code point >> 8), entries (uint32) and the pool of replacements (uint8)."""
    pool: dict[bytes, int] = {}
    pages: list[int] = []
    blocks: dict[bytes, int] = {}
    for page in range(0x110000 >> 8):
        block = np.array(
            [entry_of(chr(page << 8 | low), lowercase, pool) for low in range(256)], np.uint32
        ).tobytes()
        pages.append(blocks.setdefault(block, len(blocks)))
    return {
        "pages": np.array(pages, np.uint16),
        "entries": np.frombuffer(b"".join(blocks), np.uint32),
        "pool": np.frombuffer(b"".join(pool), np.uint8),
    }


def main(output: Path) -> None:
    """Write the table."""
    arrays = {"unicode_version": np.array(unicodedata.unidata_version)}
    for prefix, lowercase in (("cased", False), ("lower", True)):
        arrays |= {f"{prefix}_{name}": array for name, array in build(lowercase).items()}
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "ai_detect" / "unicode_table.npz"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
