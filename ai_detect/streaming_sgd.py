"""The members of the ensemble, fitted by passes over counts on disk in random order.

The model and one model a fold are fitted at once, so that each portion is read and weighed only once a pass. The first
member has the log loss and the regularisation of the logistic regression that it stands for. So weak a regularisation
lets single steps wander, so it takes the mean of its steps after the first pass. The second member is that of
`ensemble`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from tqdm import tqdm

from ai_detect import ensemble, kernels
from ai_detect.config import TrainConfig
from ai_detect.ensemble import Trained
from ai_detect.errors import DataError
from ai_detect.ngrams import NgramSpec
from ai_detect.scorer import LinearScorer
from ai_detect.spool import Spool

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

PASSES = 8
_ALL = -1  # for a fold: the model itself, which holds out nothing


def logistic_sgd(config: TrainConfig, n_texts: int) -> Any:
    """The first member: logistic regression with the same C, by averaged SGD."""
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="log_loss",
        alpha=1.0 / (config.C * n_texts),
        average=n_texts,
        random_state=config.seed,
    )


def modified_huber_sgd(config: TrainConfig, n_texts: int) -> Any:
    """The second member: the one of `ensemble`."""
    return ensemble.sgd_classifier(config)


def naive_bayes(config: TrainConfig, n_texts: int) -> Any:
    """The third member, of two classes: the one of `ensemble`; that it counts every text once a pass changes little."""
    del n_texts
    return ensemble.naive_bayes(config)


MEMBERS = {"logistic_regression": logistic_sgd, "sgd_classifier": modified_huber_sgd}
TWO_CLASSES = MEMBERS | {"naive_bayes": naive_bayes}


@dataclass(frozen=True)
class Counted:
    """Texts as their hashed counts on disk, with all that training asks of them.

    rows: int64 (n,), their places in the spool; y: int64 (n,), class numbers; folds: int64 (n,), in which each is held
    out; config: the settings, resolved.
    """

    spool: Spool
    spec: NgramSpec
    rows: Int64Array
    y: Int64Array
    folds: Int64Array
    config: TrainConfig
    pool: ThreadPoolExecutor

    @cached_property
    def df(self) -> Int64Array:
        """In how many texts of each fold each bucket occurs, int64 (n_folds, n_features)."""
        found = np.zeros((int(self.folds.max()) + 1, self.spec.n_features), np.int64)
        for part, counts in self.spool.portions(self.rows):
            for fold, df in enumerate(found):
                rows = np.flatnonzero(self.folds[part] == fold)
                kernels.document_frequencies(counts.indptr, counts.indices, rows, df)
        return found

    @cached_property
    def idf(self) -> npt.NDArray[np.float32]:
        """As `HashedTfidf.idf_`, float32 (n_features,)."""
        from ai_detect.features import inverse_frequencies

        return inverse_frequencies(self.df.sum(axis=0), len(self.rows), self.config.min_df)

    def train(self, *, is_grouped: bool) -> Trained:
        """Fit the ensemble.

        Raises:
            DataError: there is nothing in the texts to tell the classes apart by.
        """
        buckets = np.flatnonzero(self.idf)
        if not len(buckets):
            raise DataError(ensemble.NO_NGRAM.format(min_df=self.config.min_df))
        models = {
            (fold, name): make(self.config, int(np.sum(self.folds != fold)))
            for fold in (_ALL, *np.unique(self.folds).tolist())
            for name, make in self._members.items()
        }
        self._fit(models)
        held_out = self._score_held_out(models)
        fitted = {name: models[_ALL, name] for name in self._members}
        blend = ensemble.join(fitted, held_out, self.folds, self.y, np.ones(len(self.y)))
        columns = np.column_stack((self.idf[buckets], blend.coef)).astype(np.float32)
        scorer = LinearScorer(self.spec, buckets, columns, blend.intercept)
        return Trained(scorer, blend.out_of_fold, self.folds, is_grouped)

    def unknown_shares(self) -> Float64Array:
        """As `unseen.unknown_shares`: the share of the word n-grams of each text that no other fold has."""
        shares = np.zeros(len(self.rows))
        if self.spec.word_ngrams == (0, 0):
            return shares
        n_words = 1 << self.spec.n_bits
        elsewhere = self.df.sum(axis=0) - self.df
        is_known = (elsewhere >= self.config.min_df)[:, :n_words].astype(np.float32)
        for part, counts in self.spool.portions(self.rows):
            words = counts[:, :n_words]
            total = np.asarray(words.sum(axis=1, dtype=np.float64)).ravel()
            known = np.choose(self.folds[part], [words @ one for one in is_known])
            shares[part] = 1.0 - np.divide(known, total, out=np.ones_like(total), where=total > 0)
        return shares

    def _fit(self, models: dict[tuple[int, str], Any]) -> None:
        classes = np.arange(int(self.y.max()) + 1)
        weights = {fold: self._weights(fold) for fold, _ in models}
        rng = np.random.default_rng(self.config.seed)

        def step(key: tuple[int, str], X: csr_matrix, texts: Int64Array) -> None:
            seen = self.folds[texts] != key[0]
            texts = texts[seen]
            if len(texts):
                X = X if seen.all() else X[seen]
                models[key].partial_fit(X, self.y[texts], classes, weights[key[0]][self.y[texts]])

        with tqdm(
            desc="fitting", total=PASSES * len(self.rows), unit=" texts", disable=None, leave=False
        ) as bar:
            for _ in range(PASSES):
                order = rng.permutation(len(self.rows))
                for part, counts in self.spool.portions(self.rows[order]):
                    X, texts = self._weigh(counts), order[part]
                    list(self.pool.map(lambda key, X=X, texts=texts: step(key, X, texts), models))
                    bar.update(len(texts))

    def _weights(self, fold: int) -> Float64Array:
        """Return the weight of each class in the models of a fold: two classes get the same total."""
        n_texts = np.bincount(self.y[self.folds != fold], minlength=int(self.y.max()) + 1)
        if len(n_texts) > 2:
            return np.ones(len(n_texts))
        weights: Float64Array = n_texts.sum() / (2.0 * np.maximum(n_texts, 1))
        return weights

    def _score_held_out(self, models: dict[tuple[int, str], Any]) -> dict[str, Float64Array]:
        """Return the scores (n, n_outputs) of each text by each member of its fold."""
        n_outputs = 1 if int(self.y.max()) == 1 else int(self.y.max()) + 1
        scores = {name: np.zeros((len(self.rows), n_outputs)) for name in self._members}
        for part, counts in self.spool.portions(self.rows):
            X, folds = self._weigh(counts), self.folds[part]
            for fold in np.unique(folds).tolist():
                here = np.flatnonzero(folds == fold)
                for name in self._members:
                    decision = models[fold, name].decision_function(X[here])
                    scores[name][part.start + here] = decision.reshape(len(here), n_outputs)
        return scores

    def _weigh(self, counts: csr_matrix) -> csr_matrix:
        """Turn counts into TF-IDF with the buckets in use as columns."""
        block_start = np.int64(1) << self.spec.n_bits
        kernels.weigh(counts.indptr, counts.indices, counts.data, self.idf, block_start)
        counts.eliminate_zeros()
        shape = (counts.shape[0], int(self._column[-1]) + 1)
        return csr_matrix((counts.data, self._column[counts.indices], counts.indptr), shape=shape)

    @property
    def _members(self) -> dict[str, Any]:
        return TWO_CLASSES if int(self.y.max()) == 1 else MEMBERS

    @cached_property
    def _column(self) -> npt.NDArray[np.int32]:
        """Bucket -> column among those in use, int32 (n_features,); nobody asks for that of another one."""
        columns: npt.NDArray[np.int32] = np.cumsum(self.idf != 0, dtype=np.int32) - np.int32(1)
        return columns
