"""Oracles for the kernels: scikit-learn's vectorizer, and the same rules in plain Python."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from ai_detect import kernels
from ai_detect.compiled import njit
from ai_detect.features import HashedTfidf
from ai_detect.ngrams import FUNCTION_WORDS, STATISTICS, NgramSpec
from ai_detect.prefetch import prefetch
from ai_detect.text import PackedTexts, canonical_text

TEXTS = [
    "The quick brown fox jumps over the lazy dog. The dog sleeps!",
    "the Quick brown fox; it\u2019s \u201clazy\u201d \u2014 isn't it?",
    "A caf\u00e9, na\u00efve; 3.14 (pi) and 50% of nothing...",
    "word word word word, word",
    "x",
    "Ο\u03bd\u0435r \u041dоme \u200bhidden\u200b * star",
]
everyday = st.text(
    alphabet=st.sampled_from("abcXYZ 019.,;!?'\"-\n\t*_\u2019\u2014\u00e9\u0430\u200b\u00a0"),
    max_size=80,
)


def sorted_columns(matrix: np.ndarray) -> np.ndarray:
    """Columns in a canonical order, empty ones left out: hashing puts them in another order."""
    columns = matrix[:, matrix.any(axis=0)].round(6)
    return columns[:, np.lexsort(columns)]


@pytest.mark.parametrize("word_ngrams", [(1, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("lowercase", [False, True])
def test_words_equal_scikit_learns_tfidf(word_ngrams: tuple[int, int], lowercase: bool) -> None:
    oracle = TfidfVectorizer(
        sublinear_tf=True, ngram_range=word_ngrams, token_pattern=r"\S+", lowercase=False
    ).fit_transform([canonical_text(text, lowercase=lowercase) for text in TEXTS])
    ours = HashedTfidf(word_ngrams=word_ngrams, n_bits=22, lowercase=lowercase).fit_transform(TEXTS)
    used = np.unique(ours.indices)
    assert len(used) == oracle.shape[1], "a hash collision: choose other texts"
    assert sorted_columns(ours[:, used].toarray()) == pytest.approx(
        sorted_columns(oracle.toarray()), abs=2e-6
    )


def test_characters_equal_scikit_learns_tfidf() -> None:
    oracle = TfidfVectorizer(
        sublinear_tf=True, analyzer="char", ngram_range=(2, 4), lowercase=False
    ).fit_transform([canonical_text(text) for text in TEXTS])
    ours = HashedTfidf(word_ngrams=(0, 0), char_ngrams=(2, 4), n_bits=22).fit_transform(TEXTS)
    used = np.unique(ours.indices)
    assert len(used) == oracle.shape[1], "a hash collision: choose other texts"
    assert sorted_columns(ours[:, used].toarray()) == pytest.approx(
        sorted_columns(oracle.toarray()), abs=2e-6
    )


def test_blocks_are_normalised_by_themselves() -> None:
    matrix = HashedTfidf(char_ngrams=(3, 5), n_bits=12).fit_transform(TEXTS)
    for block in (matrix[:, : 1 << 12], matrix[:, 1 << 12 :]):
        norms = np.sqrt(block.multiply(block).sum(axis=1)).ravel()
        assert np.asarray(norms).ravel()[:4] == pytest.approx(1.0, abs=1e-5)


@given(st.lists(everyday, min_size=1, max_size=8))
def test_the_kernel_and_python_normalise_alike(texts: list[str]) -> None:
    spec = NgramSpec((1, 3), (2, 3), 14)
    raw = kernels.count(PackedTexts.pack(texts), spec)
    canonical = kernels.count(PackedTexts.pack(map(canonical_text, texts)), spec)
    for ours, expected in zip(raw[:3], canonical[:3], strict=True):
        np.testing.assert_array_equal(ours, expected)
    words = [sum(token[0].isalnum() for token in canonical_text(t).split()) for t in texts]
    np.testing.assert_array_equal(raw[3][:, 0], words)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_text_normalises_alike(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    spec = NgramSpec(n_bits=14)
    raw = kernels.count(PackedTexts.pack(texts), spec)
    canonical = kernels.count(PackedTexts.pack(map(canonical_text, texts)), spec)
    for ours, expected in zip(raw[:3], canonical[:3], strict=True):
        np.testing.assert_array_equal(ours, expected)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
def test_bytes_that_are_not_utf8_count_for_nothing(texts: list[bytes]) -> None:
    spec = NgramSpec(n_bits=14)
    decoded = [text.decode("utf-8", "replace") for text in texts]
    raw = kernels.count(PackedTexts.pack(texts), spec)
    expected = kernels.count(PackedTexts.pack(decoded), spec)
    for ours, theirs in zip(raw[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("spec", [NgramSpec(n_bits=14), NgramSpec((1, 2), (3, 5), 14, True)])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("only_used", [False, True])
def test_fused_score_equals_matrix_times_weights(
    spec: NgramSpec, n_outputs: int, only_used: bool
) -> None:
    rng = np.random.default_rng(0)
    tfidf = HashedTfidf(
        word_ngrams=spec.word_ngrams,
        char_ngrams=spec.char_ngrams,
        n_bits=spec.n_bits,
        lowercase=spec.lowercase,
    ).fit(TEXTS[:3])  # so that the other texts hold buckets never seen
    coef = rng.standard_normal((spec.n_features, n_outputs)).astype(np.float32)
    weights = np.column_stack((tfidf.idf_, coef))
    used = np.flatnonzero(tfidf.idf_) if only_used else np.arange(spec.n_features)
    vocabulary = kernels.vocabulary(used, spec.n_features)
    scores, _ = kernels.score(PackedTexts.pack(TEXTS), spec, vocabulary, weights[used])
    assert scores == pytest.approx(tfidf.transform(TEXTS) @ coef, abs=1e-5)


@given(st.lists(everyday, max_size=20), st.integers(1, 6))
def test_results_do_not_depend_on_batches_or_threads(texts: list[str], n_parts: int) -> None:
    spec = NgramSpec(n_bits=12)
    weights = np.random.default_rng(0).random((1 << 12, 2), np.float32)
    packed = PackedTexts.pack(texts)
    vocabulary = kernels.vocabulary(np.arange(1 << 12), 1 << 12)
    whole, statistics = kernels.score(packed, spec, vocabulary, weights)
    with ThreadPoolExecutor(3) as pool:
        parts = list(
            pool.map(lambda p: kernels.score(p, spec, vocabulary, weights), packed.split(n_parts))
        )
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), statistics)


def test_statistics_say_what_was_undone() -> None:
    texts = PackedTexts.pack(["H\u0435llo\u200b **w\u2019s** \u2003x", "plain, old"])
    table = dict(zip(STATISTICS, kernels.statistics(texts).T.tolist(), strict=True))
    assert table == {
        "words": [4, 2],
        "function_words": [0, 0],
        "typography": [1, 0],
        "markdown": [4, 0],
        "invisible": [1, 0],
        "lookalike": [1, 0],
        "odd_space": [1, 0],
        "ngrams": [5, 3],
        "known_ngrams": [0, 0],
    }


def test_folding_capitals_is_no_change_undone() -> None:
    spec = NgramSpec(n_bits=8, lowercase=True)
    assert kernels.count(PackedTexts.pack(["AB cd"]), spec)[3].tolist() == [
        [2, 0, 0, 0, 0, 0, 0, 3, 0]
    ]


@given(
    st.lists(
        st.sampled_from(
            [
                *FUNCTION_WORDS,
                "The",
                "THE",
                "thee",
                "Of.",
                "i",
                "(I)",
                "dog",
                ",",
                "\u0430",
                "t\u200bhe",
            ]
        )
    )
)
def test_function_words_are_those_of_the_list_in_lower_case_or_capitalised(
    parts: list[str],
) -> None:
    known = {form for word in FUNCTION_WORDS for form in (word, word.capitalize())}
    text = " ".join(parts)
    column = STATISTICS.index("function_words")
    expected = sum(token in known for token in canonical_text(text).split())
    assert kernels.statistics(PackedTexts.pack([text]))[0, column] == expected


@pytest.mark.parametrize(
    ("text", "is_english"),
    [
        ("The people of the town went home, and nobody said a word about it.", True),
        (
            "Die Leute in der Stadt gingen nach Hause, und niemand sagte ein Wort dar\u00fcber.",
            False,
        ),
        ("Les gens de la ville sont rentr\u00e9s, et personne n'en a dit un mot.", False),
        ("La gente del pueblo se fue a casa, y nadie dijo una palabra sobre ello.", False),
        (
            "\u041b\u044e\u0434\u0438 \u0443\u0448\u043b\u0438 \u0434\u043e\u043c\u043e\u0439, "
            "\u0438 \u043d\u0438\u043a\u0442\u043e \u043d\u0435 "
            "\u0441\u043a\u0430\u0437\u0430\u043b \u043d\u0438 \u0441\u043b\u043e\u0432\u0430.",
            False,
        ),
    ],
    ids=["English", "German", "French", "Spanish", "Russian"],
)
def test_function_words_tell_english(text: str, is_english: bool) -> None:
    words, function_words, *_ = kernels.statistics(PackedTexts.pack([text]))[0]
    assert (function_words >= 0.12 * words) is np.bool_(is_english)


@given(st.integers(1, 500), st.data())
def test_a_vocabulary_finds_the_row_of_each_bucket_in_use(
    n_features: int, data: st.DataObject
) -> None:
    used = np.array(sorted(data.draw(st.sets(st.integers(0, n_features - 1)))), np.uint32)
    vocabulary = kernels.vocabulary(used, n_features)
    buckets = np.array(
        data.draw(st.lists(st.integers(0, n_features - 1), min_size=1)), dtype=np.int32
    )
    expected = [int(np.searchsorted(used, bucket)) for bucket in buckets if bucket in used]
    n_known = kernels.keep_known(buckets, len(buckets), 0, vocabulary)
    assert buckets[:n_known].tolist() == expected


def test_unknown_ngrams_are_counted() -> None:
    spec = NgramSpec((1, 2), n_bits=20)
    known = PackedTexts.pack(["the cat sat"])
    buckets = np.unique(kernels.count(known, spec)[1])
    texts = PackedTexts.pack(["the cat sat", "the cat ran", "", "a dog"])
    vocabulary = kernels.vocabulary(buckets, spec.n_features)
    _, statistics = kernels.score(texts, spec, vocabulary, np.ones((len(buckets), 2), np.float32))
    columns = [STATISTICS.index(name) for name in ("ngrams", "known_ngrams")]
    assert statistics[:, columns].tolist() == [[5, 5], [5, 3], [0, 0], [3, 0]]


@given(
    st.binary(min_size=8, max_size=8)
    | st.text("aZ0zA9@[`{/:", min_size=8, max_size=8).map(str.encode)
)
def test_letters_and_digits_are_found_eight_at_a_time(block: bytes) -> None:
    for capitals in (True, False):
        plain = [chr(byte).isalnum() and byte < 0x80 for byte in block]
        if not capitals:
            plain = [
                here and not chr(byte).isupper() for here, byte in zip(plain, block, strict=True)
            ]
        case_bit = np.uint64(0x2020202020202020 if capitals else 0)
        found = kernels.plain_bytes(np.uint64(int.from_bytes(block, "little")), case_bit)
        assert found == [*plain, False].index(False)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_text_of_more_ngrams_than_16_bits_count(n_outputs: int) -> None:
    spec = NgramSpec(n_bits=10)
    words = np.array(["it", "is", "so", "it,"])[np.random.default_rng(0).integers(0, 4, 30_000)]
    texts = ["it is so", "so " * 70_000, " ".join(words), "it is so"]
    tfidf = HashedTfidf(n_bits=spec.n_bits).fit(texts)
    coef = np.random.default_rng(0).standard_normal((spec.n_features, n_outputs)).astype(np.float32)
    vocabulary = kernels.vocabulary(np.arange(spec.n_features), spec.n_features)
    weights = np.column_stack((tfidf.idf_, coef))
    scores, _ = kernels.score(PackedTexts.pack(texts), spec, vocabulary, weights)
    assert scores == pytest.approx(tfidf.transform(texts) @ coef, abs=1e-5)
    np.testing.assert_array_equal(scores[3], scores[0])


def test_fetching_ahead_reads_nothing() -> None:
    @njit(cache=False)
    def fetch(array: np.ndarray) -> None:
        for row in (0, 1, 1 << 40):  # far beyond its end
            prefetch(array, np.uintp(row))

    fetch(np.zeros((2, 3)))


@pytest.mark.parametrize("bits", [0, 1, 0b1011, 2**63, 2**64 - 1])
def test_popcount(bits: int) -> None:
    assert kernels.popcount(np.uint64(bits)) == bits.bit_count()


def test_a_long_text_and_an_empty_one() -> None:
    spec = NgramSpec(n_bits=10)
    texts = PackedTexts.pack(["", "word " * 300_000, ""])
    indptr, _, counts, statistics = kernels.count(texts, spec)
    assert statistics[:, 0].tolist() == [0, 300_000, 0]
    assert indptr.tolist()[0:2] == [0, 0]
    assert counts.sum() == 3 * 300_000 - 3
