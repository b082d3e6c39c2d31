"""The embedded sample: the files are what the generator writes, and are fit to train on."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"


def rows(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def train() -> list[dict[str, str]]:
    return rows("train.csv")


@pytest.fixture(scope="module")
def test() -> list[dict[str, str]]:
    return rows("test.csv")


def test_the_generator_writes_the_same_bytes_again(tmp_path):
    subprocess.run([sys.executable, SAMPLE / "make_sample.py", tmp_path], check=True)
    for name in ("train.csv", "test.csv"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_both_classes_are_there_for_every_prompt(train, test):
    assert Counter(row["generated"] for row in train) == {"0": 200, "1": 200}
    assert Counter(row["generated"] for row in test) == {"0": 100, "1": 100}
    cells = Counter((row["prompt_id"], row["generated"]) for row in train + test)
    assert len(cells) == 2 * 9
    assert min(cells.values()) >= 30


def test_ids_and_texts_are_unique_and_prompts_are_not_shared(train, test):
    both = train + test
    assert len({row["id"] for row in both}) == len({row["text"] for row in both}) == len(both)
    assert {row["prompt_id"] for row in train}.isdisjoint(row["prompt_id"] for row in test)


def test_texts_are_essays_without_a_leak_in_their_whitespace(train, test):
    for row in train + test:
        assert 60 <= len(row["text"].split()) <= 150
        assert " ".join(row["text"].split()) == row["text"]
        assert not set("[]{}|") & set(row["text"])
        assert row["text"].isascii()


def test_the_classes_are_neither_alike_nor_trivial_to_tell_apart(train):
    texts = [row["text"] for row in train]
    labels = [int(row["generated"]) for row in train]
    prompts = [row["prompt_id"] for row in train]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    scores = cross_val_predict(
        model, texts, labels, groups=prompts, cv=StratifiedGroupKFold(3), method="decision_function"
    )
    assert 0.90 < roc_auc_score(labels, scores) < 0.99
