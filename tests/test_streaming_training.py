"""Training from counts on disk: nearly the same model, from memory that the dataset does not fill."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from ai_detect import My_TextClassifier_Model, artifacts, kernels, spool, streaming_training
from ai_detect.config import TrainConfig
from ai_detect.data import Corpus, read_batches, read_corpus
from ai_detect.errors import DataError, UsageError
from ai_detect.evaluation import BinaryFigures, MulticlassFigures
from ai_detect.kernels import NgramSpec
from ai_detect.predictor import Predictor
from ai_detect.spool import Spool
from ai_detect.streaming_sgd import Counted
from ai_detect.text import PackedTexts
from ai_detect.training import TrainedModel
from ai_detect.training import run as run_in_memory
from ai_detect.unseen import unknown_shares

Float64Array = npt.NDArray[np.float64]
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SMALL = TrainConfig(n_bits=14, word_ngrams=(1, 2), char_ngrams=(0, 0), n_folds=3)


def run(dataset: Path, folder: Path, config: TrainConfig = SMALL, **options: Any) -> TrainedModel:
    n_jobs = options.pop("n_jobs", 2)
    batches = read_batches(
        str(dataset), labelled=True, batch_bytes=options.pop("batch_bytes", 30_000)
    )
    return streaming_training.run(
        batches, config, dataset="essays.csv", package_version="9.9", folder=folder, n_jobs=n_jobs
    )


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(str(SAMPLE / "train.csv"))


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return run(SAMPLE / "train.csv", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def ordinary(corpus: Corpus) -> TrainedModel:
    return run_in_memory(corpus, SMALL, dataset="essays.csv", package_version="9.9", n_jobs=2)


def roc_auc(trained: TrainedModel) -> float:
    figures = trained.evaluation.overall
    assert isinstance(figures, BinaryFigures)
    return figures.roc_auc.value


SEAL = {"files": {"weights": {"sha256": "0" * 64}}}


def scores(trained: TrainedModel, corpus: Corpus) -> Float64Array:
    predictor = Predictor.from_files(artifacts.ModelFiles(trained.manifest | SEAL, trained.arrays))
    return predictor.score(corpus.texts)[0][:, 0]


def test_it_is_nearly_the_model_of_ordinary_training(
    streamed: TrainedModel, ordinary: TrainedModel
) -> None:
    assert roc_auc(streamed) == pytest.approx(roc_auc(ordinary), abs=0.02)  # the folds are others
    np.testing.assert_array_equal(streamed.arrays["buckets"], ordinary.arrays["buckets"])
    np.testing.assert_array_equal(streamed.arrays["idf"], ordinary.arrays["idf"])
    test = read_corpus(str(SAMPLE / "test.csv"))
    found = [scores(trained, test) for trained in (streamed, ordinary)]
    assert np.corrcoef(found)[0, 1] > 0.98
    y = test.labels == "1"
    aucs = [np.mean(one[y][:, None] > one[~y][None, :]) for one in found]
    assert aucs[0] == pytest.approx(aucs[1], abs=0.01)


def test_the_manifest_says_the_same(streamed: TrainedModel, ordinary: TrainedModel) -> None:
    one, other = (json.loads(json.dumps(model.manifest)) for model in (streamed, ordinary))
    assert set(one) == set(other)
    for name in ("task", "config", "ngrams", "normalisation", "versions"):
        assert one[name] == other[name]
    assert one["data"] | {"sha256": ""} == other["data"] | {"sha256": ""}
    assert one["profiles"] == other["profiles"]
    # What does not rest on scores: lengths, unknown n-grams, hidden characters, language.
    for group, bins in one["drift"]["counts"].items():
        for name in ("length", "obfuscation", "language"):
            assert bins[name] == other["drift"]["counts"][group][name]


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_threads_batches_and_portions_change_nothing(
    n_jobs: int, streamed: TrainedModel, tmp_path: Path
) -> None:
    again = run(SAMPLE / "train.csv", tmp_path, n_jobs=n_jobs, batch_bytes=5_000)
    assert all(
        array.tobytes() == streamed.arrays[name].tobytes() for name, array in again.arrays.items()
    )
    assert not list(tmp_path.iterdir())


def test_many_portions_learn_as_well(
    streamed: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_PORTION", 10_000)
    assert roc_auc(run(SAMPLE / "train.csv", tmp_path)) == pytest.approx(
        roc_auc(streamed), abs=0.02
    )


def test_bad_rows_and_copies_are_left_out_as_ever(tmp_path: Path) -> None:
    with (SAMPLE / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:80]
    flipped = rows[1] | {"generated": str(1 - int(rows[1]["generated"]))}
    rows += [rows[0] | {"text": f" {rows[0]['text']} "}, rows[0], flipped]
    rows += [rows[2] | {"text": ""}, rows[3] | {"text": "New.", "generated": ""}]
    dataset = tmp_path / "essays.csv"
    with dataset.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = replace(SMALL, n_bits=10)
    data = run(dataset, tmp_path / "model", config).manifest["data"]
    whole = run_in_memory(
        read_corpus(str(dataset)), config, dataset="essays.csv", package_version="9.9", n_jobs=1
    ).manifest["data"]
    assert data | {"sha256": ""} == whole | {"sha256": ""}
    assert (data["duplicates"], data["conflicting"], data["texts"]) == (2, 2, 79)


def test_other_classes(tmp_path: Path) -> None:
    words = {"card": "card lost stolen", "fee": "fee charged why", "pin": "pin code change"}
    dataset = tmp_path / "intents.csv"
    with dataset.open("w", newline="") as file:
        rows = [(name, f"{words[name]} {row}") for name in words for row in range(20)]
        csv.writer(file).writerows([("label", "text"), *rows])
    trained = run(dataset, tmp_path / "model", TrainConfig(n_bits=10), batch_bytes=1 << 20)
    assert trained.manifest["task"] == {"classes": ["card", "fee", "pin"], "detection": False}
    assert trained.manifest["config"]["char_ngrams"] == (3, 5)
    assert trained.arrays["coef"].shape[1] == 3
    assert isinstance(trained.evaluation.overall, MulticlassFigures)
    assert trained.evaluation.overall.accuracy > 0.95
    assert Predictor.from_files(artifacts.ModelFiles(trained.manifest | SEAL, trained.arrays))


def test_the_command_leaves_a_model_and_nothing_else(tmp_path: Path) -> None:
    classifier = My_TextClassifier_Model(
        model_dir=str(tmp_path / "model"), data_dir=str(tmp_path / "data")
    )
    report = classifier.train(
        dataset=str(SAMPLE / "train.csv"), streaming=True, tracking="none", n_bits=12
    )
    assert report.n_texts == 400
    assert classifier.predict(text="An essay of some words.")
    kept = [path.name for path in (tmp_path / "model").glob("[!.]*")]
    assert len(kept) == 3
    assert classifier.evaluate(dataset=str(SAMPLE / "test.csv"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", f"text {i}") for i in range(20)], "one class only"),
        ([("1", f"text {i}") for i in range(5)], "at least 10"),
        ([("0", "one")] + [("1", f"text {i}") for i in range(20)], "one text only"),
        ([(str(i % 2), "the same") for i in range(20)], "at least 10 different"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    rows: list[tuple[str, str]], message: str, tmp_path: Path
) -> None:
    dataset = tmp_path / "rows.csv"
    with dataset.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("label", "text"), *rows])
    with pytest.raises(DataError, match=message):
        run(dataset, tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


def test_too_large_a_min_df_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No n-gram occurs in 1000 texts"):
        run(SAMPLE / "train.csv", tmp_path, replace(SMALL, min_df=1000))


def test_rules_are_not_streamed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave it out for --model=heuristic"):
        run(SAMPLE / "train.csv", tmp_path, TrainConfig(model="heuristic"))


COUNTS = st.lists(
    st.dictionaries(st.integers(0, 255), st.integers(1, 70_000), max_size=8), min_size=1
)


@given(rows=COUNTS, data=st.data())
@settings(max_examples=50)
def test_a_spool_gives_back_any_texts_in_any_order(
    rows: list[dict[int, int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = csr_matrix((len(rows), 256), dtype=np.float32).tolil()
    for i, row in enumerate(rows):
        for bucket, count in row.items():
            expected[i, bucket] = min(count, 65_535)
    counts = csr_matrix(expected)
    cut = data.draw(st.integers(0, len(rows)))
    order = np.array(data.draw(st.permutations(range(len(rows)))), np.int64)
    with (
        Spool(tmp_path_factory.mktemp("spool"), 256) as held,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(spool, "_PORTION", data.draw(st.integers(1, 20)))
        for part in (counts[:cut], counts[cut:]):
            held.append(part.indptr.astype(np.int64), part.indices, part.data)
        held.seal()
        found = [(part, read.toarray()) for part, read in held.portions(order)]
    assert [i for part, _ in found for i in range(part.start, part.stop)] == list(range(len(rows)))
    np.testing.assert_array_equal(
        np.concatenate([read for _, read in found]), expected.toarray()[order]
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open  # takes everything, and fails when it is to keep it
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda dir: full("r+b"))
    with pytest.raises(DataError, match=r"No space left on device.*choose another --model_dir"):
        run(SAMPLE / "train.csv", tmp_path)


def test_unknown_n_grams_are_those_of_no_other_fold(tmp_path: Path) -> None:
    texts = PackedTexts.pack(["one two three", "two three four", "five six five", "..."] * 3)
    folds = np.array([0, 1, 1, 2] * 3)
    for words, chars, min_df in (((1, 1), (0, 0), 1), ((1, 2), (2, 3), 4), ((0, 0), (2, 3), 1)):
        config = replace(SMALL, word_ngrams=words, char_ngrams=chars, min_df=min_df)
        spec = NgramSpec(words, chars, config.n_bits)
        with Spool(tmp_path, spec.n_features) as held, ThreadPoolExecutor(1) as pool:
            held.append(*kernels.count(texts, spec)[:3])
            held.seal()
            rows = np.arange(len(texts))
            found = Counted(held, spec, rows, rows % 2, folds, config, pool).unknown_shares()
        expected = unknown_shares(texts, config, folds=folds, n_jobs=1)
        np.testing.assert_allclose(found, expected)
        if words == (1, 1):
            assert expected[:3].tolist() == pytest.approx([1 / 3, 1 / 3, 1.0])
