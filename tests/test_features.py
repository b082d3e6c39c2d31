import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import Tags
from sklearn.utils.estimator_checks import check_estimator

from ai_detect.features import HashedTfidf
from ai_detect.text import PackedTexts

# Scikit-learn has no checks for estimators of texts: those that fit numbers fail as they should.
NUMBERS = "feeds a matrix of numbers, which this transformer refuses: its X is a list of texts"
NOT_FOR_TEXTS = dict.fromkeys(
    [
        "check_fit_score_takes_y",
        "check_estimators_overwrite_params",
        "check_dont_overwrite_parameters",
        "check_estimators_fit_returns_self",
        "check_readonly_memmap_input",
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
        "check_estimators_dtypes",
        "check_complex_data",
        "check_dtype_object",
        "check_estimators_empty_data_messages",
        "check_pipeline_consistency",
        "check_estimators_nan_inf",
        "check_estimator_sparse_tag",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_dict_unchanged",
        "check_fit_idempotent",
        "check_fit_check_is_fitted",
        "check_n_features_in",
        "check_fit2d_predict1d",
    ],
    NUMBERS,
)
TEXTS = ["one two three", "two three four", "", "four! five?"]


class PretendingToTakeNumbers(HashedTfidf):
    """Scikit-learn leaves out all checks of what does not take a 2-d array."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


def test_scikit_learns_own_checks() -> None:
    results = check_estimator(
        PretendingToTakeNumbers(n_bits=8),
        expected_failed_checks=NOT_FOR_TEXTS,
        on_fail=None,
        on_skip=None,
    )
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(NOT_FOR_TEXTS)
    assert sum(r["status"] == "passed" for r in results) >= 14


def test_the_checks_left_out_above_on_texts() -> None:
    tfidf = HashedTfidf(n_bits=8, min_df=2)
    before = tfidf.get_params()
    with pytest.raises(NotFittedError):
        tfidf.transform(TEXTS)
    assert tfidf.fit(TEXTS) is tfidf
    assert tfidf.get_params() == before
    first = tfidf.transform(TEXTS)
    assert (tfidf.fit(TEXTS).transform(TEXTS) != first).nnz == 0
    assert (pickle.loads(pickle.dumps(tfidf)).transform(TEXTS) != first).nnz == 0
    assert (tfidf.transform(TEXTS[::-1])[::-1] != first).nnz == 0
    assert (tfidf.transform(TEXTS[2:]) != first[2:]).nnz == 0
    assert (clone(tfidf).fit(TEXTS).transform(TEXTS) != first).nnz == 0
    pipeline = make_pipeline(HashedTfidf(n_bits=8), LogisticRegression())
    assert pipeline.fit(TEXTS, [0, 0, 1, 1]).score(TEXTS, [0, 0, 1, 1]) > 0.5


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_fit_transform_equals_fit_then_transform(n_jobs: int) -> None:
    at_once = HashedTfidf(n_bits=10, n_jobs=n_jobs).fit_transform(TEXTS)
    again = HashedTfidf(n_bits=10).fit(PackedTexts.pack(TEXTS)).transform(np.array(TEXTS, object))
    assert (at_once != again).nnz == 0
    assert at_once.shape == (4, 1 << 10)


def test_min_df_leaves_rare_ngrams_out() -> None:
    texts = ["same rare", "same other", "same third"]
    assert HashedTfidf(word_ngrams=(1, 1), n_bits=12, min_df=2).fit_transform(texts).nnz == 3
    assert HashedTfidf(word_ngrams=(1, 1), n_bits=12, min_df=1).fit_transform(texts).nnz == 6


@pytest.mark.parametrize("X", ["one text", [1, 2], [None]])
def test_what_is_no_list_of_texts_is_refused(X: object) -> None:
    with pytest.raises(ValueError, match=r"documents expected|must hold texts"):
        HashedTfidf(n_bits=8).fit(X)


def test_feature_names() -> None:
    tfidf = HashedTfidf(char_ngrams=(2, 3), n_bits=4).fit(["a text"])
    names = tfidf.get_feature_names_out()
    assert len(names) == 32
    assert names[0] == "word_0"
    assert names[-1] == "char_15"
