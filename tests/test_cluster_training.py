"""Training by real worker processes: the logistic regression of this process, whatever happens to a worker."""

import csv
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ai_detect import My_TextClassifier_Model, artifacts, ensemble
from ai_detect.cluster_matrix import ClusterMatrix
from ai_detect.cluster_training import MEMBER, run
from ai_detect.columns import Columns
from ai_detect.config import TrainConfig
from ai_detect.data import read_batches, read_corpus
from ai_detect.errors import DataError, UsageError
from ai_detect.features import HashedTfidf
from ai_detect.labels import encode_labels
from ai_detect.lockstep import minimise_together
from ai_detect.predictor import Predictor
from ai_detect.training import TrainedModel
from ai_detect.unseen import reference, unknown_shares
from tests.cluster_support import Cluster, running

pytest.importorskip("distributed", reason="the extra dask is not installed")

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
READ = partial(read_batches, columns=Columns(), labelled=True, encoding="utf-8", strict=False)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers, that no test harms."""
    with running(tmp_path_factory.mktemp("cluster"), 2, {}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training sample in four tables, with copies from one in another, contradictions and bad rows."""
    folder = tmp_path_factory.mktemp("tables")
    with (SAMPLE / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    flipped = [row | {"generated": str(1 - int(row["generated"]))} for row in rows[:3]]
    parts = [rows[::3], rows[1::3] + flipped, rows[2::3] + rows[10:14], rows[:5]]
    for number, part in enumerate(parts):
        with (folder / f"{number}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([*part, rows[0] | {"text": ""}])
    return folder


def trained_on(tables: Path, scheduler: str, **settings: Any) -> TrainedModel:
    return run(
        READ,
        TrainConfig(**{"n_bits": 14, **settings}),
        dataset=str(tables),
        format="",
        scheduler=scheduler,
        package_version="0",
        n_jobs=1,
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"word_ngrams": (1, 2), "char_ngrams": (3, 4), "min_df": 2, "n_folds": 3, "C": 1.0}],
)
def test_the_model_is_the_logistic_regression_of_this_process(
    two_workers: Cluster, tables: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    model = trained_on(tables, two_workers.address, **settings)
    artifacts.save(tmp_path, model.manifest, model.arrays, model.card)
    predictor = Predictor.from_files(artifacts.load(tmp_path))

    corpus = read_corpus(str(tables))
    code, y = encode_labels(corpus.labels)
    config = TrainConfig(**{"n_bits": 14, **settings}).resolved(detection=True, median_words=200)
    words, chars = config.word_ngrams or (0, 0), config.char_ngrams or (0, 0)
    tfidf = HashedTfidf(
        word_ngrams=words, char_ngrams=chars, n_bits=config.n_bits, min_df=config.min_df
    )
    X = tfidf.fit_transform(corpus.texts)
    buckets = np.flatnonzero(tfidf.idf_)
    X = csr_matrix(X[:, buckets])
    folds = ensemble.assign_folds(y, corpus.groups, config.n_folds, config.seed)
    weights = np.ones(len(y))
    member = {MEMBER: ensemble.TWO_CLASSES[MEMBER]}
    blend = ensemble.fit_blend(X, y, weights, folds, member, config, n_jobs=1)

    np.testing.assert_array_equal(model.arrays["buckets"], buckets)
    np.testing.assert_allclose(model.arrays["idf"], tfidf.idf_[buckets], rtol=1e-6)
    np.testing.assert_allclose(
        model.arrays["coef"], blend.coef, rtol=0, atol=1e-3 * np.abs(blend.coef).max()
    )
    scores, _ = predictor.score(corpus.texts)
    expected = X @ blend.coef + blend.intercept
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    data = model.manifest["data"]
    assert (data["rows"], data["texts"]) == (corpus.n_rows, len(corpus.ids))
    assert (data["duplicates"], data["conflicting"]) == (
        corpus.n_duplicates,
        corpus.n_conflicting,
    )
    assert data["left_out"] == corpus.problems
    assert data["tables"] == 4
    assert model.manifest["config"] == config.to_dict()
    assert model.manifest["members"] == ["logistic_regression"]
    # Drift is told by the same shares of n-grams that no other fold has.
    shares = unknown_shares(corpus.texts, config, folds=folds, n_jobs=1)
    statistics = predictor.scorer.decision_function(corpus.texts)[1]
    out_of_fold = blend.out_of_fold.astype(np.float32).astype(float)
    drift = reference(out_of_fold, statistics, shares, {"human": y == 0, "llm": y == 1}).to_dict()
    for name in ("unknown", "length"):
        assert model.manifest["drift"]["edges"][name] == pytest.approx(drift["edges"][name])
    assert code.detection


def test_the_command_trains_and_publishes(
    two_workers: Cluster, tables: Path, tmp_path: Path
) -> None:
    model = My_TextClassifier_Model(
        model_dir=str(tmp_path / "model"), data_dir=str(tmp_path / "data")
    )
    options: dict[str, Any] = {"dataset": f"{tables}/*.csv", "engine": "dask", "n_bits": 12, "C": 1}
    model.train(**options, scheduler=two_workers.address, tracking="none")
    assert "logistic regression alone" in (tmp_path / "model" / "model_card.md").read_text("utf-8")
    assert model.predict(dataset=str(SAMPLE / "test.csv")) is not None
    with pytest.raises(UsageError, match="one of them"):
        model.train(**options, streaming=True)


def test_a_worker_is_killed_and_the_model_is_the_same(
    two_workers: Cluster, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick: dict[str, Any] = {"n_folds": 2, "C": 1.0}
    undisturbed = trained_on(tables, two_workers.address, **quick)
    answer, n_passes = ClusterMatrix.losses_and_gradients, 0
    with running(tmp_path, 2, {}) as victims:

        def answer_or_kill(*question: Any) -> Any:
            nonlocal n_passes
            n_passes += 1
            if n_passes == 5:
                victims.workers[0].kill()
            return answer(*question)

        monkeypatch.setattr(ClusterMatrix, "losses_and_gradients", answer_or_kill)
        model = trained_on(tables, victims.address, **quick)
    assert n_passes > 5
    largest = np.abs(undisturbed.arrays["coef"]).max()
    np.testing.assert_allclose(
        model.arrays["coef"], undisturbed.arrays["coef"], rtol=0, atol=1e-3 * largest
    )
    assert model.manifest["data"] == undisturbed.manifest["data"]


@pytest.mark.parametrize(
    ("settings", "rows", "error", "message"),
    [
        ({"model": "heuristic"}, "", UsageError, "--model=heuristic"),
        ({}, "a b c d e f g h i j k l", UsageError, "has 12"),
        ({}, "0 0 0 0 0 0 0 0 0 0 0 0", DataError, "one class"),
        ({}, "0 1", DataError, "at least 10"),
        ({"min_df": 1000}, "0 1 0 1 0 1 0 1 0 1 0 1", DataError, "min_df"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    two_workers: Cluster,
    tmp_path: Path,
    settings: dict[str, Any],
    rows: str,
    error: type[Exception],
    message: str,
) -> None:
    lines = [f"Some words of text number {i},{label}" for i, label in enumerate(rows.split())]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    with pytest.raises(error, match=message):
        trained_on(tmp_path / "rows.csv", two_workers.address, **settings)


def quadratic(points: Any, which: Any) -> tuple[Any, Any]:
    """Each problem has its minimum at its own number."""
    away = points - np.asarray(which)
    return (away**2).sum(axis=0), 2 * away


def test_problems_are_minimised_together() -> None:
    asked: list[list[int]] = []

    def evaluate(points: Any, which: Any) -> tuple[Any, Any]:
        asked.append(list(which))
        return quadratic(points, which)

    found = minimise_together(evaluate, n_problems=4, size=3, tolerance=1e-6, max_iterations=50)
    np.testing.assert_allclose(found, np.tile(np.arange(4.0), (3, 1)), atol=1e-6)
    assert asked[0] == [0, 1, 2, 3]
    assert all(set(later) <= set(earlier) for earlier, later in pairwise(asked))
    assert len(asked[-1]) < 4  # the first one was there at the start, and asked no more


def test_a_failure_ends_all_that_wait() -> None:
    def evaluate(points: Any, which: Any) -> tuple[Any, Any]:
        raise DataError("the workers are gone")

    with pytest.raises(DataError, match="are gone"):
        minimise_together(evaluate, n_problems=3, size=2, tolerance=1e-6, max_iterations=50)
