"""My_TextClassifier_Model from end to end on the sample: what each command reads, writes and answers."""

import csv
import gzip
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from ai_detect import My_TextClassifier_Model, artifacts
from ai_detect.errors import ArtifactError, DataError, UsageError

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
TRAIN, TEST = str(SAMPLE / "train.csv"), str(SAMPLE / "test.csv")
QUICK: dict[str, Any] = {"tracking": "none", "n_bits": 12, "n_folds": 2}
Rows = list[dict[str, str]]

INTENTS = {
    "card": "my {} card was stolen|where is the {} card you sent|the machine took my {} card",
    "refund": "please refund the {} fee|when will the {} refund come|i want money back for the {} order",
    "transfer": "my {} transfer is late|how long does a {} transfer take|cancel the {} transfer",
}
KINDS = ("new", "last", "first", "big", "blue", "monthly")


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


def weights(folder: Path) -> bytes:
    (path,) = folder.glob("model/weights-*.npz")
    return path.read_bytes()


def visible_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A folder with the detector of the sample, to write to."""
    shutil.copytree(trained / "data" / "model", tmp_path / "data" / "model")
    return tmp_path


@pytest.fixture(scope="module")
def intents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of three classes, and its data. Not to be changed."""
    folder = tmp_path_factory.mktemp("intents")
    rows = [
        {"text": sentence.format(kind), "label": label}
        for label, sentences in INTENTS.items()
        for sentence in sentences.split("|")
        for kind in KINDS
    ]
    write_csv(folder / "intents.csv", rows)
    classifier(folder).train(dataset=str(folder / "intents.csv"), **QUICK)
    return folder


@pytest.fixture
def intents_place(intents: Path, tmp_path: Path) -> Path:
    shutil.copytree(intents, tmp_path, dirs_exist_ok=True)
    return tmp_path


class TestTrain:
    def test_the_model_stands_in_both_places_byte_for_byte(self, trained: Path) -> None:
        made = visible_files(trained / "model")
        assert made == visible_files(trained / "data" / "model")
        assert {name.partition("-")[0] for name in made} == {
            "manifest.json",
            "model_card.md",
            "weights",
        }

    def test_reports_figures_that_a_sample_can_give(self, tmp_path: Path) -> None:
        report = classifier(tmp_path).train(dataset=TRAIN, **QUICK)
        assert report.n_texts == 400
        assert 0.85 < report.evaluation.numbers()["roc_auc"] < 0.995
        assert json.loads(json.dumps(report.to_dict()))["out_of_fold"]["n_positive"] == 200
        assert str(tmp_path / "data" / "model") in str(report)
        plots = tmp_path / "data" / "reports" / "train"
        assert {path.name for path in plots.iterdir()} == {
            "roc.png",
            "calibration.png",
            "scores.png",
        }

    def test_one_seed_gives_one_model(self, tmp_path: Path) -> None:
        for name, seed, n_jobs in [("a", 7, 1), ("b", 7, 2), ("c", 8, 1)]:
            classifier(tmp_path / name).train(dataset=TRAIN, seed=seed, n_jobs=n_jobs, **QUICK)
        a, b, c = (weights(tmp_path / name) for name in "abc")
        assert a == b
        assert a != c

    def test_the_model_card_says_what_was_done(self, trained: Path) -> None:
        card = (trained / "model" / "model_card.md").read_text("utf-8")
        assert "400 texts" in card
        assert "never proof" in card

    @pytest.mark.parametrize(
        ("config", "flags", "expected"),
        [
            ("n_bits = 10\nseed = 3\n", {}, (10, 3)),
            ("n_bits = 10\nseed = 3\n", {"n_bits": 9}, (9, 3)),
            ("n_bits = 10\n", {"seed": 0}, (10, 0)),
        ],
    )
    def test_an_option_wins_over_the_file_and_the_file_over_the_default(
        self, config: str, flags: dict[str, int], expected: tuple[int, int], tmp_path: Path
    ) -> None:
        settings = tmp_path / "settings.toml"
        settings.write_text(config + "n_folds = 2\n")
        classifier(tmp_path).train(dataset=TRAIN, tracking="none", config=str(settings), **flags)
        made = classifier(tmp_path).info().to_dict()["config"]
        assert (made["n_bits"], made["seed"], made["n_folds"]) == (*expected, 2)

    def test_without_tracking_nothing_but_model_and_data_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        My_TextClassifier_Model().train(dataset=TRAIN, **QUICK)
        assert {path.name for path in tmp_path.iterdir()} == {"model", "data"}
        assert {path.name for path in (tmp_path / "data").iterdir()} == {"model", "reports"}

    def test_a_failure_leaves_the_model_that_was_there(self, place: Path) -> None:
        before = visible_files(place / "data" / "model")
        one_class = write_csv(
            place / "one.csv", [row | {"generated": "1"} for row in read_csv(TEST)]
        )
        with pytest.raises(DataError, match="one class"):
            classifier(place).train(dataset=one_class, **QUICK)
        assert visible_files(place / "data" / "model") == before

    def test_a_wrong_number_of_threads_is_refused_before_the_data_is_read(
        self, tmp_path: Path
    ) -> None:
        for command in ("train", "predict", "evaluate"):
            with pytest.raises(UsageError, match="negative"):
                getattr(classifier(tmp_path), command)(dataset="absent.csv", n_jobs=-1)
        assert not list(tmp_path.iterdir())

    def test_without_words_letters_are_counted(self, tmp_path: Path) -> None:
        classifier(tmp_path).train(dataset=TRAIN, word_ngrams=(0, 0), **QUICK)
        assert classifier(tmp_path).info().to_dict()["config"]["char_ngrams"] == [3, 5]

    def test_a_new_model_takes_the_place_of_the_old_one(self, place: Path) -> None:
        classifier(place).train(dataset=TRAIN, **QUICK)
        assert visible_files(place / "data" / "model") == visible_files(place / "model")
        assert classifier(place).info().to_dict()["config"]["n_bits"] == 12


class TestPredict:
    def test_the_results_are_a_valid_submission(self, place: Path) -> None:
        report = classifier(place).predict(dataset=TEST)
        rows = read_csv(place / "data" / "results.csv")
        assert (place / "data" / "results.csv").read_bytes().startswith(b"id,generated\ntest-000,")
        assert [row["id"] for row in rows] == [row["id"] for row in read_csv(TEST)]
        assert all(0 <= float(row["generated"]) <= 1 for row in rows)
        assert {path.name for path in (place / "data").iterdir()} == {"model", "results.csv"}
        assert report.n_rows == sum(report.counts.values()) == 200
        assert report.n_bad == 0
        assert "200 rows" in str(report)

    def test_it_tells_the_classes_of_the_sample_apart(self, place: Path) -> None:
        classifier(place).predict(dataset=TEST)
        scored = zip(read_csv(TEST), read_csv(place / "data" / "results.csv"), strict=True)
        ranked = sorted((float(row["generated"]), truth["generated"]) for truth, row in scored)
        top = Counter(label for _, label in ranked[-50:])
        assert top["1"] > 45

    def test_details_say_why(self, place: Path) -> None:
        rows = [
            {"id": "short", "text": "Too little to tell."},
            {"id": "blank", "text": " "},
            {"id": "odd", "text": "w\u200bo\u200brds and words, " * 30},
            *({key: row[key] for key in ("id", "text")} for row in read_csv(TEST)),
        ]
        report = classifier(place).predict(
            dataset=write_csv(place / "rows.csv", rows), details=True
        )
        short, blank, odd, *others = read_csv(place / "data" / "results.csv")
        assert list(short) == [
            "id",
            "generated",
            "verdict",
            "words",
            "p_value",
            "obfuscation",
            "reason",
        ]
        assert (short["verdict"], short["words"]) == ("unsure", "4")
        assert short["reason"] == "under 50 words"
        assert (blank["generated"], blank["verdict"], blank["reason"]) == ("", "", "empty text")
        assert odd["obfuscation"] == "60"
        assert {row["verdict"] for row in others} == {"human", "llm", "unsure"}
        for row in others:
            assert (float(row["p_value"]) <= 0.01) == (row["verdict"] == "llm")
            assert (row["reason"] != "") == (row["verdict"] == "unsure")
        assert (report.n_bad, report.problems) == (1, {"empty text": 1})
        assert "202 of 203 rows" in str(report)
        assert "1 empty text" in str(report)

    def test_a_higher_rate_calls_no_fewer_texts_llm(self, place: Path) -> None:
        reports = [classifier(place).predict(dataset=TEST, fpr=fpr) for fpr in (0.01, 0.05, 0.5)]
        called = [report.counts["llm"] for report in reports]
        assert called == sorted(called)
        assert called[0] < called[-1]

    @pytest.mark.parametrize(
        ("fpr", "words"),
        [(0.001, "smallest rate they support is 0.004975"), (0.0, "rate"), (1, "rate")],
    )
    def test_a_rate_that_cannot_be_promised_is_refused(
        self, fpr: float, words: str, place: Path
    ) -> None:
        with pytest.raises(UsageError, match=words):
            classifier(place).predict(dataset=TEST, fpr=fpr)
        assert not (place / "data" / "results.csv").exists()

    def test_one_text_is_answered_and_not_written(self, place: Path) -> None:
        essay = read_csv(TEST)[0]
        report = classifier(place).predict(text=essay["text"])
        classifier(place).predict(dataset=TEST)
        written = read_csv(place / "data" / "results.csv")[0]
        assert report.probability == float(written["generated"])
        assert report.verdict in str(report)
        assert set(report.to_dict()) >= {"probability", "verdict", "p_value", "words", "reason"}

    @pytest.mark.parametrize("options", [{}, {"dataset": TEST, "text": "Both."}])
    def test_either_a_dataset_or_a_text(self, options: dict[str, str], place: Path) -> None:
        with pytest.raises(UsageError, match="either --dataset"):
            classifier(place).predict(**options)

    def test_any_output_file_and_stdout(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = place / "made" / "here" / "out.csv"
        report = classifier(place).predict(dataset=TEST, output=str(target))
        assert report.output == str(target)
        assert not (place / "data" / "results.csv").exists()
        assert classifier(place).predict(dataset=TEST, output="-") is None
        assert capsys.readouterr().out == target.read_text("utf-8")

    @pytest.mark.parametrize("n_jobs", [2, 5])
    def test_threads_change_nothing(self, n_jobs: int, place: Path) -> None:
        # Rows enough for several batches, so that threads have something to overtake.
        rows = [
            {"id": str(i), "text": f"Line {i}. " + "word, and " * (i % 97)} for i in range(20_000)
        ]
        dataset = write_csv(place / "many.csv", rows)
        report = classifier(place).predict(dataset=dataset, n_jobs=n_jobs, details=True)
        assert report.n_rows == len(rows)
        results = read_csv(place / "data" / "results.csv")
        assert [row["id"] for row in results] == [row["id"] for row in rows]
        expected = classifier(place).predict(
            dataset=dataset, n_jobs=1, details=True, output=str(place / "1")
        )
        assert expected.n_rows == report.n_rows
        assert (place / "1").read_bytes() == (place / "data" / "results.csv").read_bytes()

    @pytest.mark.parametrize(
        "name", ["a.csv.gz", "a.tsv", "a.jsonl", "a.jsonl.gz", "a.parquet", "folder"]
    )
    def test_the_same_rows_give_the_same_bytes_in_any_format(self, name: str, place: Path) -> None:
        classifier(place).predict(dataset=TEST)
        expected = (place / "data" / "results.csv").read_bytes()
        classifier(place).predict(dataset=str(write_as(place / name)))
        assert (place / "data" / "results.csv").read_bytes() == expected

    def test_a_bad_row_keeps_its_place_or_with_strict_is_refused(self, place: Path) -> None:
        dataset = write_csv(
            place / "rows.csv", [{"text": "Fine."}, {"text": ""}, {"text": "Fine too."}]
        )
        classifier(place).predict(dataset=dataset)
        rows = read_csv(place / "data" / "results.csv")
        assert [(row["id"], bool(row["generated"])) for row in rows] == [
            ("0", True),
            ("1", False),
            ("2", True),
        ]
        before = (place / "data" / "results.csv").read_bytes()
        with pytest.raises(DataError, match="row 1"):
            classifier(place).predict(dataset=dataset, strict=True)
        assert visible_files_but_model(place) == {"results.csv": before}

    def test_without_a_model_it_says_how_to_get_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(artifacts, "SHIPPED", tmp_path / "nothing")
        with pytest.raises(ArtifactError, match="train"):
            classifier(tmp_path).predict(dataset=TEST)

    def test_before_any_training_the_model_that_comes_along_is_used(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(trained / "data" / "model", tmp_path / "shipped")
        monkeypatch.setattr(artifacts, "SHIPPED", tmp_path / "shipped")
        before = visible_files(tmp_path / "shipped")
        model = classifier(tmp_path)
        assert "the model that comes with ai_detect" in str(model.predict(dataset=TEST))
        assert str(model.info()).startswith("the model that comes with ai_detect, made by")
        results = (tmp_path / "data" / "results.csv").read_bytes()
        assert results == self.results_of(trained, tmp_path / "other")

        # A site profile is written where this user may write, and goes with it.
        people = write_csv(
            tmp_path / "people.csv", [row for row in read_csv(TRAIN) if row["generated"] == "0"]
        )
        report = model.calibrate(dataset=people, profile="school")
        assert Path(report.file).parent == tmp_path / "data" / "model" / "profiles"
        assert model.predict(dataset=TEST, profile="school").n_rows == 200
        assert visible_files(tmp_path / "shipped") == before

        model.train(dataset=TRAIN, **QUICK)
        assert str(model.info()).startswith(f"the model in {tmp_path / 'data' / 'model'}, made by")
        assert "is stale" in model.info().site_profiles["school"]

    @staticmethod
    def results_of(trained: Path, folder: Path) -> bytes:
        """What a model in ./data/model/ writes."""
        shutil.copytree(trained / "data" / "model", folder / "data" / "model")
        classifier(folder).predict(dataset=TEST)
        return (folder / "data" / "results.csv").read_bytes()


def visible_files_but_model(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (place / "data").iterdir() if path.is_file()}


def write_as(path: Path) -> Path:
    """Write the rows of the test sample in the format that the name tells; a folder has two files."""
    rows = read_csv(TEST)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.name == "folder":
        path.mkdir()
        write_csv(path / "a.csv", rows[:120])
        write_csv(path / "b.csv", rows[120:])
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    elif path.name == "a.csv.gz":
        path.write_bytes(gzip.compress(Path(TEST).read_bytes()))
    elif path.name == "a.jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.suffix == ".tsv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(lines, "utf-8")
    return path


class TestEvaluate:
    def test_figures_plots_and_json(self, place: Path) -> None:
        evaluation = classifier(place).evaluate(dataset=TEST)
        figures = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
        assert 0.9 < figures["overall"]["roc_auc"]["value"] < 0.995
        assert figures["overall"]["n_negative"] == figures["overall"]["n_positive"] == 100
        assert len(figures["plots"]) == 3
        assert all(Path(plot).read_bytes().startswith(b"\x89PNG") for plot in figures["plots"])
        assert "ROC AUC" in str(evaluation)

    def test_broken_down_by_a_column(self, place: Path) -> None:
        evaluation = classifier(place).evaluate(dataset=TEST, by="prompt_id")
        sizes = {
            name: group.n_negative + group.n_positive for name, group in evaluation.groups.items()
        }
        assert sizes == Counter(row["prompt_id"] for row in read_csv(TEST))
        assert all(name in str(evaluation) for name in sizes)

    def test_a_folder_is_broken_down_by_file_unless_a_column_is_named(self, place: Path) -> None:
        folder = str(write_as(place / "folder"))
        assert set(classifier(place).evaluate(dataset=folder).groups) == {"a", "b"}
        prompts = {row["prompt_id"] for row in read_csv(TEST)}
        assert set(classifier(place).evaluate(dataset=folder, by="prompt_id").groups) == prompts

    def test_by_population_unless_a_column_is_named(self, place: Path) -> None:
        rows = [
            row | {"domain": "notes" if i % 3 else "letters"}
            for i, row in enumerate(read_csv(TEST))
        ]
        dataset = write_csv(place / "mixed.csv", rows)
        assert set(classifier(place).evaluate(dataset=dataset).groups) == {"notes", "letters"}
        (place / "parts").mkdir()
        for name in "ab":
            write_csv(place / "parts" / f"{name}.csv", rows)
        assert set(classifier(place).evaluate(dataset=str(place / "parts")).groups) == {
            "a, notes", "a, letters", "b, notes", "b, letters",
        }  # fmt: skip
        figures = classifier(place).evaluate(dataset=dataset).overall
        for rate in figures.rates:
            assert rate.achieved_fpr.low <= rate.achieved_fpr.value <= rate.achieved_fpr.high

    @pytest.mark.parametrize(
        "spelling", [("human", "ai"), ("False", "True"), ("student", "ChatGPT")]
    )
    def test_labels_may_be_spelt_otherwise_than_in_training(
        self, spelling: tuple[str, str], place: Path
    ) -> None:
        rows = [row | {"generated": spelling[int(row["generated"])]} for row in read_csv(TEST)]
        evaluation = classifier(place).evaluate(dataset=write_csv(place / "named.csv", rows))
        assert evaluation.overall == classifier(place).evaluate(dataset=TEST).overall

    def test_copies_count_and_bad_rows_do_not(self, place: Path) -> None:
        rows = read_csv(TEST)
        rows += [*rows[:10], rows[0] | {"text": ""}, rows[1] | {"generated": ""}]
        evaluation = classifier(place).evaluate(dataset=write_csv(place / "rows.csv", rows))
        assert evaluation.overall.n_negative + evaluation.overall.n_positive == 210
        assert evaluation.n_bad == 2

    def test_one_class_alone_gives_what_it_can(self, place: Path) -> None:
        rows = [row for row in read_csv(TEST) if row["generated"] == "0"]
        evaluation = classifier(place).evaluate(dataset=write_csv(place / "human.csv", rows))
        figures = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
        assert figures["overall"]["roc_auc"]["value"] is None
        assert figures["overall"]["rates"][0]["achieved_fpr"]["value"] < 0.2

    def test_unknown_labels_are_refused(self, place: Path) -> None:
        rows = [
            row | {"generated": "maybe" if i else "human"} for i, row in enumerate(read_csv(TEST))
        ]
        with pytest.raises(DataError, match=r"labels that the model does not know \('maybe'\)"):
            classifier(place).evaluate(dataset=write_csv(place / "maybe.csv", rows))


class TestOtherClasses:
    def test_results_name_the_class(self, intents_place: Path) -> None:
        report = classifier(intents_place).predict(dataset=str(intents_place / "intents.csv"))
        rows = read_csv(intents_place / "data" / "results.csv")
        truth = read_csv(intents_place / "intents.csv")
        assert list(rows[0]) == ["id", "label", "probability"]
        assert [row["id"] for row in rows] == [str(i) for i in range(len(truth))]
        assert all(1 / 3 <= float(row["probability"]) <= 1 for row in rows)
        right = [row["label"] == known["label"] for row, known in zip(rows, truth, strict=True)]
        assert sum(right) > 0.9 * len(right)
        assert set(report.counts) == set(INTENTS)

    def test_short_texts_get_n_grams_of_characters(self, intents: Path) -> None:
        settings = classifier(intents).info().to_dict()["config"]
        assert (settings["word_ngrams"], settings["char_ngrams"]) == ([1, 2], [3, 5])

    def test_one_text(self, intents_place: Path) -> None:
        report = classifier(intents_place).predict(text="they stole my card")
        assert (report.label, report.verdict, report.p_value) == ("card", "", None)
        assert str(report).startswith("card (probability ")

    def test_verdicts_are_for_detection(self, intents_place: Path) -> None:
        with pytest.raises(UsageError, match="human/llm models"):
            classifier(intents_place).predict(
                dataset=str(intents_place / "intents.csv"), details=True
            )
        assert not (intents_place / "data" / "results.csv").exists()

    def test_evaluation(self, intents_place: Path) -> None:
        rows = [
            row | {"half": str(i % 2)}
            for i, row in enumerate(read_csv(intents_place / "intents.csv"))
        ]
        dataset = write_csv(intents_place / "halves.csv", rows)
        evaluation = classifier(intents_place).evaluate(dataset=dataset, by="half")
        figures = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
        assert figures["overall"]["accuracy"] > 0.9
        assert set(figures["overall"]["f1"]) == set(INTENTS)
        assert sum(map(sum, figures["overall"]["confusion"])) == len(rows)
        assert set(figures["groups"]) == {"0", "1"}
        assert [Path(plot).name for plot in figures["plots"]] == ["confusion.png"]
        assert "macro F1" in str(evaluation)

    def test_unknown_labels_are_refused(self, intents_place: Path) -> None:
        rows = [{"text": "hello there", "label": "greeting"}, {"text": "my card", "label": "card"}]
        with pytest.raises(DataError, match="'greeting'"):
            classifier(intents_place).evaluate(dataset=write_csv(intents_place / "new.csv", rows))

    def test_info_and_card(self, intents: Path) -> None:
        assert "classes: card, refund, transfer" in str(classifier(intents).info())
        assert "Accuracy" in (intents / "model" / "model_card.md").read_text("utf-8")

    def test_two_classes_that_are_not_human_and_llm(self, intents: Path, tmp_path: Path) -> None:
        rows = [row for row in read_csv(intents / "intents.csv") if row["label"] != "card"]
        dataset = write_csv(tmp_path / "two.csv", rows)
        report = classifier(tmp_path).train(dataset=dataset, **QUICK)
        assert report.evaluation.numbers()["roc_auc"] > 0.8
        classifier(tmp_path).predict(dataset=dataset)
        results = read_csv(tmp_path / "data" / "results.csv")
        assert {row["label"] for row in results} == {"refund", "transfer"}
        assert all(0.5 <= float(row["probability"]) <= 1 for row in results)
        assert classifier(tmp_path).predict(text="my transfer").label == "transfer"
        assert "refund, transfer" in str(classifier(tmp_path).info())
        assert "ROC AUC" in str(classifier(tmp_path).evaluate(dataset=dataset))


class TestHeuristic:
    def test_from_end_to_end(self, tmp_path: Path) -> None:
        model = classifier(tmp_path)
        report = model.train(dataset=TRAIN, tracking="none", model="heuristic", n_folds=2)
        assert 0.7 < report.evaluation.numbers()["roc_auc"] < 0.995
        model.predict(dataset=TEST, details=True)
        rows = read_csv(tmp_path / "data" / "results.csv")
        assert len(rows) == 200
        assert all(math.isfinite(float(row["generated"])) for row in rows)
        assert model.evaluate(dataset=TEST).numbers()["roc_auc"] > 0.7
        assert "kind: heuristic" in str(model.info())
        assert model.predict(text="Some words.").verdict == "unsure"


class TestLog:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "data").mkdir()
        lines = "".join(f"line {i}\n" for i in range(100))
        (tmp_path / "data" / "log_file.log").write_text(lines)
        return tmp_path

    @pytest.mark.parametrize(
        ("options", "first"), [({}, 50), ({"lines": 3}, 97), ({"lines": 1000}, 0)]
    )
    def test_shows_the_end(self, options: dict[str, int], first: int, folder: Path) -> None:
        shown = list(classifier(folder).log(**options))
        assert shown == [f"line {i}" for i in range(first, 100)]

    def test_goes_on_with_new_lines(self, folder: Path) -> None:
        shown: Iterator[str] = classifier(folder).log(lines=1, follow=True)
        assert next(shown) == "line 99"

    def test_refuses_a_negative_number(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="--lines=-1"):
            list(classifier(folder).log(lines=-1))

    def test_of_nothing_is_nothing(self, tmp_path: Path) -> None:
        assert not list(classifier(tmp_path).log())


def test_info_of_a_detector(trained: Path) -> None:
    info = classifier(trained).info()
    assert "classes: human, llm" in str(info)
    assert "at a promised false-positive rate of 0.01: achieved 0.0" in str(info)
    assert "profile general: for each population of human texts" in str(info)
    assert "200 human texts, smallest promise 0.004975" in str(info)
    assert info.site_profiles == {}
    assert json.loads(json.dumps(info.to_dict(), allow_nan=False))["task"]["detection"] is True


def test_making_one_reads_and_writes_nothing(tmp_path: Path) -> None:
    classifier(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())
