"""Profiles of one place: kept whole or refused, of one model only, and the promise for that place."""

import csv
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_detect import My_TextClassifier_Model, site_profiles
from ai_detect.errors import ArtifactError, DataError, UsageError
from ai_detect.profiles import Curve
from ai_detect.site_profiles import SiteProfile

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
TRAIN, TEST = str(SAMPLE / "train.csv"), str(SAMPLE / "test.csv")
MODEL = "a" * 64
DAMAGED = r"The profile .*school\.json is damaged: make it again with `python model.py calibrate`"
Rows = list[dict[str, str]]


def make(scores: Any, words: Any = None, name: str = "school", **changed: str) -> SiteProfile:
    scores = np.asarray(scores, np.float64)
    words = np.arange(50, 50 + len(scores)) if words is None else np.asarray(words)
    about = {"model": MODEL, "dataset": "archive.csv", "created": "2026-01-02"} | changed
    return site_profiles.make(name, scores, words.astype(np.int32), **about)


def drawn(n: int, seed: int = 0) -> SiteProfile:
    rng = np.random.default_rng(seed)
    return make(rng.normal(size=n), rng.integers(50, 900, n))


def test_a_profile_is_one_population_of_any_length() -> None:
    scores = np.random.default_rng(0).permutation(40).astype(float)
    site = make(scores)
    assert site.scores == tuple(range(40))
    profile = site.profile()
    assert (profile.name, profile.n_texts, profile.min_words) == ("school", 40, (0,))
    assert profile.population == "human texts like the 40 of archive.csv"
    at = np.linspace(-1, 41, 100)
    for n_words in (0, 50, 5000):
        found = profile.p_values(at, np.full(100, n_words))
        np.testing.assert_array_equal(found, Curve.of(scores)(at))


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    site = replace(drawn(200), dataset='l\u00e4rare \u2603 "x".csv')
    path = site_profiles.save(tmp_path, site)
    assert path == tmp_path / "profiles" / "school.json"
    assert site_profiles.load(tmp_path, "school", model=MODEL) == site
    assert [one.name for one in path.parent.iterdir()] == ["school.json"]
    assert set(json.loads(path.read_text("ascii"))) == {
        "format", "format_version", "name", "model", "created", "dataset", "scores", "word_bins",
        "sha256",
    }  # fmt: skip
    site_profiles.save(tmp_path, replace(site, created="2026-01-03"))
    assert site_profiles.load(tmp_path, "school", model=MODEL).created == "2026-01-03"


def test_a_file_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    path = site_profiles.save(tmp_path, drawn(19))
    whole = path.read_bytes()
    for position, byte in enumerate(whole):
        before, after = whole[:position], whole[position + 1 :]
        others = [bytes([byte ^ flipped]) for flipped in (1, 0x2A, 0x80)]
        ways = [*(before + other + after for other in others), before, before + after]
        path.write_bytes(ways[position % len(ways)])
        with pytest.raises(ArtifactError, match=DAMAGED):
            site_profiles.load(tmp_path, "school", model=MODEL)
    path.write_bytes(whole)
    site_profiles.load(tmp_path, "school", model=MODEL)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{}", '{"sha256": ""}', "[" * 100_000, "1" * 5000, "\u00e9", "NaN"],
)
def test_what_is_no_profile_is_refused(content: str, tmp_path: Path) -> None:
    path = site_profiles.save(tmp_path, drawn(19))
    path.write_text(content, "utf-8")
    with pytest.raises(ArtifactError, match=DAMAGED):
        site_profiles.load(tmp_path, "school", model=MODEL)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactError, match=DAMAGED):
        site_profiles.load(tmp_path, "school", model=MODEL)


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(site_profiles, "_FORMAT_VERSION", 2)
        site_profiles.save(tmp_path, drawn(19))
    with pytest.raises(ArtifactError, match=DAMAGED):
        site_profiles.load(tmp_path, "school", model=MODEL)


def test_it_belongs_to_one_model(tmp_path: Path) -> None:
    site_profiles.save(tmp_path, drawn(19))
    with pytest.raises(
        ArtifactError,
        match=r"The profile school is stale: it was made with another model than the one in .*\. Make it again from "
        r"the same texts with `python model.py calibrate --dataset=PATH --profile=school`\.",
    ):
        site_profiles.load(tmp_path, "school", model="b" * 64)


def test_one_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    site_profiles.save(tmp_path, drawn(19))
    with pytest.raises(UsageError, match=r"no profile academy; there are general, essay, school\."):
        site_profiles.load(tmp_path, "academy", model=MODEL)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "comes with the model") for name in ("general", "essay")),
        *(
            (name, "is no name: give up to 64 letters")
            for name in (
                "", ".", "..", "../school", "a/b", "/etc/passwd", "a\\b", ".hidden", "-x", "_x", "a b",
                "school.json", "schule\u00e4", "a\n", "a\x00", "~", "$HOME", "x" * 65, "../" * 100,
            )
        ),
    ],
)  # fmt: skip
def test_names_that_leave_the_folder_or_are_taken_are_refused(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        site_profiles.save(tmp_path / "model", replace(drawn(19), name=name))
    with pytest.raises(UsageError, match=message) as refused:
        site_profiles.load(tmp_path / "model", name, model=MODEL)
    assert len(str(refused.value)) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "9", "School-2_b", "x" * 64])
def test_plain_names_are_taken(name: str, tmp_path: Path) -> None:
    site = replace(drawn(19), name=name)
    site_profiles.save(tmp_path, site)
    assert site_profiles.load(tmp_path, name, model=MODEL) == site
    assert site_profiles.names(tmp_path) == [name]


def test_names_are_those_of_profiles(tmp_path: Path) -> None:
    assert site_profiles.names(tmp_path) == []
    for name in ("b", "a"):
        site_profiles.save(tmp_path, replace(drawn(19), name=name))
    for stray in (".b.json.tmp", "notes.txt", "c d.json"):
        (tmp_path / "profiles" / stray).touch()
    assert site_profiles.names(tmp_path) == ["a", "b"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "profiles").touch()
    with pytest.raises(ArtifactError, match=r"cannot be written to .*school\.json .*a folder that"):
        site_profiles.save(tmp_path, drawn(19))
    (tmp_path / "profiles").unlink()
    (tmp_path / "profiles" / "school.json").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="cannot be written"):
        site_profiles.save(tmp_path, drawn(19))
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["school.json"]


def test_too_few_texts_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_profiles, "MAX_TEXTS", 30)
    for n in (0, 1, 18, 31):
        with pytest.raises(DataError, match=f"archive.csv has {n} texts that can be scored"):
            drawn(n)
    drawn(30)
    assert drawn(19).profile().floor == 0.05


@pytest.mark.parametrize(("shift", "warned"), [(0.0, False), (2.0, True)])
def test_halves_that_are_unlike_are_a_warning(
    shift: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    scores = np.random.default_rng(0).normal(size=200) + np.repeat([0.0, shift], 100)
    make(scores)
    assert ("archive.csv: the first and the second half" in caplog.text) is warned
    # In a random order nothing is to be seen.
    caplog.clear()
    make(np.random.default_rng(1).permutation(scores))
    assert not caplog.records


def test_drift_is_zero_for_the_same_lengths_and_grows_with_the_difference() -> None:
    words = np.random.default_rng(0).permutation(np.arange(50, 1050))
    site = make(np.zeros(1000), words)
    counts = site.count(words.astype(np.int32))
    assert counts.shape == (10,)
    assert counts.tolist() == [100] * 10
    assert site.drift(counts) == pytest.approx(0, abs=1e-9)
    drifts = [site.drift(site.count((words + more).astype(np.int32))) for more in (50, 200, 800)]
    assert drifts == sorted(drifts)
    assert 0 < drifts[0] < 0.25 < drifts[1]
    assert not site.has_drifted(counts)
    longer = site.count((words + 800).astype(np.int32))
    assert site.has_drifted(longer)
    # A few texts may well be of one length.
    assert not site.has_drifted(site.count(np.full(49, 2000, np.int32)))
    assert site.has_drifted(site.count(np.full(50, 2000, np.int32)))
    assert not site.has_drifted(np.zeros(10, np.int64))


def classifier(folder: Path) -> My_TextClassifier_Model:
    return My_TextClassifier_Model(model_dir=str(folder / "model"), data_dir=str(folder / "data"))


def read_csv(path: Path | str) -> Rows:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: Rows) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def texts_of(label: str, path: str = TRAIN) -> Rows:
    """Rows of one class without their labels."""
    return [
        {"id": row["id"], "text": row["text"]}
        for row in read_csv(path)
        if row["generated"] == label
    ]


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A folder with the detector of the sample, and a file of human texts, to write to."""
    shutil.copytree(trained / "data" / "model", tmp_path / "data" / "model")
    write_csv(tmp_path / "people.csv", texts_of("0"))
    return tmp_path


def predicted(folder: Path, dataset: str, **options: Any) -> Rows:
    classifier(folder).predict(dataset=dataset, details=True, **options)
    return read_csv(folder / "data" / "results.csv")


class TestCommands:
    def test_calibrate_makes_a_profile_that_predict_uses(self, place: Path) -> None:
        report = classifier(place).calibrate(dataset=str(place / "people.csv"), profile="school")
        assert report.to_dict() == {
            "profile": "school",
            "file": str(place / "data" / "model" / "profiles" / "school.json"),
            "n_texts": 200,
            "n_left_out": 0,
            "n_copies": 0,
            "smallest_fpr": 1 / 201,
            "flagged": report.flagged,
        }
        content = Path(report.file).read_text("ascii")
        site = site_profiles.load(
            place / "data" / "model", "school", model=json.loads(content)["model"]
        )
        general, own = predicted(place, TEST), predicted(place, TEST, profile="school")
        assert [row["generated"] for row in general] == [row["generated"] for row in own]
        scores = np.array([float(row["generated"]) for row in own])
        scores = np.log(scores / (1 - scores))
        words = np.array([int(row["words"]) for row in own])
        expected = site.profile().p_values(scores, words)
        np.testing.assert_allclose([float(row["p_value"]) for row in own], expected, atol=0.011)
        assert [row["p_value"] for row in general] != [row["p_value"] for row in own]
        assert max(len(word) for word in content.replace('"', " ").split()) <= 64  # no text in it
        assert texts_of("0")[0]["text"][:30] not in content

    def test_texts_that_get_no_verdict_are_left_out(self, place: Path) -> None:
        rows = texts_of("0")[:30]
        rows += [{"id": "x", "text": ""}, {"id": "y", "text": "Too short to tell."}]
        report = classifier(place).calibrate(
            dataset=write_csv(place / "some.csv", rows), profile="school"
        )
        assert (report.n_texts, report.n_left_out) == (30, 2)
        with pytest.raises(DataError, match=r"few\.csv has 18 texts that can be scored"):
            classifier(place).calibrate(
                dataset=write_csv(place / "few.csv", rows[12:]), profile="few"
            )
        assert list(classifier(place).info().site_profiles) == ["school"]

    def test_the_promise_holds_for_the_other_half_of_the_texts(self, place: Path) -> None:
        rng = np.random.default_rng(0)
        rows = np.array(texts_of("0", TRAIN) + texts_of("0", TEST), object)
        called = []
        for _ in range(5):
            rows = rng.permutation(rows)
            people = write_csv(place / "half.csv", list(rows[:150]))
            classifier(place).calibrate(dataset=people, profile="half")
            report = classifier(place).predict(
                dataset=write_csv(place / "rest.csv", list(rows[150:])), profile="half", fpr=0.1
            )
            called.append(report.counts.get("llm", 0) / 150)
        assert np.mean(called) <= 0.1 + 4 * np.sqrt(0.1 * 0.9 * (2 / 150) / 5)

    def test_retraining_makes_it_stale_and_calibrating_revives_it(self, tmp_path: Path) -> None:
        model, people = classifier(tmp_path), write_csv(tmp_path / "people.csv", texts_of("0"))
        quick: dict[str, Any] = {"dataset": TRAIN, "tracking": "none", "n_bits": 10, "n_folds": 2}
        model.train(**quick)
        file = Path(model.calibrate(dataset=people, profile="school").file)
        first = file.read_bytes()
        assert model.info().site_profiles["school"].startswith("200 human texts of people.csv, ")

        model.train(**quick)  # the same model again
        assert file.read_bytes() == first
        before = predicted(tmp_path, TEST, profile="school")

        model.train(**quick, seed=1)
        assert file.read_bytes() == first
        assert "is stale" in model.info().site_profiles["school"]
        assert "site profile school: The profile school is stale" in str(model.info())
        for refused in (
            lambda: model.predict(dataset=TEST, profile="school"),
            lambda: model.evaluate(dataset=TEST, profile="school"),
            lambda: model.explain(text="Some words.", profile="school"),
        ):
            with pytest.raises(ArtifactError, match=r"stale.*calibrate --dataset=PATH --profile="):
                refused()
        assert predicted(tmp_path, TEST)

        model.calibrate(dataset=people, profile="school")
        assert file.read_bytes() != first
        assert model.info().site_profiles["school"].startswith("200 human texts of people.csv, ")
        after = predicted(tmp_path, TEST, profile="school")
        assert [row["id"] for row in after] == [row["id"] for row in before]

    def test_a_damaged_one_stops_no_other_work(self, place: Path) -> None:
        model = classifier(place)
        file = Path(model.calibrate(dataset=str(place / "people.csv"), profile="school").file)
        file.write_bytes(file.read_bytes()[:-1])
        assert "is damaged" in model.info().site_profiles["school"]
        assert predicted(place, TEST)
        with pytest.raises(ArtifactError, match=DAMAGED):
            model.predict(dataset=TEST, profile="school")

    @pytest.mark.parametrize(("label", "warned"), [("0", False), ("1", True)])
    def test_llm_texts_among_them_are_a_warning(
        self, label: str, warned: bool, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        report = classifier(place).calibrate(
            dataset=write_csv(place / "texts.csv", texts_of(label)), profile="school"
        )
        assert (report.flagged > 0.1) is warned
        assert ("make sure that all are human" in caplog.text) is warned

    def test_texts_of_other_lengths_are_a_warning(
        self, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = texts_of("0")
        classifier(place).calibrate(dataset=str(place / "people.csv"), profile="school")
        longer = [row | {"text": f"{row['text']}\n" * 4} for row in rows]
        # Texts that get no verdict say nothing of the promise.
        short = [row | {"text": "" if i % 2 else "Too short."} for i, row in enumerate(rows)]
        for name, some, warned in (
            ("alike", rows, False),
            ("short", rows + short, False),
            ("few", longer[:49], False),
            ("longer", longer, True),
        ):
            caplog.clear()
            dataset = write_csv(place / f"{name}.csv", some)
            with caplog.at_level(logging.WARNING):
                classifier(place).predict(dataset=dataset, profile="school")
            assert ("other lengths than those behind the profile school" in caplog.text) is warned
        caplog.clear()
        classifier(place).predict(dataset=str(place / "longer.csv"))
        assert "other lengths" not in caplog.text

    @pytest.mark.parametrize("command", ["predict", "evaluate", "explain"])
    def test_a_profile_that_is_not_there(self, command: str, place: Path) -> None:
        run = getattr(classifier(place), command)
        with pytest.raises(
            UsageError, match=r"no profile academy; there are .*calibrate --dataset"
        ):
            run(dataset=TEST, profile="academy")
        with pytest.raises(UsageError, match="This model has no profile essay; it has general"):
            run(dataset=TEST, profile="essay")
        with pytest.raises(UsageError, match="is no name"):
            run(dataset=TEST, profile="../model")

    def test_explain_and_evaluate_use_it_too(self, place: Path) -> None:
        model = classifier(place)
        model.calibrate(dataset=str(place / "people.csv"), profile="school")
        text = read_csv(TEST)[0]["text"]
        row = predicted(place, TEST, profile="school")[0]
        explanation = model.explain(text=text, profile="school")
        assert explanation.p_value == float(row["p_value"])
        assert "human texts like the 200 of people.csv" in explanation.promise
        own = model.evaluate(dataset=TEST, profile="school").overall.rates
        called = [
            row["p_value"]
            for row, known in zip(
                predicted(place, TEST, profile="school"), read_csv(TEST), strict=True
            )
            if known["generated"] == "0"
        ]
        assert own[0].achieved_fpr.value == np.mean([float(p) <= 0.05 for p in called])

    def test_other_classes_have_no_profiles(self, tmp_path: Path) -> None:
        rows = [
            {"text": f"{name} number {i} is here", "label": name}
            for i in range(20)
            for name in ("cats", "dogs", "owls")
        ]
        dataset = write_csv(tmp_path / "animals.csv", rows)
        model = classifier(tmp_path)
        model.train(dataset=dataset, tracking="none", n_bits=8, n_folds=2)
        for refused in (
            lambda: model.calibrate(dataset=dataset, profile="school"),
            lambda: model.predict(dataset=dataset, profile="school"),
            lambda: model.evaluate(dataset=dataset, profile="essay"),
        ):
            with pytest.raises(UsageError, match="Profiles are for human/llm models; this one"):
                refused()
        assert model.info().site_profiles == {}
        assert not (tmp_path / "data" / "model" / "profiles").exists()
