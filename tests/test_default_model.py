"""The model that comes with the package: whole, small, used before any training, and never written to."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ai_detect import My_TextClassifier_Model, artifacts
from ai_detect.predictor import Predictor
from ai_detect.text import PackedTexts

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"

# Written for this test. Scores may move only when the model is made again, and then on purpose.
HURRIED = (
    "i think schools should start later becuase me and my friends are always tired in the morning and we cant listen. "
    "last year my teacher moved the test to the afternoon and everybody did better, even my brother who never studies! "
    "some people say the buses would be a problem but honestly they can just drive later too, its not that hard."
)
BALANCED = (
    "In conclusion, later school start times offer numerous benefits for students, including improved academic "
    "performance, enhanced mental health, and increased overall well-being. Furthermore, it is important to consider "
    "the potential challenges associated with this change, such as transportation and scheduling. Ultimately, by "
    "prioritizing the needs of students, schools can foster a more supportive and effective learning environment."
)


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.from_files(artifacts.load(artifacts.SHIPPED))


def test_it_is_whole_and_at_most_five_megabytes(shipped: Predictor) -> None:
    files = artifacts.paths(artifacts.SHIPPED)
    assert [path.suffix for path in files] == [".json", ".npz", ".md"]
    assert sum(path.stat().st_size for path in files) <= 5_000_000
    assert shipped.classes == ("human", "llm")
    assert set(shipped.profiles) == {"general", "essay"}
    assert all(profile.floor <= 0.01 for profile in shipped.profiles.values())


def test_its_card_says_what_it_is_not_for_and_under_which_terms() -> None:
    card = (artifacts.SHIPPED / "model_card.md").read_text("utf-8")
    for words in ("## Not for", "## Known failures", "CC BY-NC-SA 4.0", "451,127"):
        assert words in card


def test_scores_have_not_moved(shipped: Predictor) -> None:
    found = shipped.predict(PackedTexts.pack([HURRIED, BALANCED]))
    assert found.scores[:, 0].tolist() == pytest.approx(
        [-4.80311651130792, 7.630609627805273], abs=1e-6
    )
    verdicts, _ = shipped.verdicts(found, 0.01)
    assert verdicts == ["human", "llm"]


def test_predict_works_before_any_training_and_says_with_what(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in artifacts.paths(artifacts.SHIPPED)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "model.py"), "predict", f"--dataset={SAMPLE / 'test.csv'}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the model that comes with ai_detect" in done.stdout
    assert "the model that comes with ai_detect" in (tmp_path / "data" / "log_file.log").read_text()
    assert len((tmp_path / "data" / "results.csv").read_text().splitlines()) == 201
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_training_replaces_it(tmp_path: Path, trained: Path) -> None:
    fresh = My_TextClassifier_Model(model_dir=str(tmp_path / "m"), data_dir=str(tmp_path / "d"))
    assert "comes with ai_detect" in str(fresh.info())
    own = My_TextClassifier_Model(data_dir=str(trained / "data"))
    assert "comes with ai_detect" not in str(own.info())


def test_a_site_profile_works_with_it(tmp_path: Path) -> None:
    model = My_TextClassifier_Model(model_dir=str(tmp_path / "m"), data_dir=str(tmp_path / "d"))
    report = model.calibrate(dataset=str(SAMPLE / "test.csv"), profile="school")
    assert report.n_texts == 200
    answer = model.predict(text=BALANCED, profile="school")
    assert json.loads(json.dumps(answer.to_dict()))["p_value"] > 0


def test_windows_say_how_much_of_a_text_is_called_llm(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    half = (HURRIED + " ") * 4 + (BALANCED + " ") * 4
    rows.write_text(f'text\n"{HURRIED}"\n"{BALANCED}"\n"{half}"\n""\n', "utf-8")
    model = My_TextClassifier_Model(data_dir=str(tmp_path / "d"))
    model.predict(dataset=str(rows), details=True, windows=True, output=str(tmp_path / "o.csv"))
    with (tmp_path / "o.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["windows"] for row in found][:2] == ["0.0", "1.0"]
    assert 0 < float(found[2]["windows"]) < 1
    assert (found[3]["windows"], found[3]["reason"]) == ("", "empty text")
