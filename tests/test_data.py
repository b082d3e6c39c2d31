"""Datasets of every format, the column rules, bad rows, and every refusal."""

import csv
import gzip
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_detect.columns import BY_FILE
from ai_detect.data import (
    Batch,
    Columns,
    Corpus,
    LabelCode,
    check_trainable,
    encode_labels,
    read_batches,
    read_corpus,
)
from ai_detect.errors import DataError, UsageError
from ai_detect.labels import encode_known_labels

CANARY = "zanzicanary"
TEXT_FORMATS = ("csv", "tsv", "jsonl", "ndjson", "csv.gz", "tsv.gz", "jsonl.gz")
Rows = Sequence[Sequence[object]]


def write_table(path: Path, header: Sequence[str], rows: Rows) -> Path:
    """Write a table in the format that the suffix names."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
        pq.write_table(pa.table(columns), path)
        return path
    out = io.StringIO(newline="")
    if kind in ("jsonl", "ndjson"):
        for row in rows:
            out.write(json.dumps(dict(zip(header, row, strict=True))) + "\n")
    else:
        delimiter = "\t" if kind == "tsv" else ","
        csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    content = out.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path | str, **options: object) -> Batch:
    """Read a whole dataset as if it were one batch."""
    ids: list[str] = []
    texts: list[str] = []
    labels: list[str] = []
    groups: list[str] = []
    problems: dict[int, str] = {}
    for batch in read_batches(str(path), **options):  # type: ignore[arg-type]
        problems |= {len(ids) + row: reason for row, reason in batch.problems.items()}
        ids += batch.ids
        texts += [batch.texts[i] for i in range(len(batch.texts))]
        labels += batch.labels or []
        groups += batch.groups or []
        assert len(batch.ids) == len(batch.texts)
        assert not any(batch.texts[row] for row in batch.problems)
    return Batch(ids, texts, labels, groups, problems)  # type: ignore[arg-type]


def write_labelled(path: Path, rows: Sequence[tuple[str, object]]) -> Path:
    return write_table(path, ["text", "generated"], rows)


@pytest.mark.parametrize("suffix", [*TEXT_FORMATS, "parquet"])
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    words=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufdd0")),
        min_size=1,
    ),
    batch_bytes=st.sampled_from([1, 7, 100, 1 << 20]),
)
def test_texts_come_back_as_they_were(
    tmp_path: Path, suffix: str, words: list[str], batch_bytes: int
) -> None:
    # The letters in front keep a text from being blank, and the file from looking binary.
    texts = ["a text, of \"letters\"\r\n\tand 'more' " * 20 + word for word in words]
    rows = [[f"n{i}", text, i % 2] for i, text in enumerate(texts)]
    path = write_table(tmp_path / f"table.{suffix}", ["id", "text", "generated"], rows)
    found = read(path, labelled=True, batch_bytes=batch_bytes)
    assert list(found.texts) == texts
    assert found.ids == [f"n{i}" for i in range(len(texts))]
    assert found.labels == [str(i % 2) for i in range(len(texts))]
    assert not found.problems
    assert found == read(path, labelled=True)


@pytest.mark.parametrize("batch_bytes", [1, 30, 1 << 20])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_batches_hold_a_bounded_amount_of_text(
    tmp_path: Path, suffix: str, batch_bytes: int
) -> None:
    rows = [[f"text number {i}"] for i in range(50)]
    path = write_table(tmp_path / f"table.{suffix}", ["text"], rows)
    batches = list(read_batches(str(path), batch_bytes=batch_bytes))
    assert all(b.texts.n_bytes <= batch_bytes or len(b.ids) == 1 for b in batches)
    assert [one for b in batches for one in b.ids] == [str(i) for i in range(50)]


@pytest.mark.parametrize(
    ("header", "line", "options", "expected"),
    [
        ("text,generated", "words,1", {}, ("words", "1", "0", "row 0")),
        ("essay,label,id", "words,1,x7", {}, ("words", "1", "x7", "row 0")),
        ("FULL_TEXT, Is_AI ,ID", "words,1,x7", {}, ("words", "1", "x7", "row 0")),
        ("essay,text,class", "no,words,b", {}, ("words", "b", "0", "row 0")),
        ("content,generated,label", "words,1,0", {}, ("words", "1", "0", "row 0")),
        ("id,query,target", "3,words,b", {}, ("words", "b", "3", "row 0")),
        ("query,score,target", "words,1.5,b", {}, ("words", "b", "0", "row 0")),
        ("text,ai,prompt_id", "words,1,p", {}, ("words", "1", "0", "p")),
        ("text,ai,source,prompt_id", "words,1,s,p", {}, ("words", "1", "0", "p")),
        ("text,ai,source,prompt_id", "words,1,s,", {}, ("words", "1", "0", "row 0")),
        ("text,ai,corpus,source", "words,1,c,s", {}, ("words", "1", "0", "s")),
        ("text,ai,id", "words,1,", {}, ("words", "1", "0", "row 0")),
        ("text,ai,other", "no,1,words", {"text": "other"}, ("words", "1", "0", "row 0")),
        ("text,ai,kind", "words,1,b", {"label": "Kind"}, ("words", "b", "0", "row 0")),
        ("content,body,ai", "b,words,1", {"label": "content"}, ("words", "b", "0", "row 0")),
        ("text,ai,k", "words,1,b", {"id": "k"}, ("words", "1", "b", "row 0")),
        ("text,ai,k,prompt_id", "words,1,b,p", {"group": "k"}, ("words", "1", "0", "b")),
    ],
)
def test_column_rules(
    tmp_path: Path,
    header: str,
    line: str,
    options: dict[str, str],
    expected: tuple[str, str, str, str],
) -> None:
    path = write(tmp_path / "table.csv", f"{header}\n{line}\n")
    found = read(path, labelled=True, columns=Columns(**options))
    assert found.labels
    assert found.groups
    assert (found.texts[0], found.labels[0], found.ids[0], found.groups[0]) == expected


def test_unlabelled_reading_needs_neither_labels_nor_groups(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", "text\nwords\n")
    (batch,) = read_batches(str(path))
    assert batch.labels is None
    assert batch.groups is None


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.int8(), [0, 1], ["0", "1"]),
        (pa.bool_(), [False, True], ["false", "true"]),
        (pa.float64(), [0.0, 1.0], ["0", "1"]),
        (pa.string(), ["a", "b"], ["a", "b"]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], ["a", "b"]),
    ],
)
@pytest.mark.parametrize(
    "text_kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
)
def test_parquet_types(
    tmp_path: Path,
    text_kind: pa.DataType,
    kind: pa.DataType,
    values: list[object],
    expected: object,
) -> None:
    words = pa.array(["some words", "wörter"], pa.string()).cast(text_kind)
    table = pa.table({"query": words, "label": pa.array(values, kind)})
    pq.write_table(table, tmp_path / "table.parquet")
    found = read(tmp_path / "table.parquet", labelled=True)
    assert list(found.texts) == ["some words", "wörter"]
    assert found.labels == expected


def test_parquet_of_many_row_groups_is_read_in_order(tmp_path: Path) -> None:
    texts = [f"text number {i}" for i in range(1000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet", row_group_size=7)
    assert list(read(tmp_path / "t.parquet", batch_bytes=50).texts) == texts


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("\ufefftext,generated\nwords,1\n", ["words"]),
        ("\n\r\ntext,generated\r\nwords,1\r\n", ["words"]),
        ("text,generated\n\nwords,1\n\nmore,1", ["words", "more"]),
        ("text;generated\na, b;1\n", ["a, b"]),
        ("text\tgenerated\na, b\t1\n", ["a, b"]),
        ('text,generated\n"a ""b""\nc",1\n', ['a "b"\nc']),
        ('text,generated\n5" disk,1\n', ['5" disk']),
        ('generated,text\n1,"a\nb"\n', ["a\nb"]),
        ('generated,text\n1,"a\nb"   \r\n\r\n', ["a\nb   "]),
        ("text,\xe9\nna\xefve,1\n", ["na\xefve"]),
    ],
)
def test_csv_as_it_comes(tmp_path: Path, content: str, texts: list[str]) -> None:
    assert list(read(write(tmp_path / "table.csv", content)).texts) == texts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = "text,generated\nna\xefve\u2019s,1\n".encode(encoding)
    path = write(tmp_path / "table.csv", content)
    assert list(read(path, encoding=encoding).texts) == ["na\xefve\u2019s"]


@pytest.mark.parametrize("size", [(1 << 20) - 40 + i for i in range(4)])
def test_a_letter_across_two_pieces_of_a_file_is_whole(tmp_path: Path, size: int) -> None:
    text = "a" * size + "\u20ac" * 20
    found = read(write(tmp_path / "table.csv", f"text\n{text}\n"))
    assert list(found.texts) == [text]


def test_rows_longer_than_the_sample_and_the_block(tmp_path: Path) -> None:
    rows = [[f"{i} " + "a line of\nwords " * 500_000, str(i)] for i in range(5)]
    for suffix in ("csv", "jsonl"):
        path = write_table(tmp_path / f"table.{suffix}", ["text", "label"], rows)
        found = read(path, labelled=True)
        assert [len(text) for text in found.texts] == [len(row[0]) for row in rows]
        assert found.labels == [row[1] for row in rows]


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give(content: bytes, **options: object) -> Batch:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        return read("-", **options)

    parquet = write_table(tmp_path / "t.parquet", ["text"], [["some words"]]).read_bytes()
    assert list(give(b"id,text\n1,some words\n").texts) == ["some words"]
    assert list(give(b"id\ttext\n1\tsome words\n").texts) == ["some words"]
    assert list(give(b'{"text": "some words"}\n').texts) == ["some words"]
    assert list(give(parquet).texts) == ["some words"]
    assert list(give(parquet, format="parquet").texts) == ["some words"]
    assert list(give(b"some words", format="txt").texts) == ["some words"]
    assert list(give(b"text,ai\nsome words,1", format="CSV").texts) == ["some words"]
    with pytest.raises(DataError, match="standard input is empty"):
        give(b"")


def test_standard_input_of_a_pipe_that_trickles() -> None:
    script = (
        "from ai_detect.data import read_batches; print(sum(len(b.ids) for b in read_batches('-')))"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        for piece in (b"te", b"xt\nsome", b" words\n", b"more\n"):
            process.stdin.write(piece)
            process.stdin.flush()
        out, _ = process.communicate()
    assert out.split() == [b"2"]


def test_reading_needs_no_pandas(tmp_path: Path) -> None:
    paths = [
        write_table(tmp_path / f"t.{suffix}", ["id", "text", "label"], [["1", "words", "a"]])
        for suffix in ("csv", "jsonl", "parquet")
    ]
    script = (
        "import sys; from ai_detect.data import read_batches\n"
        "for path in sys.argv[1:]: list(read_batches(path, labelled=True))\n"
        "sys.exit('pandas' in sys.modules or 'sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, *map(str, paths)], check=True)


def test_folder_of_tables(tmp_path: Path) -> None:
    write_table(tmp_path / "b.csv.gz", ["text", "label", "id"], [["from b", "1", "x"]])
    write_table(tmp_path / "a.parquet", ["text", "label", "prompt_id"], [["from a", "0", "p"]])
    write_table(tmp_path / "c.d.jsonl", ["text", "label"], [["from c", "0"], ["more", "1"]])
    for name in (".hidden.csv", "notes.md", "README.txt"):
        write(tmp_path / name, "not a table")
    (tmp_path / "sub.csv").mkdir()
    found = read(tmp_path, labelled=True)
    assert list(found.texts) == ["from a", "from b", "from c", "more"]
    assert found.ids == ["0", "x", "2", "3"]
    assert found.groups == ["p", "b", "c.d", "c.d"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "all"),
        ({"domain": "letter"}, "letter"),
        ({"domain": "letter", "population": "pupils"}, "pupils"),
        ({"domain": ""}, "all"),
    ],
)
def test_a_population_is_the_kind_of_writers_and_the_file(
    columns: dict[str, str], expected: str, tmp_path: Path
) -> None:
    header, row = ["text", "label", *columns], ["words", "1", *columns.values()]
    alone = write_table(tmp_path / "t.csv", header, [row])
    assert [batch.populations for batch in read_batches(str(alone), labelled=True)] == [[expected]]
    assert [batch.populations for batch in read_batches(str(alone))] == [None]
    for name in "ab":
        (tmp_path / "folder").mkdir(exist_ok=True)
        write_table(tmp_path / "folder" / f"{name}.csv", header, [row, ["", *row[1:]]])
    corpus = read_corpus(str(tmp_path / "folder"), deduplicate=False)
    both = expected.replace("all", "")
    assert corpus.populations.tolist() == [f"{name}, {both}".rstrip(", ") for name in "ab"]


def test_groups_by_file(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.csv", "text,label,prompt_id\nwords,1,p\n")
    found = read(tmp_path, labelled=True, columns=Columns(group=BY_FILE))
    assert found.groups == ["a", "b"]


def test_folder_of_texts(tmp_path: Path) -> None:
    for name, content in {
        "b": b"two\n",
        "a.x": "\ufeffone".encode(),
        "c": b"",
        "d": b"\xff",
    }.items():
        write(tmp_path / f"{name}.txt", content)
    found = read(tmp_path, batch_bytes=1)
    assert found.ids == ["a.x", "b", "c", "3"]
    assert list(found.texts) == ["one", "two\n", "", ""]
    assert found.problems == {2: "empty text", 3: "not UTF-8"}
    assert list(read(tmp_path / "b.txt").texts) == ["two\n"]
    assert read(tmp_path, encoding="cp1252").texts[3] == "\xff"


def test_format_stands_in_for_the_suffix(tmp_path: Path) -> None:
    write(tmp_path / "part-1", '{"text": "one"}\n')
    write(tmp_path / "part-2.gz", gzip.compress(b'{"text": "two"}\n'))
    assert list(read(tmp_path, format="ndjson").texts) == ["one", "two"]
    assert list(read(tmp_path / "part-1", format="jsonl").texts) == ["one"]


BAD_ROWS: dict[str, tuple[str, bytes, dict[int, str]]] = {
    "fields": (
        "csv",
        b"text,label,id\nfine,1,a\nx,CANARY,1,b,,y,z\nfine,0,c\n\nCANARY\nlast,1,d\n",
        {1: "7 fields where the header has 3", 3: "1 field where the header has 3"},
    ),
    "fields at the ends": (
        "csv",
        b"text,label\nCANARY\nfine,0\nCANARY,1,2\nCANARY",
        {
            0: "1 field where the header has 2",
            2: "3 fields where the header has 2",
            3: "1 field where the header has 2",
        },
    ),
    "only bad": ("csv", b"text,label\nCANARY\n", {0: "1 field where the header has 2"}),
    "bytes": (
        "csv",
        b"text,label\nCANARY \xff,1\nfine,0\n\xe2\x82,0\nCANARY,\xff,0\nfine \xef\xbf\xbd,1\n",
        {0: "not UTF-8", 2: "not UTF-8", 3: "3 fields where the header has 2"},
    ),
    "empty": (
        "tsv",
        b'text\tlabel\n \xc2\xa0\t1\nfine\t0\n\t0\nNaN\t0\nnan\t1\n""\t1\nfine\t1\n\xd1\x8f\t1\n',
        dict.fromkeys((0, 2, 3, 4, 5), "empty text"),
    ),
    "labels": (
        "csv",
        b"text,label\nCANARY,\nfine,0\nCANARY, \nCANARY,NaN\n",
        {0: "no label", 2: "no label", 3: "no label"},
    ),
    "long": (
        "csv",
        b"text,label\nCANARY" + b"y" * 10_000_000 + b",1\nfine," + b"1\n",
        {0: "text over 10 MB"},
    ),
    "json": (
        "jsonl",
        b'{"text": "fine", "label": 1}\n{"text": "CANARY\n[1, "CANARY"]\n["CANARY"]\n\n'
        b'{"text": null, "label": 0}\n{"label": 1, "CANARY": 2}\n{"text": NaN, "label": 0}\n'
        b'{"text": ["CANARY"], "label": 0}\n{"text": "\xff", "label": 0}\n'
        b'{"text": "CANARY", "label": null}\n' + b"[" * 100_000 + b"\n",
        {
            **dict.fromkeys((1, 2, 3, 10), "not a JSON object"),
            **dict.fromkeys((4, 5, 6), "empty text"),
            7: "a list or an object where a value is expected",
            8: "not UTF-8",
            9: "no label",
        },
    ),
    "long json": (
        "jsonl",
        b'{"text": "fine", "label": 1}\n{"text": "CANARY' + b"y" * (33 << 20) + b'"}\n'
        b'{"text": "' + b"y" * 10_000_001 + b'", "label": 1}\n',
        {1: "line over 32 MB", 2: "text over 10 MB"},
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_keep_their_place(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    suffix, content, problems = BAD_ROWS[name]
    path = write(tmp_path / f"table.{suffix}", content.replace(b"CANARY", CANARY.encode()))
    caplog.set_level(logging.DEBUG)
    found = read(path, labelled=True)
    assert found.problems == problems
    assert found == read(path, labelled=True, batch_bytes=1)
    assert all(bool(text) == (i not in problems) for i, text in enumerate(found.texts))
    if name.startswith("fields at"):
        assert found.ids == ["0", "1", "2", "3"]
    first = min(problems)
    with pytest.raises(
        DataError, match=rf"table.{suffix}, row {first} .*{problems[first]}"
    ) as error:
        read(path, labelled=True, strict=True)
    assert CANARY not in str(error.getrepr())
    corpus = read_corpus(str(path), deduplicate=False)
    assert sum(corpus.problems.values()) == len(problems)
    assert corpus.n_rows == len(found.ids) == len(corpus.ids) + len(problems)
    assert CANARY not in caplog.text


def test_bad_rows_of_parquet(tmp_path: Path) -> None:
    texts = pa.array([b"fine", b"\xff", None, "\u20ac".encode(), b"\xe2\x82", b"\xac"], pa.binary())
    table = pa.table({"text": texts, "label": [0.0, 1.0, 1.0, float("nan"), None, 1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet", labelled=True)
    reasons = {1: "not UTF-8", 2: "empty text", 3: "no label", 4: "not UTF-8", 5: "not UTF-8"}
    assert found.problems == reasons
    assert found.labels == ["0", "1", "1", "nan", "", "1"]


def test_many_ragged_rows_across_blocks(tmp_path: Path) -> None:
    lines = [f"{i},{'y' * 997}" + (",more" if i % 3 == 0 else "") for i in range(40_000)]
    path = write(tmp_path / "table.csv", "id,text\n" + "\n".join(lines) + "\n")
    found = read(path)
    assert sorted(found.problems) == list(range(0, 40_000, 3))
    assert found.ids == [str(i) for i in range(40_000)]


def refuse(path: Path | str, message: str, **options: object) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(path, **options)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert CANARY not in str(error.getrepr())


Maker = Callable[[Path], Path | str]
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "no bytes": ("t.csv", b"", "is empty"),
    "no bytes in jsonl": ("t.jsonl", b"", "is empty"),
    "no bytes in gz": ("t.csv.gz", gzip.compress(b""), "is empty"),
    "no bytes in parquet": ("t.parquet", b"", "not a whole Parquet file"),
    "only a mark": ("t.csv", b"\xef\xbb\xbf\n", "is empty"),
    "only a header": ("t.csv", b"text,generated\n", "holds no rows"),
    "only a header without an end": ("t.csv", b"text,generated", "holds no rows"),
    "no text column": ("t.csv", b"a,b\nx,y\n", "columns are 'a', 'b'. Name one with --text_column"),
    "only numbers": ("t.csv", b"id,score\n1,2\n", "no column called text or essay"),
    "no label column": ("t.csv", b"id,text\n1,x\n", "no column of labels .*--label_column"),
    "twice a name": ("t.csv", b"text,text,label\nx,y,1\n", "more than one column called 'text'"),
    "a text for a header": ("t.csv", b"zanzicanary " * 9 + b",b\nx,y\n", "a name of 108 letters"),
    "zip": ("t.csv", b"PK\x03\x04" + b"x" * 99, "looks like a zip archive or a spreadsheet"),
    "pdf": ("t.csv", b"%PDF-1.4", "looks like a PDF"),
    "png": ("t.jsonl", b"\x89PNG\r\n", "looks like a PNG"),
    "parquet in csv": ("t.csv", b"PAR1xxxxPAR1", "looks like a Parquet file"),
    "gzip in csv": ("t.csv", gzip.compress(b"text\nx\n"), "looks like a gzip archive"),
    "nul": ("t.csv", b"text,label\nx\0y,1\n", "holds NUL bytes"),
    "control": ("t.csv", b"text\n" + bytes(range(1, 9)) * 4, "looks like a binary file"),
    "utf-16": ("t.csv", "text\nx\n".encode("utf-16"), "is UTF-16; .*--encoding=utf-16"),
    "no json": ("t.jsonl", b"zanzicanary\n", "does not start with JSON objects"),
    "json list": ("t.jsonl", b'[{"text": "zanzicanary"}]\n', "does not start with JSON objects"),
    "no gzip": ("t.csv.gz", b"text\nzanzicanary\n", "damaged gzip archive"),
    "no parquet": ("t.parquet", b"zanzicanary" * 9, "not a whole Parquet file"),
    "open quotes": (
        "t.csv",
        b'label,text\n1,fine\n2,"zanzicanary\n3,x\n',
        "ends within quotation marks: one is opened in its last 20 bytes",
    ),
    "open quotes, no end": ("t.csv", b'label,text\n2,"zanzicanary', "ends within quotation marks"),
    "open quotes, short row": (
        "t.csv",
        b'text,label\n"zanzicanary\n3,x\n',
        "ends within quotation",
    ),
    "huge row": (
        "t.csv",
        b"text,label\nfine,1\nzanzicanary" + b"y" * (66 << 20) + b",1\n",
        "has a row of over 64 MB, or a quotation mark that is never closed",
    ),
    "no format": ("t.xyz", b"text\nx\n", "format of .*t.xyz is not known by its name"),
    "no suffix": ("t", b"text\nx\n", "not known by its name; expected .csv, .tsv"),
    "only gz": ("t.gz", b"", "not known by its name"),
    "gz parquet": ("t.parquet.gz", b"", "not known by its name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    file_name, content, message = REFUSED[name]
    caplog.set_level(logging.DEBUG)
    refuse(write(tmp_path / file_name, content), message, labelled=True)
    assert CANARY not in caplog.text


@cache
def large_gzip(suffix: str) -> bytes:
    """A table in an archive that is read in many pieces."""
    chance = np.random.default_rng(1)
    rows = [[CANARY + chance.bytes(9).hex()] for _ in range(100_000)]
    with tempfile.TemporaryDirectory() as folder:
        return write_table(Path(folder) / f"t.{suffix}", ["text"], rows).read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[: len(raw) // 2], "damaged gzip archive"),
        (lambda raw: raw[:-4] + b"abcd", "damaged gzip archive"),
        (lambda raw: raw[:-8] + b"abcd" + raw[-4:], "damaged gzip archive"),
        (lambda raw: raw[:2000] + b"zzzz" + raw[2004:], "damaged gzip archive"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv.gz", "jsonl.gz"])
def test_damaged_gzip(
    tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(damage(large_gzip(suffix)))
    refuse(path, message)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[: len(raw) // 2], "not a whole Parquet file"),
        (lambda raw: raw[:100] + b"\x55" * 5000 + raw[5100:], "damaged"),
    ],
)
def test_damaged_parquet(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    rows = [[f"{CANARY} {i}"] for i in range(10_000)]
    path = write_table(tmp_path / "t.parquet", ["text"], rows)
    path.write_bytes(damage(path.read_bytes()))
    refuse(path, message)


def test_parquet_column_of_lists(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [["a"], ["b"]]}), tmp_path / "t.parquet")
    refuse(tmp_path / "t.parquet", r"no words or numbers, among text \(list<.*>\)")


def test_refused_places(tmp_path: Path) -> None:
    refuse(tmp_path / "none.csv", "There is no file or folder '.*none.csv'")
    refuse("", "There is no file or folder ''")
    refuse(tmp_path, "holds no data file")
    write(tmp_path / ".hidden.csv", "text\nx\n")
    write(tmp_path / "notes.md", "x")
    refuse(tmp_path, "holds no data file; expected .csv")
    write(tmp_path / "a.csv", "text\nx\n")
    write(tmp_path / "b.csv", "text\n")
    refuse(tmp_path, "b.csv holds no rows")


@pytest.mark.parametrize("role", ["text", "label", "id", "group"])
def test_columns_that_are_not_there(tmp_path: Path, role: str) -> None:
    path = write(tmp_path / "t.csv", "id,text,label\n1,x,y\n")
    refuse(
        path,
        f"no column 'nosuch', asked for as the {role}; its columns are 'id', 'text', 'label'",
        labelled=True,
        columns=Columns(**{role: "nosuch"}),
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "text\nx\n")
    path.chmod(0)
    refuse(path, "cannot be read: Permission denied")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_file_that_cannot_be_read() -> None:
    refuse("/proc/self/mem", "cannot be read: Input/output error", format="csv")


def test_refused_options(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "text\nx\n")
    for name in ("utf-9", "hex", "undefined"):
        with pytest.raises(UsageError, match=f"--encoding={name} is unknown"):
            read(path, encoding=name)
    with pytest.raises(UsageError, match="--format=xlsx is unknown; expected one of csv, tsv"):
        read(path, format="xlsx")
    refuse(write(tmp_path / "u.csv", b"te"), "not encoded as utf-32", encoding="utf-32")


def test_corpus_without_twins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        ("one", "0"),
        ("two", "1"),
        ("one \n", "human"),
        ("three", "0"),
        ("three", "1"),
        (" three", "0"),
        ("two", "1"),
        ("", "1"),
        ("four", "ai"),
    ]
    path = write_labelled(tmp_path / "t.csv", rows)
    caplog.set_level(logging.INFO)
    corpus = read_corpus(str(path))
    assert [corpus.texts[i] for i in range(len(corpus.texts))] == ["one", "two", "four"]
    assert corpus.ids == ["0", "1", "8"]
    assert corpus.labels.tolist() == ["0", "1", "ai"]
    assert corpus.groups.tolist() == ["row 0", "row 1", "row 8"]
    counts = (corpus.n_rows, corpus.n_duplicates, corpus.n_conflicting, corpus.problems)
    assert counts == (9, 2, 3, {"empty text": 1})
    assert "bad rows left out, 1: empty text (1)" in caplog.text
    everything = read_corpus(str(path), deduplicate=False)
    assert len(everything.ids) == 8
    assert everything.n_duplicates == everything.n_conflicting == 0
    assert everything.fingerprint != corpus.fingerprint


def test_fingerprint_is_of_texts_and_labels_alone(tmp_path: Path) -> None:
    def fingerprint(name: str, rows: Sequence[tuple[str, object]]) -> str:
        return read_corpus(str(write_labelled(tmp_path / name, rows))).fingerprint

    rows = [("ab", "0"), ("c", "1")]
    first = fingerprint("a.csv", rows)
    assert first == fingerprint("b.parquet", rows) == fingerprint("c.jsonl", [*rows, ("c", "1")])
    assert first != fingerprint("d.csv", [("a", "0"), ("bc", "1")])
    assert first != fingerprint("e.csv", [("ab", "0"), ("c", "ai")])


def test_corpus_of_bad_rows_only(tmp_path: Path) -> None:
    corpus = read_corpus(str(write_labelled(tmp_path / "t.csv", [("", "1"), ("", "0")])))
    assert len(corpus.ids) == len(corpus.texts) == len(corpus.labels) == 0
    with pytest.raises(DataError, match=r"at least 10 .* of the 2 rows read, 0 can be used"):
        check_trainable(corpus)


def test_ten_rows_are_enough(tmp_path: Path) -> None:
    def corpus(n: int) -> Corpus:
        rows = [(f"text {i}", i % 2) for i in range(n)]
        return read_corpus(str(write_labelled(tmp_path / "t.csv", rows)))

    check_trainable(corpus(10))
    with pytest.raises(DataError, match="at least 10"):
        check_trainable(corpus(9))


DETECTION = LabelCode(("human", "llm"), True)


@pytest.mark.parametrize(
    ("labels", "code", "y"),
    [
        (["0", "1", "0"], DETECTION, [0, 1, 0]),
        (["1.0", "0.0", "1"], DETECTION, [1, 0, 1]),
        (["True", " false "], DETECTION, [1, 0]),
        (["Human", "LLM", "ai", "student"], DETECTION, [0, 1, 1, 0]),
        (["human-written", "ai-generated", "real", "fake"], DETECTION, [0, 1, 0, 1]),
        (["cat", "dog", " cat"], LabelCode(("cat", "dog"), False), [0, 1, 0]),
        (["2", "0", "1"], LabelCode(("0", "1", "2"), False), [2, 0, 1]),
        (["human", "ai", "mixed"], LabelCode(("ai", "human", "mixed"), False), [1, 0, 2]),
        (["true", "false", "half"], LabelCode(("false", "half", "true"), False), [2, 0, 1]),
    ],
)
def test_labels(labels: list[str], code: LabelCode, y: list[int]) -> None:
    found, numbers = encode_labels(labels)
    assert found == code
    assert numbers.tolist() == y
    assert numbers.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["0", "human"], "mix numbers with words \\('0', 'human'\\)"),
        (["0", "1", "true"], "mix numbers with words \\('0', 'true', '1'\\)"),
        ([*"abcdefg", "3"], "mix .*\\('3', 'a', 'b', 'c', 'd' and 3 more\\)"),
        (["0", CANARY * 9], "mix .*a name of 99 letters"),
        (["ai", "llm"], "one class only \\('ai', 'llm'\\)"),
        (["cat", "cat "], "one class only \\('cat'\\)"),
        ([], "one class only"),
    ],
)
def test_refused_labels(labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        encode_labels(labels)
    assert CANARY not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "classes", "detection", "y"),
    [
        (["ai", "llm"], ("human", "llm"), True, [1, 1]),
        (["0", "1"], ("human", "llm"), True, [0, 1]),
        (["b", " a"], ("a", "b", "c"), False, [1, 0]),
        ([], ("a", "b"), False, []),
    ],
)
def test_known_labels(
    labels: list[str], classes: tuple[str, ...], detection: bool, y: list[int]
) -> None:
    assert encode_known_labels(labels, classes, detection=detection).tolist() == y


def test_unknown_labels() -> None:
    with pytest.raises(DataError, match=r"does not know \('x'\); it tells apart 'a', 'b'"):
        encode_known_labels(["a", "x"], ["a", "b"], detection=False)
    with pytest.raises(DataError, match=r"does not know \('0', 'maybe'\)"):
        encode_known_labels(["0", "maybe"], ["human", "llm"], detection=True)
