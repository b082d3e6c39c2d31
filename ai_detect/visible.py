"""Texts of strangers on a screen: nothing in them may act, and nothing may hide.

An escape sequence would recolour a terminal, a direction mark turn a line around, a zero-width space pass for nothing.
"""

import unicodedata

from ai_detect.text import Undone, code_point_table


class Visible(dict[int, str]):
    """A table for `str.translate` that spells out what must not act on a screen, such as U+202E.

    Control and format characters, direction marks, line separators and unusual spaces are spelt out; line feeds and
    tabs stay, carriage returns go.
    """

    def __missing__(self, code_point: int) -> str:
        char = chr(code_point)
        if char == "\r":
            shown = ""
        elif is_hidden(char):
            shown = self.spelt(f"U+{code_point:04X}")
        else:
            shown = self.plain(char)
        self[code_point] = shown
        return shown

    def spelt(self, name: str) -> str:
        """Show the name of a character that is not shown itself."""
        return f"<{name}>"

    def plain(self, char: str) -> str:
        """Show a character."""
        return char


def is_hidden(char: str) -> bool:
    """Whether a character has no shape of its own, or an unexpected one of a space."""
    if char in "\n\t":
        return False
    category = unicodedata.category(char)
    return category[0] == "C" or category in ("Zl", "Zp") or undone(char) == Undone.ODD_SPACE


def undone(char: str) -> Undone:
    """Return what kind of change the normalisation undoes at a character."""
    return Undone(code_point_table(False).entry(char) >> 4 & 7)
