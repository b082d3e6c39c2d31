"""Settings: every refusal in one table, and where a value may come from."""

from pathlib import Path
from typing import Any

import pytest

from ai_detect.config import TrainConfig
from ai_detect.errors import UsageError

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("model", value) for value in ("", "Ensemble", "bert", 1)),
        *(
            (name, value)
            for name in ("word_ngrams", "char_ngrams")
            for value in (3, "1,3", (1,), (1, 2, 3), (3, 1), (0, 3), (-1, 2), (1.0, 2), (True, 2))
        ),
        ("word_ngrams", (1, 9)),
        ("char_ngrams", (1, 13)),
        *(("n_bits", value) for value in (7, 25, 12.0, "12", True)),
        *(("lowercase", value) for value in (0, 1, "yes")),
        *(("min_df", value) for value in (0, 1001, 1.5, True)),
        *((name, value) for name in ("C", "alpha") for value in (0, -1, INF, NAN, 1e13, "1", True)),
        *(("n_folds", value) for value in (1, 21, 5.0)),
        *(("seed", value) for value in (-1, 2**32, 0.5, True)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"{name} is .*; expected ") as refusal:
        TrainConfig(**{name: value})
    assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "heuristic"},
        {"word_ngrams": (1, 8), "char_ngrams": (1, 12)},
        {"word_ngrams": (0, 0), "char_ngrams": (3, 3)},
        {"n_bits": 8},
        {"n_bits": 24, "min_df": 1000, "C": 1, "alpha": 1e12, "n_folds": 20, "seed": 2**32 - 1},
    ],
)
def test_values_at_the_edge_are_taken(settings: dict[str, Any]) -> None:
    config = TrainConfig(**settings)
    assert config.to_dict() == TrainConfig().to_dict() | settings


def test_some_ngrams_are_needed() -> None:
    with pytest.raises(UsageError, match="at least one"):
        TrainConfig(word_ngrams=(0, 0), char_ngrams=(0, 0))


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('model = "heuristic"\nword_ngrams = [1, 2]\nC = 3\nlowercase = true\n', "utf-8")
    found = TrainConfig.from_toml(str(path))
    assert found == TrainConfig(model="heuristic", word_ngrams=(1, 2), C=3, lowercase=True)
    path.write_text("", "utf-8")
    assert TrainConfig.from_toml(str(path)) == TrainConfig()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"n_bit = 12\nseeed = 1", "sets n_bit, seeed; the settings are model, word_ngrams"),
        (b"[train]\nseed = 1", "sets train"),
        (b"seed = ", "is not TOML"),
        (b"model = '\xff'", "is not TOML"),
        (b"seed = -1", "seed is -1"),
        (b"alpha = inf", "alpha is inf"),
        (b"word_ngrams = [[1], 2]", "word_ngrams is"),
    ],
)
def test_toml_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        TrainConfig.from_toml(str(path))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_toml_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        TrainConfig.from_toml(str(tmp_path / name))


def test_flags_win_where_they_are_given() -> None:
    config = TrainConfig(C=2.0, seed=3)
    assert config.override(C=None, seed=0, lowercase=False) == TrainConfig(C=2.0, seed=0)
    with pytest.raises(UsageError, match="n_bits is 99"):
        config.override(n_bits=99)


@pytest.mark.parametrize(
    ("given", "detection", "words", "word_ngrams", "char_ngrams"),
    [
        ({}, True, 300, (1, 3), (0, 0)),
        ({}, True, 8, (1, 3), (0, 0)),
        ({}, False, 300, (1, 3), (0, 0)),
        ({}, False, 50, (1, 3), (0, 0)),
        ({}, False, 49.5, (1, 2), (3, 5)),
        ({"word_ngrams": (1, 1)}, False, 8, (1, 1), (3, 5)),
        ({"char_ngrams": (2, 3)}, False, 8, (1, 2), (2, 3)),
        ({"char_ngrams": (2, 3)}, True, 300, (1, 2), (2, 3)),
        ({"char_ngrams": (0, 0)}, False, 8, (1, 2), (0, 0)),
        ({"word_ngrams": (0, 0)}, False, 8, (0, 0), (3, 5)),
        ({"word_ngrams": (0, 0)}, True, 300, (0, 0), (3, 5)),
    ],
)
def test_ngrams_left_open_are_chosen_from_the_task(
    given: dict[str, Any],
    detection: bool,
    words: float,
    word_ngrams: tuple[int, int],
    char_ngrams: tuple[int, int],
) -> None:
    found = TrainConfig(**given).resolved(detection=detection, median_words=words)
    assert (found.word_ngrams, found.char_ngrams) == (word_ngrams, char_ngrams)
    assert found.resolved(detection=detection, median_words=words) == found
