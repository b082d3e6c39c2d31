"""configs/default.toml says what each setting is for, and says it of the defaults."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from ai_detect.config import TrainConfig

FILE = Path(__file__).parents[1] / "configs" / "default.toml"
AUTOMATIC = [field.name for field in fields(TrainConfig) if field.default is None]
# A setting is a line `name = value`, commented out where the default is to choose from the data.
SETTING = re.compile(r"^(?P<off># )?(?P<name>\w+) = (?P<value>.+)$", re.MULTILINE)


def blocks() -> dict[str, str]:
    """The comment above each setting, by name, in the order of the file."""
    found = {}
    for block in FILE.read_text("utf-8").split("\n\n"):
        *comment, setting = block.strip().split("\n")
        if match := SETTING.fullmatch(setting):
            assert all(line.startswith("# ") for line in comment)
            found[match["name"]] = " ".join(line.removeprefix("# ") for line in comment)
    return found


def test_the_file_sets_the_defaults() -> None:
    assert TrainConfig.from_toml(str(FILE)) == TrainConfig()


def test_every_setting_is_explained_once_in_the_order_of_the_code() -> None:
    assert list(blocks()) == [field.name for field in fields(TrainConfig)]
    assert all(len(comment) > 40 for comment in blocks().values())
    assert len(SETTING.findall(FILE.read_text("utf-8"))) == len(blocks())


@pytest.mark.parametrize("name", AUTOMATIC)
def test_what_is_chosen_from_the_data_is_commented_out_and_says_how(name: str) -> None:
    assert "Left out, it is chosen from the data" in blocks()[name]
    assert name not in tomllib.loads(FILE.read_text("utf-8"))


def test_the_lines_that_are_commented_out_are_settings_too(tmp_path: Path) -> None:
    everything = tmp_path / "all.toml"
    everything.write_text(re.sub(r"^# (\w+ = \[)", r"\1", FILE.read_text("utf-8"), flags=re.M))
    expected = TrainConfig(word_ngrams=(1, 3), char_ngrams=(0, 0))
    assert TrainConfig.from_toml(str(everything)) == expected
