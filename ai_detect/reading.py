"""A text as the kernels read it, with the way back to its characters.

The same steps as `kernels.tokenise`, in Python and NumPy, where there is time to note what came from where.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ai_detect.text import DROP, SPACE, WORD, code_point_table

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """A text as the kernels read it, with the way back.

    canonical: tokens joined by single spaces; source: int64 (len(canonical),), which character of the text each one
    comes from, a space from the one after it; first, last: int64 (n_tokens,), where in `canonical` each token begins
    and ends.
    """

    canonical: str
    source: Int64Array
    first: Int64Array
    last: Int64Array

    def places(self) -> tuple[Int64Array, Int64Array]:
        """Return where in the text each token starts and ends, int64 (n_tokens,)."""
        return self.source[self.first], self.source[self.last - 1] + 1


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a text, uint32 (n,)."""
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))


def read(text: str, *, lowercase: bool) -> Reading:
    """Do what `kernels.tokenise` does, and keep track of where everything comes from."""
    table = code_point_table(lowercase)
    points = code_points(text)
    entries = table.entries[(table.pages[points >> 8].astype(np.int64) << 8) | (points & 255)]
    seen = np.flatnonzero(entries & 3 != DROP)
    entries = entries[seen]
    before = np.concatenate(([SPACE], entries[:-1] >> 2 & 3))[: len(entries)]
    apart = (entries & 3 | before) != WORD
    kept = np.flatnonzero(entries & 3 != SPACE)
    apart[kept[:1]] = False  # nothing stands before the first token
    pool = table.pool.tobytes()
    pieces = []
    for place, entry, separate in zip(
        seen[kept].tolist(), entries[kept].tolist(), apart[kept].tolist(), strict=True
    ):
        length, offset = entry >> 8 & 63, entry >> 14
        shown = pool[offset : offset + length].decode() if length else text[place]
        pieces.append(" " + shown if separate else shown)
    canonical = "".join(pieces)
    source = np.repeat(seen[kept], [len(piece) for piece in pieces])
    spaces = np.flatnonzero(code_points(canonical) == ord(" ")).tolist()
    edges = np.array([-1, *spaces, len(canonical)] if canonical else [-1], np.int64)
    return Reading(canonical, source, edges[:-1] + 1, edges[1:])
