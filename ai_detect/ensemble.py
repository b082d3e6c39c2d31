"""The ensemble: logistic regression, a linear SGD classifier and, for two classes, naive Bayes on hashed TF-IDF.

Members are fitted on all texts for the model, and once per fold of groups for out-of-fold scores; the latter say how
to scale the members against each other and how to calibrate their mean. All of it is linear and ends in one scorer.
Threads take a fold each, with a copy of its rows that all members share.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from scipy.sparse import csr_matrix
from tqdm import tqdm

from ai_detect import calibration
from ai_detect.config import TrainConfig
from ai_detect.errors import DataError
from ai_detect.heuristic import HeuristicFeatures
from ai_detect.logistic import DualLogisticRegression
from ai_detect.naive_bayes import NaiveBayes
from ai_detect.scorer import HeuristicScorer, LinearScorer, Scorer
from ai_detect.text import PackedTexts

logger = logging.getLogger(__name__)

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

# StratifiedGroupKFold takes a Python step per group. Merging groups is always safe, and this many balance well.
_MAX_GROUPS = 2000

NO_NGRAM = "No n-gram occurs in {min_df} texts or more: give more texts, or a smaller --min_df."
ONE_TEXT = "One of the two classes has one text only, and that cannot be held out: give at least two of each class."


@dataclass(frozen=True)
class Trained:
    """What training gives.

    scorer: the model, its scores calibrated; out_of_fold: float64 (n, n_outputs), the calibrated scores of the training
    texts by models that had not seen them; folds: int64 (n,), in which each was held out; is_grouped: nor had these
    models seen any text of their group.
    """

    scorer: Scorer
    out_of_fold: Float64Array
    folds: Int64Array
    is_grouped: bool


@dataclass(frozen=True)
class Blend:
    """Members joined and calibrated: X @ coef + intercept are log-odds (one output) or softmax logits.

    coef: float64 (n_features, n_outputs); intercept: (n_outputs,); out_of_fold: (n, n_outputs).
    """

    coef: Float64Array
    intercept: Float64Array
    out_of_fold: Float64Array


def logistic_regression(config: TrainConfig) -> Any:
    """The first member: L2-regularised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=config.C, tol=6e-4, max_iter=300)


def dual_logistic_regression(config: TrainConfig) -> Any:
    """The same of two classes, to its minimum, in a fraction of the time."""
    return DualLogisticRegression(C=config.C, seed=config.seed)


def sgd_classifier(config: TrainConfig) -> Any:
    """The second member: modified Huber loss, quadratically smoothed and tolerant of mislabelled texts (Zhang 2004)."""
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="modified_huber",
        alpha=config.alpha,
        random_state=config.seed,
    )


def naive_bayes(config: TrainConfig) -> Any:
    """The third member, of two classes: it learns least of what is peculiar to the training corpora."""
    del config
    return NaiveBayes()


Members = dict[str, Callable[[TrainConfig], Any]]

ENSEMBLE: Members = {"logistic_regression": logistic_regression, "sgd_classifier": sgd_classifier}
TWO_CLASSES: Members = {
    "logistic_regression": dual_logistic_regression,
    "sgd_classifier": sgd_classifier,
    "naive_bayes": naive_bayes,
}
BASELINE: Members = {"logistic_regression": logistic_regression}


def train(
    texts: PackedTexts,
    y: Int64Array,
    groups: npt.NDArray[np.object_],
    config: TrainConfig,
    *,
    weights: Float64Array | None = None,
    folds: Int64Array | None = None,
    known_folds: Int64Array | None = None,
    n_jobs: int = 1,
) -> Trained:
    """Fit the ensemble, or the heuristic baseline if the settings say so.

    Args:
        texts: n texts.
        y: class numbers 0 ... n_classes - 1, (n,).
        groups: (n,), texts of one group are never split between training and scoring.
        config: the settings, resolved.
        weights: (n,) of each text, None for all the same; two classes then get the same total in every fit.
        folds: (n,) in which each text is held out; None for folds of whole groups.
        known_folds: (n,) others by which to calibrate the probability, where `folds` hold out so much that texts from
            nowhere near are left; None for the same.
        n_jobs: threads.

    Raises:
        DataError: there are too few texts of a class, or nothing in the texts to tell the classes apart by.
    """
    if min(counts := np.bincount(y).tolist()) < 2 and len(counts) == 2:
        raise DataError(ONE_TEXT)
    if folds is None:
        folds = assign_folds(y, groups, config.n_folds, config.seed)
    if weights is None:
        weights = np.ones(len(y))
    fit = _fit_heuristic if config.model == "heuristic" else _fit_ensemble
    scorer, out_of_fold = fit(texts, y, weights, folds, known_folds, config, n_jobs)
    return Trained(scorer, out_of_fold, folds, is_grouped=keeps_groups_whole(groups, folds))


def keeps_groups_whole(groups: npt.NDArray[np.object_], folds: Int64Array) -> bool:
    """Whether no group (n,) is split between folds (n,)."""
    group = _numbered(groups)
    n_parts = len(np.unique(group * (int(folds.max()) + 1) + folds))
    return n_parts == int(group.max()) + 1


def _numbered(groups: npt.NDArray[np.object_]) -> Int64Array:
    """Number groups (n,) in the order of their names."""
    names = groups.astype(str).tolist()
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64)


def _fit_ensemble(
    texts: PackedTexts,
    y: Int64Array,
    weights: Float64Array,
    folds: Int64Array,
    known_folds: Int64Array | None,
    config: TrainConfig,
    n_jobs: int,
) -> tuple[Scorer, Float64Array]:
    from ai_detect.features import HashedTfidf

    tfidf = HashedTfidf(
        word_ngrams=config.word_ngrams or (0, 0),
        char_ngrams=config.char_ngrams or (0, 0),
        n_bits=config.n_bits,
        lowercase=config.lowercase,
        min_df=config.min_df,
        n_jobs=n_jobs,
    )
    X = tfidf.fit_transform(texts)
    buckets = np.flatnonzero(tfidf.idf_)
    if not len(buckets):
        raise DataError(NO_NGRAM.format(min_df=config.min_df))
    # The solvers keep dense coefficients: leave out the buckets not in use.
    column = np.cumsum(tfidf.idf_ > 0, dtype=np.int32) - 1
    X = csr_matrix((X.data, column[X.indices], X.indptr), shape=(X.shape[0], len(buckets)))
    members = TWO_CLASSES if int(y.max()) == 1 else ENSEMBLE
    blend = fit_blend(X, y, weights, folds, members, config, n_jobs, known_folds)
    columns = np.column_stack((tfidf.idf_[buckets], blend.coef)).astype(np.float32)
    return LinearScorer(tfidf.spec, buckets, columns, blend.intercept), blend.out_of_fold


def _fit_heuristic(
    texts: PackedTexts,
    y: Int64Array,
    weights: Float64Array,
    folds: Int64Array,
    known_folds: Int64Array | None,
    config: TrainConfig,
    n_jobs: int,
) -> tuple[Scorer, Float64Array]:
    features = HeuristicFeatures().transform(texts)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    blend = fit_blend(
        (features - mean) / scale, y, weights, folds, BASELINE, config, n_jobs, known_folds
    )
    return HeuristicScorer(mean, scale, blend.coef, blend.intercept), blend.out_of_fold


def fit_blend(
    X: Any,
    y: Int64Array,
    weights: Float64Array,
    folds: Int64Array,
    members: Members,
    config: TrainConfig,
    n_jobs: int,
    known_folds: Int64Array | None = None,
) -> Blend:
    """Fit every member, scale them to one unit, the spread of their out-of-fold scores, and calibrate their mean."""
    splits = (folds,) if known_folds is None else (folds, known_folds)
    numbers = [np.unique(split) for split in splits]
    jobs = [delayed(_fit)(X, y, weights, members, config)] + [
        delayed(_score_held_out)(split == fold, X, y, weights, members, config)
        for split, its_folds in zip(splits, numbers, strict=True)
        for fold in its_folds
    ]
    done = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(jobs)
    progress = iter(tqdm(done, "fitting", len(jobs), disable=None, leave=False))
    fitted = next(progress)
    held_out = [_added(list(islice(progress, len(its_folds)))) for its_folds in numbers]
    return join(fitted, held_out[0], folds, y, weights, *held_out[1:])


def _added(parts: Sequence[dict[str, Float64Array]]) -> dict[str, Float64Array]:
    """Add up arrays of the same names."""
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def join(
    fitted: dict[str, Any],
    held_out: dict[str, Float64Array],
    folds: Int64Array,
    y: Int64Array,
    weights: Float64Array,
    known: dict[str, Float64Array] | None = None,
) -> Blend:
    """Scale members to one unit and calibrate their mean.

    Args:
        fitted: name -> member fitted on all n texts, with scikit-learn's `coef_` and `intercept_`.
        held_out: name -> float64 (n, n_outputs), scores of each text by members that had not seen it.
        folds: (n,), in which each was held out.
        y: class numbers, (n,).
        weights: of each text, (n,).
        known: such scores by which to calibrate; None for the same.

    Raises:
        DataError: a member gives the same score to all texts that are held out together.
    """
    spread = {name: float(np.std(scores)) for name, scores in held_out.items()}
    if any(_is_constant(scores, folds) for scores in held_out.values()):
        raise DataError(
            "Nothing in these texts tells the classes apart: whatever is held out gets the same score. Give more or "
            "longer texts, or less extreme settings."
        )
    scale = {name: 1.0 / (len(fitted) * spread[name]) for name in fitted}
    scores = np.sum([scale[name] * held_out[name] for name in fitted], axis=0)
    coef = np.sum([scale[name] * fitted[name].coef_.T.astype(float) for name in fitted], axis=0)
    intercept = np.sum([scale[name] * fitted[name].intercept_ for name in fitted], axis=0)
    voted = scores if known is None else sum(scale[name] * known[name] for name in fitted)
    slope, shift = _calibrate(np.asarray(voted), y, weights)
    return Blend(slope * coef, slope * intercept + shift, slope * scores + shift)


def _is_constant(scores: Float64Array, folds: Int64Array) -> bool:
    """Whether scores (n, n_outputs) are the same for all texts of a fold, in every fold."""
    return all(np.ptp(scores[folds == fold], axis=0).max() == 0.0 for fold in np.unique(folds))


def _balanced(weights: Float64Array, y: Int64Array) -> Float64Array:
    """Scale the weights of two classes to the same total, and all to a mean of 1; leave those of more classes."""
    totals = np.bincount(y, weights=weights)
    if len(totals) > 2:
        return weights
    result: Float64Array = weights * len(y) / (2.0 * totals[y])
    return result


def assign_folds(
    y: Int64Array, groups: npt.NDArray[np.object_], n_folds: int, seed: int
) -> Int64Array:
    """Return the fold (n,) in which each text is held out; whole groups together, classes spread evenly.

    Fewer groups than folds means fewer folds. Where that would leave some fold's models without a class to learn, as
    with a class that lives in one group only, single texts are dealt out instead.
    """
    group = _numbered(groups)
    rng = np.random.default_rng(seed)
    n_groups = int(group.max()) + 1
    if n_groups > _MAX_GROUPS:
        group = rng.permutation(np.arange(n_groups) % _MAX_GROUPS)[group]
    if min(_n_distinct(y, group)) >= 2:
        folds = _deal_groups(y, group, n_folds, seed)
        if min(_n_distinct(y, folds)) >= 2:
            return folds
    # Deal out the texts class by class, rare classes first: two texts of one class, or of two classes with
    # a single text, never share a fold by accident.
    order = np.lexsort((rng.permutation(len(y)), y, np.bincount(y)[y]))
    folds = np.zeros(len(y), np.int64)
    folds[order] = np.arange(len(y)) % n_folds
    return folds


def _n_distinct(y: Int64Array, values: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Return for each class over how many values its texts are spread."""
    return [len(np.unique(values[y == label])) for label in np.unique(y)]


def _deal_groups(
    y: Int64Array, group: npt.NDArray[np.integer[Any]], n_folds: int, seed: int
) -> Int64Array:
    """Deal out whole groups, as evenly by class as they allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    n_splits = min(n_folds, len(np.unique(group)), int(np.bincount(y).max()))
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    folds = np.zeros(len(y), np.int64)
    with warnings.catch_warnings():
        # A class with fewer texts than there are folds is held out in some folds only, as it should be.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(y)), y, group)):
            folds[held_out] = fold
    return folds


def _fit(
    X: Any, y: Int64Array, weights: Float64Array, members: Members, config: TrainConfig
) -> dict[str, Any]:
    """Fit each member."""
    balanced = _balanced(weights, y)
    return {name: make(config).fit(X, y, sample_weight=balanced) for name, make in members.items()}


def _score_held_out(
    held_out: npt.NDArray[np.bool_],
    X: Any,
    y: Int64Array,
    weights: Float64Array,
    members: Members,
    config: TrainConfig,
) -> dict[str, Float64Array]:
    """Return the scores of the texts held out by each member fitted on the others, (n, n_outputs), 0 for the others."""
    n_outputs = 1 if int(y.max()) == 1 else int(y.max()) + 1
    seen = ~held_out
    fitted = _fit(X[seen], y[seen], weights[seen], members, config)
    texts = X[held_out]
    scores = {name: np.zeros((len(y), n_outputs)) for name in members}
    for name, member in fitted.items():
        decision = member.decision_function(texts)
        if n_outputs == 1:
            scores[name][held_out] = decision[:, None]
            continue
        if decision.ndim == 1:  # two classes were left
            decision = np.column_stack((-decision, decision))
        # A class absent from these training folds gets no votes.
        votes = np.full((len(decision), n_outputs), decision.min())
        votes[:, member.classes_] = decision
        scores[name][held_out] = votes
    return scores


def _calibrate(scores: Float64Array, y: Int64Array, weights: Float64Array) -> tuple[float, float]:
    """Return slope and shift that turn blended scores into log-odds (two classes) or softmax logits."""
    if scores.shape[1] > 1:
        return calibration.temperature(scores, y), 0.0
    slope, shift = calibration.platt(scores[:, 0], y, weights)
    if slope > 0:
        return slope, shift
    logger.warning(
        "out of fold the scores tell the classes apart no better than chance: probabilities will be near 0.5"
    )
    return 1e-6, 0.0
