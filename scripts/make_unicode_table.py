"""Make `ai_detect/unicode_table.npz`, the code-point table of the normalisation in `ai_detect/text.py`.

    pip install confusable-homoglyphs==3.3.1
    python scripts/make_unicode_table.py [OUTPUT]

Everything in the table follows from two sources: Python's `unicodedata` (decompositions, categories) and the Unicode
Consortium's list of confusable characters as packaged by confusable-homoglyphs. Nothing is typed in by hand but the
few typographic signs that neither source treats as equal to their ASCII form. The result depends on the Unicode
version of the interpreter, which is stored with it.
"""

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
}
MARKDOWN = "*_`#~"
SEPARATORS = "|"
ODD_SPACES = (
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u200a\u205f\u3000\u1680\u2028\u2029"
)
MAX_GROWTH = 4  # canonical bytes per source byte: the kernel's output buffer is sized by this


def lookalike(char: str) -> str:
    """Return the ASCII letter or digit that a non-ASCII character is confusable with, or ""."""
    if unicodedata.bidirectional(char) in ("R", "AL") or char.isascii():
        return ""
    found = confusables.confusables_data.get(char, [])
    ascii_forms = {entry["c"] for entry in found if len(entry["c"]) == 1 and entry["c"].isascii()}
    letters = {form for form in ascii_forms if form.isalpha()}
    if not char.isalnum() or not letters:
        return ""
    # The list has one prototype per shape: l stands for I, l, 1 and |. The case of the character decides.
    form = min(letters)
    return "I" if form == "l" and char.isupper() else form


def plain(char: str) -> str:
    """Fold one character: compatibility forms, accents, digits of other scripts, lookalikes, typography."""
    decomposed = unicodedata.normalize("NFKD", char)
    kept = "".join(c for c in decomposed if not 0x300 <= ord(c) <= 0x36F)
    folded = []
    for c in unicodedata.normalize("NFC", kept):
        if unicodedata.category(c) == "Nd":
            folded.append(str(unicodedata.digit(c)))
        elif unicodedata.category(c) == "Pd":
            folded.append("-")
        else:
            folded.append(TYPOGRAPHY.get(c) or lookalike(c) or c)
    return "".join(folded)


def token_class(char: str) -> int:
    """Say what one folded character is to the tokeniser."""
    category = unicodedata.category(char)
    if char.isspace() or char in SEPARATORS or category.startswith("Z"):
        return SPACE
    if category in ("Cc", "Cf", "Cs", "Co", "Cn") or char in MARKDOWN or char == "\ufffd":
        return DROP
    if 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF:  # variation selectors
        return DROP
    return WORD if char.isalnum() or category.startswith("M") else PUNCTUATION


def undone(char: str, folded: str) -> Undone:
    """Say what kind of change `char` -> `folded` undoes."""
    category = unicodedata.category(char)
    if char in MARKDOWN:
        return Undone.MARKDOWN
    if char in ODD_SPACES:
        return Undone.ODD_SPACE
    if folded == "" or token_class(char) == DROP:
        return Undone.INVISIBLE
    if char != folded and (
        lookalike(char) or (category[0] in "LN" and folded.isascii() and is_styled(char))
    ):
        return Undone.LOOKALIKE
    return Undone.TYPOGRAPHY if char != folded else Undone.NOTHING


def is_styled(char: str) -> bool:
    """Full-width, circled, mathematical and similar dress of an ASCII letter or digit."""
    return unicodedata.decomposition(char).startswith(("<font>", "<wide>", "<circle>", "<square>"))


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
        folded = plain(folded.lower())
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
