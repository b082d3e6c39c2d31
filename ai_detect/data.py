"""Turn a dataset into batches of texts, or into a corpus to train on.

Every refusal of a dataset happens here or in the modules below: `columns` (which column is which),
`labels`, `readers` (formats), `sources` (files). No message or log record holds the text of a row.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ai_detect.columns import BY_RULE, Columns, choose_columns
from ai_detect.errors import DataError
from ai_detect.labels import LabelCode, encode_labels, label_meaning
from ai_detect.readers import open_table
from ai_detect.sources import Source, find_sources
from ai_detect.tables import Chunk
from ai_detect.text import PackedTexts

__all__ = [
    "MAX_TEXT_BYTES",
    "MIN_TRAINING_ROWS",
    "Batch",
    "Columns",
    "Copies",
    "Corpus",
    "LabelCode",
    "check_enough",
    "check_trainable",
    "encode_labels",
    "read_batches",
    "read_corpus",
    "sort_out_copies",
    "text_digests",
    "warn_of_rows",
]

logger = logging.getLogger(__name__)

MAX_TEXT_BYTES = 10_000_000
MIN_TRAINING_ROWS = 10

_CORPUS_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a dataset.

    Labels, groups and populations are there only where they were asked for. `problems` names bad
    rows: row number within the batch -> reason; such a row has an empty text.
    """

    ids: list[str]
    texts: PackedTexts
    labels: list[str] | None
    groups: list[str] | None
    problems: dict[int, str]
    populations: list[str] | None = None


@dataclass(frozen=True)
class Corpus:
    """A whole labelled dataset without its bad rows.

    labels, groups, populations: arrays of str objects (n,), a population being the kind of writers
    and texts that a row is of; n_rows: rows read; problems: reason -> rows left out; n_duplicates:
    later copies of a kept text, left out; n_conflicting: rows left out because copies of their text
    carry different labels; fingerprint: SHA-256 of texts and labels kept.
    """

    ids: list[str]
    texts: PackedTexts
    labels: npt.NDArray[np.object_]
    groups: npt.NDArray[np.object_]
    populations: npt.NDArray[np.object_]
    n_rows: int
    problems: dict[str, int]
    n_duplicates: int
    n_conflicting: int
    fingerprint: str


def read_batches(
    dataset: str | Sequence[Source],
    *,
    columns: Columns = BY_RULE,
    labelled: bool = False,
    format: str = "",
    encoding: str = "utf-8",
    strict: bool = False,
    batch_bytes: int = 8 << 20,
) -> Iterator[Batch]:
    """Read a dataset in order, a bounded amount of text at a time.

    Args:
        dataset: a file, a folder of files, a pattern, or `-` for standard input; or the tables themselves.
        columns: the columns to read.
        labelled: whether labels and groups are needed.
        format: csv, tsv, jsonl, parquet or txt, where the name of a file does not tell.
        encoding: of text files.
        strict: refuse the first bad row instead of keeping it with an empty text.
        batch_bytes: a batch holds at most this much text, or one row.

    Raises:
        DataError: the dataset cannot be used as it is.
        UsageError: the format or the encoding is unknown.
    """
    n_before = 0
    sources = find_sources(dataset, format=format) if isinstance(dataset, str) else dataset
    for source in sources:
        n_here = 0
        with open_table(source, encoding=encoding, chunk_bytes=batch_bytes) as table:
            names = choose_columns(source.name, table, columns, labelled=labelled)
            wanted = list(dict.fromkeys(filter(None, vars(names).values())))
            for chunk in table.chunks(wanted):
                for part in _split(chunk, names.text, batch_bytes):
                    batch = _batch(part, names, n_before + n_here, source.stem)
                    if strict and batch.problems:
                        row, reason = min(batch.problems.items())
                        raise DataError(
                            f"{source.name}, row {n_here + row} (the first is 0): {reason}; "
                            "correct the row, or leave out --strict."
                        )
                    yield batch
                    n_here += len(batch.ids)
        if not n_here:
            raise DataError(f"{source.name} holds no rows; expected a header and at least one row.")
        n_before += n_here


def _split(chunk: Chunk, text: str, batch_bytes: int) -> Iterator[Chunk]:
    """Cut a chunk where its texts fill a batch."""
    offsets = chunk.columns[text].offsets
    n_rows, start = len(offsets) - 1, 0
    while start < n_rows:
        full = int(np.searchsorted(offsets, offsets[start] + batch_bytes, side="right")) - 1
        stop = min(max(full, start + 1), n_rows)
        columns = {name: _slice(column, start, stop) for name, column in chunk.columns.items()}
        bad = {row - start: why for row, why in chunk.bad.items() if start <= row < stop}
        yield Chunk(columns, bad)
        start = stop


def _slice(texts: PackedTexts, start: int, stop: int) -> PackedTexts:
    bounds = texts.offsets[start : stop + 1]
    return PackedTexts(texts.data[bounds[0] : bounds[-1]], bounds - bounds[0])


def _batch(chunk: Chunk, names: Columns, first_row: int, stem: str) -> Batch:
    """Name the rows, find the bad ones and empty their texts."""
    texts = chunk.columns[names.text]
    n_rows = len(texts)
    numbers = [str(row) for row in range(first_row, first_row + n_rows)]
    ids = _filled(_strings(chunk.columns[names.id]), numbers) if names.id else numbers
    problems = {**dict.fromkeys(_blank(texts), "empty text")}
    too_long = np.flatnonzero(np.diff(texts.offsets) > MAX_TEXT_BYTES).tolist()
    problems |= dict.fromkeys(too_long, f"text over {MAX_TEXT_BYTES // 1_000_000} MB")
    labels = groups = populations = None
    if names.label:
        labels = [label.strip() for label in _strings(chunk.columns[names.label])]
        unlabelled = [row for row, label in enumerate(labels) if label.lower() in ("", "nan")]
        problems |= dict.fromkeys(unlabelled, "no label")
        own = [stem] * n_rows if stem else [f"row {number}" for number in numbers]
        groups = _filled(_strings(chunk.columns[names.group]), own) if names.group else own
        kinds = _strings(chunk.columns[names.population]) if names.population else [""] * n_rows
        populations = [", ".join(filter(None, (stem, kind))) or "all" for kind in kinds]
    problems |= chunk.bad
    if any(texts.offsets[row + 1] > texts.offsets[row] for row in problems):
        kept = (b"" if i in problems else raw for i, raw in enumerate(_raw(texts)))
        texts = PackedTexts.pack(kept)
    return Batch(ids, texts, labels, groups, dict(sorted(problems.items())), populations)


def _filled(values: list[str], instead: list[str]) -> list[str]:
    return [value or other for value, other in zip(values, instead, strict=True)]


def _raw(texts: PackedTexts) -> Iterator[bytes]:
    data = texts.data.tobytes()
    return (data[start:stop] for start, stop in pairwise(texts.offsets.tolist()))


def _strings(texts: PackedTexts) -> list[str]:
    """Unpack a column of short strings; all at once where letters are single bytes."""
    data = texts.data.tobytes()
    if not data.isascii():
        return [raw.decode("utf-8", "replace") for raw in _raw(texts)]
    letters = data.decode("ascii")
    return [letters[start:stop] for start, stop in pairwise(texts.offsets.tolist())]


def _blank(texts: PackedTexts) -> list[int]:
    """Row numbers of texts that are empty, only white space, or the word NaN (a missing value)."""
    lengths = np.diff(texts.offsets)
    blank = lengths == 0
    rows = np.flatnonzero(~blank)
    ends = texts.data[texts.offsets[rows]], texts.data[texts.offsets[rows + 1] - 1]
    may_be = [(end <= ord(" ")) | (end >= 0x80) for end in ends]  # white space, or a wider letter
    rows = rows[(may_be[0] & may_be[1]) | (lengths[rows] == 3)]
    blank[[row for row in rows.tolist() if texts[row].strip() in ("", "NaN", "nan")]] = True
    return np.flatnonzero(blank).tolist()


def read_corpus(
    dataset: str,
    *,
    columns: Columns = BY_RULE,
    format: str = "",
    encoding: str = "utf-8",
    strict: bool = False,
    deduplicate: bool = True,
) -> Corpus:
    """Read a whole labelled dataset, for training or evaluation.

    Args:
        dataset: a file, a folder of files, a pattern, or `-` for standard input.
        columns: the columns to read.
        format: csv, tsv, jsonl, parquet or txt, where the name of a file does not tell.
        encoding: of text files.
        strict: refuse the first bad row instead of leaving it out.
        deduplicate: leave out later copies of a text, and all copies that disagree on the label.

    Raises:
        DataError: the dataset cannot be used as it is.
        UsageError: the format or the encoding is unknown.
    """
    batches = list(
        read_batches(
            dataset,
            columns=columns,
            labelled=True,
            format=format,
            encoding=encoding,
            strict=strict,
            batch_bytes=_CORPUS_BATCH_BYTES,
        )
    )
    problems = Counter(reason for batch in batches for reason in batch.problems.values())
    labels = np.array([one for batch in batches for one in batch.labels or ()], object)
    groups = np.array([one for batch in batches for one in batch.groups or ()], object)
    populations = np.array([one for batch in batches for one in batch.populations or ()], object)
    ids = [one for batch in batches for one in batch.ids]
    first_copy = _first_copies(batches) if deduplicate else np.arange(len(ids))
    is_good = np.array([i not in b.problems for b in batches for i in range(len(b.ids))], bool)
    is_copy, is_conflicting = sort_out_copies(labels, first_copy, is_good)
    is_kept = is_good & ~is_copy & ~is_conflicting
    kept = np.flatnonzero(is_kept)
    texts = _kept_texts(batches, is_kept)
    corpus = Corpus(
        ids=[ids[row] for row in kept],
        texts=texts,
        labels=labels[kept],
        groups=groups[kept],
        populations=populations[kept],
        n_rows=len(ids),
        problems=dict(problems),
        n_duplicates=int(is_copy.sum()),
        n_conflicting=int(is_conflicting.sum()),
        fingerprint=_fingerprint(texts, labels[kept]),
    )
    _log_counts(dataset, corpus)
    return corpus


def text_digests(texts: PackedTexts) -> list[bytes]:
    """Return 16 bytes a text that are those of its copies and of no other; white space around it is free."""
    return [hashlib.blake2b(raw.strip(), digest_size=16).digest() for raw in _raw(texts)]


class Copies:
    """Texts met before, of which 16 bytes each are remembered."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def find(self, texts: PackedTexts) -> npt.NDArray[np.bool_]:
        """Tell which of these texts were there before, among them or in an earlier call, bool (n,)."""
        found = []
        for digest in text_digests(texts):
            found.append(digest in self._seen)
            self._seen.add(digest)
        return np.array(found, bool)


def _first_copies(batches: Sequence[Batch]) -> npt.NDArray[np.int64]:
    """Return, for every row, the first row with the same text."""
    seen: dict[bytes, int] = {}
    digests = (digest for batch in batches for digest in text_digests(batch.texts))
    return np.array([seen.setdefault(digest, row) for row, digest in enumerate(digests)], np.int64)


def sort_out_copies(
    labels: npt.NDArray[np.object_],
    first_copy: npt.NDArray[np.int64],
    is_good: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell which rows to leave out because of other rows with the same text.

    Args:
        labels: str objects (n,).
        first_copy: (n,), the first row with the same text, which is itself for most.
        is_good: (n,), rows that can be used at all.

    Returns: bool (n,) later copies of a text that is kept; bool (n,) all copies of a text that disagree on the label.
    """
    is_copy = is_good & (first_copy != np.arange(len(first_copy)))
    disputed = first_copy[is_copy & _differs(labels, first_copy)]
    is_conflicting = is_good & np.isin(first_copy, disputed)
    return is_copy & ~is_conflicting, is_conflicting


def _differs(
    labels: npt.NDArray[np.object_], first: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Tell which rows have a label of another meaning than the row they copy."""
    meanings: dict[str, int] = {}
    codes = {
        label: meanings.setdefault(label_meaning(label), len(meanings)) for label in set(labels)
    }
    code = np.array([codes[label] for label in labels], np.int64)
    differs: npt.NDArray[np.bool_] = code != code[first]
    return differs


def _kept_texts(batches: Sequence[Batch], is_kept: npt.NDArray[np.bool_]) -> PackedTexts:
    ends = np.cumsum([len(batch.ids) for batch in batches])[:-1]
    parts = [
        batch.texts if here.all() else batch.texts.take(np.flatnonzero(here))
        for batch, here in zip(batches, np.split(is_kept, ends), strict=True)
    ]
    return PackedTexts.concat(parts)


def _fingerprint(texts: PackedTexts, labels: npt.NDArray[np.object_]) -> str:
    digest = hashlib.sha256(texts.offsets.astype("<i8").tobytes())
    digest.update(texts.data.data)
    digest.update("\0".join(labels).encode())
    return digest.hexdigest()


def _log_counts(dataset: str, corpus: Corpus) -> None:
    logger.info(
        "%s: %s rows read, %s kept, %.1f MB of text",
        dataset,
        corpus.n_rows,
        len(corpus.ids),
        corpus.texts.n_bytes / 1e6,
    )
    warn_of_rows(dataset, corpus.problems, corpus.n_duplicates, corpus.n_conflicting)


def warn_of_rows(
    dataset: str, problems: Mapping[str, int], n_duplicates: int, n_conflicting: int
) -> None:
    """Log which rows of a dataset were left out, and why."""
    if problems:
        reasons = ", ".join(f"{reason} ({n})" for reason, n in sorted(problems.items()))
        logger.warning("%s: bad rows left out, %s: %s", dataset, sum(problems.values()), reasons)
    if n_duplicates:
        logger.warning("%s: %s copies of texts left out", dataset, n_duplicates)
    if n_conflicting:
        logger.warning(
            "%s: %s rows left out, copies of one text with different labels",
            dataset,
            n_conflicting,
        )


def check_trainable(corpus: Corpus) -> None:
    """Refuse a corpus that is too small to train on.

    Raises:
        DataError: fewer than `MIN_TRAINING_ROWS` rows are left.
    """
    check_enough(len(corpus.ids), corpus.n_rows)


def check_enough(n_texts: int, n_rows: int) -> None:
    """Refuse to train on too few texts, of however many rows read.

    Raises:
        DataError: they are fewer than `MIN_TRAINING_ROWS`.
    """
    if n_texts < MIN_TRAINING_ROWS:
        raise DataError(
            f"Training needs at least {MIN_TRAINING_ROWS} different labelled texts; "
            f"of the {n_rows} rows read, {n_texts} can be used."
        )
