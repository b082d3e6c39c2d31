"""One text counted and scored in NumPy: bit for bit what the compiled kernels make of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import kernels
from ai_detect.ngrams import STATISTICS, NgramSpec, count_one, undone_counts
from ai_detect.scorer import LinearScorer
from ai_detect.text import PackedTexts

everyday = st.text(
    alphabet=st.sampled_from("abcXYZ 019.,;!?'\"-\n\t*_\u2019\u2014\u00e9\u0430\u200b\u00a0"),
    max_size=80,
)
texts = st.one_of(everyday, st.text(max_size=80), everyday.map(lambda text: 40 * text))
specs = st.sampled_from(
    [
        NgramSpec(n_bits=14),
        NgramSpec((2, 3), n_bits=14, lowercase=True),
        NgramSpec((1, 2), (2, 4), 12),
        NgramSpec((0, 0), (3, 5), 12),
    ]
)


@given(texts, specs)
def test_counts_and_statistics_are_those_of_the_kernels(text: str, spec: NgramSpec) -> None:
    packed = PackedTexts.pack([text])
    _, indices, counts, statistics = kernels.count(packed, spec)
    found = count_one(packed[0], spec)
    buckets = [part + (block << spec.n_bits) for block, (part, _) in enumerate(found.blocks)]
    np.testing.assert_array_equal(np.concatenate(buckets), indices)
    np.testing.assert_array_equal(np.concatenate([n for _, n in found.blocks]), counts)
    np.testing.assert_array_equal(found.statistics, statistics[0])


@given(texts)
def test_a_score_is_that_of_the_kernels_to_the_bit(text: str) -> None:
    for spec, n_outputs in ((NgramSpec(n_bits=10), 1), (NgramSpec((1, 2), (2, 3), 10), 3)):
        rng = np.random.default_rng(0)
        used = np.flatnonzero(rng.random(spec.n_features) < 0.5)
        weights = rng.normal(size=(len(used), 1 + n_outputs)).astype(np.float32)
        scorer = LinearScorer(spec, used, weights, rng.normal(size=n_outputs))
        packed = PackedTexts.pack([text])
        scores, statistics = scorer._decision_of_one(packed[0])
        expected, expected_statistics = scorer.decision_function(
            packed
        )  # compiled: they are loaded
        np.testing.assert_array_equal(scores, expected)
        np.testing.assert_array_equal(statistics, expected_statistics)


def test_no_known_ngram_and_no_text() -> None:
    spec = NgramSpec(n_bits=10)
    scorer = LinearScorer(spec, np.arange(0), np.zeros((0, 2), np.float32), np.array([0.5]))
    for text in ("", "the cat"):
        scores, statistics = scorer._decision_of_one(text)
        assert scores.tolist() == [[0.5]]
        assert statistics[0, STATISTICS.index("known_ngrams")] == 0


def test_what_was_undone_is_counted() -> None:
    assert undone_counts("H\u0435llo\u200b **w\u2019s** \u2003x") == {
        "typography": 1,
        "markdown": 4,
        "invisible": 1,
        "lookalike": 1,
        "odd_space": 1,
    }


@pytest.mark.parametrize(
    ("text", "loaded"), [("The weather was fine.", False), ("The weather. " * 2000, True)]
)
def test_only_a_long_text_loads_the_compiler(text: str, loaded: bool, tmp_path: Path) -> None:
    code = (
        "import sys; from ai_detect import cli\n"
        f"assert cli.main(['predict', '--text={text}', '--data_dir={tmp_path}']) == 0\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.splitlines()[-1] == str(loaded)
