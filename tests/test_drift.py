"""Drift: the right alarm for each kind of change, hardly ever one without, and nothing kept but counts."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import My_TextClassifier_Model, artifacts, drift_html
from ai_detect.config import TrainConfig
from ai_detect.drift import MIN_TEXTS, Counts, DriftReport, Reference, compare
from ai_detect.drift_reference import ALL, FEATURES
from ai_detect.drift_report import LEVELS, MAJOR, MODERATE, NONE
from ai_detect.drift_window import DriftWindow
from ai_detect.errors import ArtifactError, DataError, UsageError
from ai_detect.predictor import Predictions, Predictor
from ai_detect.text import PackedTexts
from ai_detect.two_samples import fisher_p_values, stability_index
from ai_detect.unseen import unknown_shares

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
Float64Array = npt.NDArray[np.float64]

GERMAN = dict(
    zip(
        "the of and to a in is that it for on with as are be this have not they by or from at an but we can".split(),
        "der von und zu ein im ist dass es vor auf mit als sind sei dies habe nicht sie durch oder aus bei eine aber "
        "wir kann".split(),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.from_files(artifacts.load(trained / "model"))


@pytest.fixture(scope="module")
def reference(predictor: Predictor) -> Reference:
    return Reference.of_model(predictor.manifest)


@pytest.fixture(scope="module")
def new_texts() -> Mapping[str, list[str]]:
    """Texts of the sample that the model was not trained on, by class number."""
    with (SAMPLE / "test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {label: [row["text"] for row in rows if row["generated"] == label] for label in "01"}


@pytest.fixture(scope="module")
def report_on(predictor: Predictor, reference: Reference) -> Callable[[list[str]], DriftReport]:
    def report(texts: list[str]) -> DriftReport:
        return compare(reference, Counts.of(reference, predictor.predict(PackedTexts.pack(texts))))

    return report


def moved(report: DriftReport) -> dict[str, str]:
    return {f.name: f.direction for f in report.features if f.level != NONE}


def shortened(text: str) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2])


def translated(text: str) -> str:
    return re.sub(r"\w+", lambda word: GERMAN.get(word[0].lower(), word[0] + "en"), text)


def obfuscated(text: str) -> str:
    return text.replace("e", "\N{CYRILLIC SMALL LETTER IE}", 12)


class TestTexts:
    """A trained model and real texts."""

    def test_new_human_texts_are_like_those_of_training(
        self, report_on: Callable[[list[str]], DriftReport], new_texts: Mapping[str, list[str]]
    ) -> None:
        report = report_on(new_texts["0"])
        assert report.level == NONE
        assert report.n == 100
        assert report.summary == "No drift: the 100 texts are like the human training texts."

    @pytest.mark.parametrize("share", [0.4, 1.0])
    def test_llm_texts_are_told_by_their_scores(
        self,
        share: float,
        report_on: Callable[[list[str]], DriftReport],
        new_texts: Mapping[str, list[str]],
    ) -> None:
        n_llm = int(100 * share)
        report = report_on(new_texts["0"][n_llm:] + new_texts["1"][:n_llm])
        assert report.level == MAJOR
        assert moved(report)["score"] == "higher scores, as LLM texts have"

    @pytest.mark.parametrize(
        ("change", "expected", "only"),
        [
            (shortened, {"length": "shorter texts"}, False),
            (
                translated,
                {
                    "language": "fewer words of English grammar",
                    "unknown": "more wording that is not in the training texts",
                },
                False,
            ),
            (obfuscated, {"obfuscation": "more hidden or look-alike characters"}, True),
        ],
        ids=["shorter", "translated", "obfuscated"],
    )
    def test_each_change_raises_its_alarm(
        self,
        change: Callable[[str], str],
        expected: dict[str, str],
        only: bool,
        report_on: Callable[[list[str]], DriftReport],
        new_texts: Mapping[str, list[str]],
    ) -> None:
        found = moved(report_on([change(text) for text in new_texts["0"]]))
        assert found.items() >= expected.items()
        assert not only or found == expected

    def test_the_texts_of_training_itself_are_told_too(
        self, report_on: Callable[[list[str]], DriftReport]
    ) -> None:
        # Whoever asks about them should know: nothing is unknown in them, which no new texts have.
        with (SAMPLE / "train.csv").open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file) if row["generated"] == "0"]
        assert moved(report_on(texts))["unknown"] == "more wording that is in the training texts"

    def test_few_texts_are_never_said_to_have_drifted(
        self, report_on: Callable[[list[str]], DriftReport], new_texts: Mapping[str, list[str]]
    ) -> None:
        report = report_on(["Hello."] * (MIN_TEXTS - 1))
        assert report.level == NONE
        assert (
            report.summary == f"Too few texts to tell: {MIN_TEXTS - 1}, and it takes {MIN_TEXTS}."
        )
        assert report_on(["Hello."] * MIN_TEXTS).level == MAJOR

    def test_texts_without_a_word_count_for_nothing(
        self, report_on: Callable[[list[str]], DriftReport], new_texts: Mapping[str, list[str]]
    ) -> None:
        assert report_on(new_texts["0"] + [""] * 500) == report_on(new_texts["0"])


def resampled(reference: Reference, n: int, rng: np.random.Generator, prior: float) -> Counts:
    _, shares = reference.expected(prior)
    return Counts(n, {name: rng.multinomial(n, shares[name]) for name in FEATURES})


@pytest.mark.parametrize(("n", "prior"), [(MIN_TEXTS, 0.0), (400, 0.0), (400, 0.3)])
def test_resampled_texts_of_the_reference_hardly_ever_alarm(
    n: int, prior: float, reference: Reference
) -> None:
    rng = np.random.default_rng(n)
    draws = [resampled(reference, n, rng, prior) for _ in range(1000)]
    alarms = sum(compare(reference, counts, prior=prior).level != NONE for counts in draws)
    assert alarms <= 10


def invented(n: int, rng: np.random.Generator) -> Float64Array:
    """Measured features of texts that there are not, all of one kind."""
    columns = (
        rng.normal(-3, 2, n),
        np.round(rng.lognormal(5.5, 0.5, n)),
        rng.beta(5, 10, n),
        np.where(rng.random(n) < 0.02, 0.2 * rng.random(n), 0.0),
        rng.normal(0.4, 0.05, n),
    )
    return np.column_stack(columns)


def test_new_texts_of_one_kind_hardly_ever_alarm() -> None:
    rng = np.random.default_rng(7)
    alarms = 0
    for n in (60, 200) * 200:
        known = Reference.build(invented(300, rng), {ALL: np.ones(300, np.bool_)})
        alarms += compare(known, Counts.of_values(known.edges, invented(n, rng))).level != NONE
    assert alarms <= 4


def test_the_level_is_that_of_the_size_not_of_the_number_of_texts() -> None:
    rng = np.random.default_rng(0)
    known = Reference.build(invented(20_000, rng), {ALL: np.ones(20_000, np.bool_)})
    levels = {}
    for shift in (0.1, 0.7, 1.5):
        values = invented(20_000, rng)
        values[:, 0] += shift
        found = compare(known, Counts.of_values(known.edges, values)).features[0]
        assert found.p_value < 0.01
        levels[shift] = found.level
    assert levels == {0.1: NONE, 0.7: MODERATE, 1.5: MAJOR}


@pytest.mark.parametrize("name", FEATURES)
def test_a_change_either_way_is_told_by_its_name(name: str) -> None:
    rng = np.random.default_rng(1)
    known = Reference.build(invented(5000, rng), {ALL: np.ones(5000, np.bool_)})
    directions = set()
    for sign in (-1, 1):
        values = invented(3000, rng)
        column = FEATURES.index(name)
        values[:, column] += sign * (1.5 * values[:, column].std() + 0.01)
        found = moved(compare(known, Counts.of_values(known.edges, values)))
        assert set(found) <= {name}
        directions |= set(found.values())
    # Nearly no text has hidden characters, so that there is nothing to fall.
    assert len(directions) == (1 if name == "obfuscation" else 2)


class TestTwoSamples:
    """The figures behind a level."""

    def test_p_values_are_those_of_fisher(self) -> None:
        from scipy.stats import fisher_exact

        p = fisher_p_values(np.array([30, 5, 2]), np.array([10, 8, 9]))
        for edge, value in enumerate(p, 1):
            beyond = [[sum(x[edge:]), sum(x[:edge])] for x in ([10, 8, 9], [30, 5, 2])]
            one_sided = [fisher_exact(beyond, side).pvalue for side in ("less", "greater")]
            assert value == pytest.approx(min(1, 2 * min(one_sided)))

    def test_the_index_of_a_shift_by_hand(self) -> None:
        counts, shares = np.array([2_000_000, 8_000_000]), np.array([0.5, 0.5])
        by_hand = (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.8 - 0.5) * np.log(0.8 / 0.5)
        assert stability_index(shares, 10**7, counts) == pytest.approx(by_hand, abs=1e-5)

    def test_chance_is_taken_off_the_index(self) -> None:
        rng = np.random.default_rng(3)
        shares = np.full(10, 0.1)
        found = [stability_index(shares, 10**9, rng.multinomial(100, shares)) for _ in range(500)]
        assert np.mean(found) < 0.03
        assert np.quantile(found, 0.4) == 0.0

    @given(st.lists(st.integers(0, 30), min_size=2, max_size=6), st.data())
    def test_any_counts_have_an_index_and_p_values(
        self, first: list[int], data: st.DataObject
    ) -> None:
        second = data.draw(st.lists(st.integers(0, 30), min_size=len(first), max_size=len(first)))
        p = fisher_p_values(np.array(first), np.array(second))
        assert p.shape == (len(first) - 1,)
        assert np.all((p >= 0) & (p <= 1))
        shares = np.array(first) / max(1, sum(first))
        assert 0.0 <= stability_index(shares, sum(first), np.array(second)) < np.inf


class TestUnknown:
    """How much of a text is unknown, as a new text would have it."""

    def test_a_fold_is_held_against_the_others(self) -> None:
        texts = ["red blue", "red green", "red red yellow", "blue", ""]
        shares = unknown_shares(
            PackedTexts.pack(texts),
            TrainConfig(word_ngrams=(1, 1), min_df=1),
            folds=np.array([0, 0, 1, 1, 1]),
            n_jobs=1,
        )
        np.testing.assert_allclose(shares, [0.0, 1 / 2, 1 / 3, 0.0, 0.0])

    def test_so_many_other_texts_must_have_it_as_the_model_asks_for(self) -> None:
        shares = unknown_shares(
            PackedTexts.pack(["red blue"] * 3 + ["red"]),
            TrainConfig(word_ngrams=(1, 1), min_df=3),
            folds=np.array([0, 1, 2, 3]),
            n_jobs=2,
        )
        np.testing.assert_allclose(shares, [0.5, 0.5, 0.5, 0.0])

    @pytest.mark.parametrize(
        "config",
        [TrainConfig(model="heuristic"), TrainConfig(word_ngrams=(0, 0), char_ngrams=(3, 5))],
    )
    def test_a_model_without_words_knows_all(self, config: TrainConfig) -> None:
        texts = PackedTexts.pack(["red", "blue"])
        assert not unknown_shares(texts, config, folds=np.array([0, 1]), n_jobs=1).any()


class TestReference:
    """What training keeps."""

    def test_the_manifest_holds_it(self, reference: Reference, predictor: Predictor) -> None:
        again = Reference.from_dict(json.loads(json.dumps(reference.to_dict())))
        assert again.to_dict() == reference.to_dict() == predictor.manifest["drift"]
        assert {name: counts.n for name, counts in reference.groups.items()} == {
            "human": 200,
            "llm": 200,
        }

    def test_bins_hold_about_equally_many(self, reference: Reference) -> None:
        for name in ("score", "unknown", "language"):
            both = np.sum([counts.bins[name] for counts in reference.groups.values()], axis=0)
            assert len(both) == 10
            np.testing.assert_allclose(both, 40, atol=8)

    def test_a_share_of_llm_texts_may_be_expected(self, reference: Reference) -> None:
        n, shares = reference.expected(0.25)
        human, llm = (reference.groups[name].bins["score"] / 200 for name in ("human", "llm"))
        np.testing.assert_allclose(shares["score"], 0.75 * human + 0.25 * llm)
        assert n == 266  # 200 human ones are three quarters of it

    def test_an_older_model_has_none(self) -> None:
        with pytest.raises(
            ArtifactError, match=r"keeps no reference to tell drift by.*train again"
        ):
            Reference.of_model({"task": {}})

    @pytest.mark.parametrize(
        "spoilt",
        [
            {},
            [],
            {"edges": {}, "counts": {}},
            {"edges": {name: [0.0] for name in FEATURES}, "counts": {}},
            {"edges": {name: [0.0] for name in FEATURES}, "counts": {ALL: {}}},
            {
                "edges": {name: [0.0] for name in FEATURES},
                "counts": {ALL: {name: [1, 2, 3] for name in FEATURES}},
            },
            {
                "edges": {name: [0.0] for name in FEATURES},
                "counts": {ALL: {name: [1, i] for i, name in enumerate(FEATURES)}},
            },
        ],
    )
    def test_a_spoilt_one_is_refused(self, spoilt: object) -> None:
        with pytest.raises(ArtifactError, match=r"not understood.*train again"):
            Reference.of_model({"drift": spoilt})

    def test_other_tasks_have_one_too(self, tmp_path: Path) -> None:
        lines = [
            "text,label",
            *(f"{kind} number {i} of all,{kind}" for i in range(40) for kind in "abc"),
        ]
        (tmp_path / "rows.csv").write_text("\n".join(lines))
        model = My_TextClassifier_Model(
            model_dir=str(tmp_path / "model"), data_dir=str(tmp_path / "data")
        )
        model.train(dataset=str(tmp_path / "rows.csv"), tracking="none", n_bits=8)
        report = model.drift(dataset=str(tmp_path / "rows.csv"))
        assert report.reference == "training texts"
        assert report.n_reference == report.n == 120
        with pytest.raises(UsageError, match="tells llm from human"):
            model.drift(dataset=str(tmp_path / "rows.csv"), prior=0.1)


class TestCounts:
    """What is kept at work."""

    def test_parts_add_up(
        self, reference: Reference, predictor: Predictor, new_texts: Mapping[str, list[str]]
    ) -> None:
        whole, *parts = (
            Counts.of(reference, predictor.predict(PackedTexts.pack(texts)))
            for texts in (new_texts["0"], new_texts["0"][:30], new_texts["0"][30:])
        )
        added = sum(parts, Counts.none(reference))
        assert added.n == whole.n == 100
        for name in FEATURES:
            np.testing.assert_array_equal(added.bins[name], whole.bins[name])

    @pytest.mark.parametrize("sizes", [[1] * 500, [30] * 20, [7, 250, 3], [1000]])
    def test_a_window_holds_the_last_texts_and_few_more(
        self, sizes: list[int], reference: Reference
    ) -> None:
        window = DriftWindow(reference, size=100)
        for i, size in enumerate(sizes):
            window.add(predictions_on(size, words=10 + i))
            assert window.counts().n <= max(110, 100 + max(sizes))
        assert window.counts().n >= min(100, sum(sizes))
        assert window.report() == compare(reference, window.counts())

    def test_what_was_long_ago_is_forgotten(self, reference: Reference) -> None:
        window = DriftWindow(reference, size=100)
        window.add(predictions_on(90, words=10))
        for _ in range(300):
            window.add(predictions_on(1, words=1000))
        assert window.counts().bins["length"][0] == 0

    def test_nothing_is_no_drift(self, reference: Reference) -> None:
        report = DriftWindow(reference).report()
        assert (report.level, report.n) == (NONE, 0)
        json.dumps(report.to_dict(), allow_nan=False)


def predictions_on(n: int, *, words: int) -> Predictions:
    of = np.full(n, words, np.int32)
    return Predictions(
        scores=np.zeros((n, 1)),
        probability=np.full((n, 2), 0.5),
        words=of,
        function_words=of // 3,
        obfuscation=0 * of,
        p_value=np.ones(n),
        unknown=np.zeros(n),
    )


@pytest.fixture(scope="module")
def report(
    report_on: Callable[[list[str]], DriftReport], new_texts: Mapping[str, list[str]]
) -> DriftReport:
    return report_on([shortened(text) for text in new_texts["0"]])


class TestReport:
    """What is said, and to whom."""

    def test_as_text_it_says_what_moved_and_how_far(self, report: DriftReport) -> None:
        shown = str(report)
        assert shown.startswith("Major drift from the human training texts: ")
        assert re.search(
            r"^shorter texts: \d+\.\d % of texts have over \d+ words, of the reference \d+\.\d %$",
            shown,
            re.MULTILINE,
        )
        for feature in report.features:
            assert feature.words.title in shown

    def test_as_a_dictionary_it_is_plain(self, report: DriftReport) -> None:
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert found["level"] in LEVELS
        assert [feature["name"] for feature in found["features"]] == list(FEATURES)
        for feature in found["features"]:
            assert (
                len(feature["reference"]) == len(feature["observed"]) == len(feature["edges"]) + 1
            )
            assert sum(feature["reference"]) == pytest.approx(1)
            assert sum(feature["observed"]) == pytest.approx(1)

    def test_the_page_needs_nothing_and_shows_every_feature(self, report: DriftReport) -> None:
        page = drift_html.render(report, model="<model>", dataset="a & b.csv", date="2026-01-01")
        assert "default-src 'none'" in page
        assert not re.search(r"<script|https?:|\bsrc=|\bstyle=", page)
        assert page.count('<svg role="img"') == len(FEATURES)
        assert "&lt;model&gt;" in page
        assert "a &amp; b.csv" in page

    def test_the_command_says_it_and_writes_the_page(self, trained: Path, tmp_path: Path) -> None:
        model = My_TextClassifier_Model(data_dir=str(trained / "data"))
        page = tmp_path / "new" / "drift.html"
        report = model.drift(dataset=str(SAMPLE / "test.csv"), html=str(page))
        assert report.level == MAJOR
        assert report.n == 200
        assert report.summary in page.read_text("utf-8")
        assert model.drift(dataset=str(SAMPLE / "test.csv"), prior=0.5).level == NONE

    def test_texts_may_be_compared_with_others_than_those_of_training(self, trained: Path) -> None:
        model = My_TextClassifier_Model(data_dir=str(trained / "data"))
        same, other = SAMPLE / "test.csv", SAMPLE / "train.csv"
        report = model.drift(dataset=str(same), reference=str(same))
        assert report.summary == "No drift: the 200 texts are like the texts of test.csv."
        assert report.n_reference == 200
        assert model.drift(dataset=str(same), reference=str(other)).level == MAJOR
        with pytest.raises(UsageError, match="tells llm from human"):
            model.drift(dataset=str(same), reference=str(same), prior=0.1)

    def test_rows_that_cannot_be_scored_are_left_out_and_told(
        self, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = SAMPLE.joinpath("test.csv").read_text("utf-8")
        (tmp_path / "rows.csv").write_text(rows + 'bad,"",0,x\n', "utf-8")
        model = My_TextClassifier_Model(data_dir=str(trained / "data"))
        assert model.drift(dataset=str(tmp_path / "rows.csv")).n == 200
        assert "rows left out" in caplog.text

    def test_a_reference_takes_enough_texts(self, trained: Path, tmp_path: Path) -> None:
        (tmp_path / "few.csv").write_text("text\n" + "A few words.\n" * (MIN_TEXTS - 1))
        with pytest.raises(DataError, match=r"texts of few.csv are 49 .* takes 50"):
            My_TextClassifier_Model(data_dir=str(trained / "data")).drift(
                dataset=str(SAMPLE / "test.csv"), reference=str(tmp_path / "few.csv")
            )

    @pytest.mark.parametrize("prior", [-0.1, 1.1, float("nan")])
    def test_a_prior_is_a_share(self, prior: float, trained: Path) -> None:
        with pytest.raises(UsageError, match="is not a share"):
            My_TextClassifier_Model(data_dir=str(trained / "data")).drift(
                dataset="absent.csv", prior=prior
            )
