"""Every setting of a training run, as one frozen and checked value; from flags and a TOML file, into the manifest."""

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from ai_detect.errors import UsageError

MODELS = ("ensemble", "heuristic")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run. `configs/default.toml` says what each is for.

    Raises:
        UsageError: a value is outside its range.
    """

    model: str = "ensemble"
    word_ngrams: tuple[int, int] | None = None  # None: chosen from the task, see `resolved`
    char_ngrams: tuple[int, int] | None = None
    n_bits: int = 20
    lowercase: bool = False
    min_df: int = 1
    C: float = 30.0
    alpha: float = 1e-5
    n_folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("word_ngrams", "char_ngrams"):
            if isinstance(value := getattr(self, name), list):  # a TOML array
                object.__setattr__(self, name, tuple(value))
        _require(self.model in MODELS, "model", self.model, " or ".join(MODELS))
        for name, largest in (("word_ngrams", 8), ("char_ngrams", 12)):
            value = getattr(self, name)
            _require(
                value is None or _is_ngram_range(value, largest),
                name,
                value,
                f"two whole numbers, smallest and largest n, from 1 to {largest}, such as 1,3; 0,0 for none",
            )
        _require(
            (self.word_ngrams, self.char_ngrams) != ((0, 0), (0, 0)),
            "word_ngrams and char_ngrams",
            "0,0",
            "at least one of them to be in use",
        )
        _require(
            _is_whole(self.n_bits, 8, 24), "n_bits", self.n_bits, "a whole number from 8 to 24"
        )
        _require(isinstance(self.lowercase, bool), "lowercase", self.lowercase, "true or false")
        _require(
            _is_whole(self.min_df, 1, 1000), "min_df", self.min_df, "a whole number from 1 to 1000"
        )
        _require(_is_strength(self.C), "C", self.C, "a number from 1e-12 to 1e12")
        _require(_is_strength(self.alpha), "alpha", self.alpha, "a number from 1e-12 to 1e12")
        _require(
            _is_whole(self.n_folds, 2, 20), "n_folds", self.n_folds, "a whole number from 2 to 20"
        )
        _require(_is_whole(self.seed, 0, 2**32 - 1), "seed", self.seed, "a whole number from 0 up")

    @classmethod
    def from_toml(cls, path: str) -> Self:
        """Read settings from a TOML file of `name = value` lines.

        Raises:
            UsageError: the file cannot be read, is not TOML, or names an unknown setting.
        """
        try:
            settings = tomllib.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            raise UsageError(
                f"--config={path} cannot be read ({error.strerror}): give a TOML file such as configs/default.toml."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"--config={path} is not TOML: {error}.") from error
        unknown = sorted(set(settings) - {f.name for f in fields(cls)})
        if unknown:
            known = ", ".join(f.name for f in fields(cls))
            raise UsageError(
                f"--config={path} sets {', '.join(unknown)}; the settings are {known}."
            )
        return cls(**settings)

    def override(self, **flags: Any) -> Self:
        """Return a copy with those flags set that are not None."""
        return replace(self, **{name: value for name, value in flags.items() if value is not None})

    def resolved(self, *, detection: bool, median_words: float) -> Self:
        """Return a copy with the n-grams chosen where they were left open.

        Detection and long texts: word 1-3-grams. Short texts of other tasks: word 1-2-grams and, since a single word
        then says much and may be spelt in many ways, character 3-5-grams. Those too where words are switched off.
        """
        none = (0, 0)
        short = not detection and median_words < 50
        by_letters = short or self.word_ngrams == none
        chars = self.char_ngrams or ((3, 5) if by_letters else none)
        words = self.word_ngrams or ((1, 2) if short or chars != none else (1, 3))
        return replace(self, word_ngrams=words, char_ngrams=chars)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, as they stand in a manifest."""
        return asdict(self)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value!r}; expected {expected}.")


def _is_whole(value: object, smallest: int, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest


def _is_strength(value: object) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and 1e-12 <= value <= 1e12
    )


def _is_ngram_range(value: object, largest: int) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and (
            value == (0, 0)
            or (_is_whole(value[0], 1, largest) and _is_whole(value[1], value[0], largest))
        )
    )
