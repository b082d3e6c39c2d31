"""Write train.csv and test.csv, the embedded sample: made-up school essays in two styles.

    python data/sample/make_sample.py [FOLDER]      (default: the folder of this file)

Each essay is an opening, some body sentences and a closing, drawn from texts.toml in a casual, a
formal or a plain register. How formal an essay is varies from one to the next and the two classes
overlap, so that no single word tells them apart. Slips of hurried typing come last. Whole texts
written by hand are mixed in as they are.

Only `Random.random()` is used, whose sequence Python keeps the same from version to version: same
seed, same bytes.
"""

import csv
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 20
TEST_PROMPTS = ("learning_online", "team_sports", "books_and_films")
N_TRAIN, N_TEST = 400, 200
HUMAN, LLM = 0, 1

REGISTERS = ("casual", "formal")
TYPOS = {
    "because": "becuase", "really": "realy", "their": "there", "they're": "there", "too": "to",
    "definitely": "definately", "until": "untill", "which": "wich", "friends": "freinds",
    "than": "then", "different": "diffrent", "people": "poeple", "believe": "beleive",
    "might": "mihgt", "something": "somthing", "everyone": "everyon", "school": "shcool",
    "students": "studens", "teacher": "techer", "important": "importent", "would": "woud",
    "I": "i", "I'm": "im", "don't": "dont", "can't": "cant", "it's": "its", "that's": "thats",
    "doesn't": "doesnt", "there's": "theres", "can": "cna", "with": "whit", "about": "abotu",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a class writes: each number is the middle of a range, or a probability."""

    formality: float  # share of sentences in the formal register, on average
    spread: float  # how far a single essay may be from that
    careless: float  # share of essays with slips in them
    slips: float  # probability of a slip at each place where one is possible, in those


STYLES = {
    HUMAN: Style(formality=0.18, spread=0.45, careless=0.80, slips=0.14),
    LLM: Style(formality=0.80, spread=0.45, careless=0.25, slips=0.07),
}


@dataclass(frozen=True)
class Essay:
    """One row of the sample."""

    text: str
    generated: int
    prompt_id: str


class Deck:
    """Hands out the items of a list in random order, each once, and then starts again."""

    def __init__(self, rng: Random, items: Sequence[str]) -> None:
        self._rng, self._items, self._left = rng, items, list(items)

    def draw(self) -> str:
        """Return the next item."""
        if not self._left:
            self._left = list(self._items)
        return self._left.pop(int(self._rng.random() * len(self._left)))


def expand(rng: Random, sentence: str, topic: str) -> str:
    """Choose one alternative in each `[a|b]` and fill in `{topic}`."""

    def choose(match: re.Match[str]) -> str:
        options = match[1].split("|")
        return options[int(rng.random() * len(options))]

    return re.sub(r"\[([^\]]*)\]", choose, sentence).replace("{topic}", topic)


def write_essay(rng: Random, shared: dict[str, Any], prompt: dict[str, Any], label: int) -> str:
    """Put together one essay of 60 to 150 words."""
    style = STYLES[label]
    formality = style.formality + style.spread * (rng.random() + rng.random() - 1)
    own = {name: Deck(rng, prompt[name]) for name in (*REGISTERS, "plain")}
    aside = {name: Deck(rng, shared[f"{name}_aside"]) for name in (*REGISTERS, "plain")}
    link = {name: Deck(rng, shared[f"{name}_link"]) for name in REGISTERS}

    def register() -> str:
        return REGISTERS[rng.random() < formality]

    def framed(part: str) -> str:
        return expand(rng, Deck(rng, shared[f"{register()}_{part}"]).draw(), prompt["topic"])

    def body_sentence() -> str:
        source = own if rng.random() < 0.7 else aside
        name = "plain" if rng.random() < 0.3 else register()
        sentence = expand(rng, source[name].draw(), prompt["topic"])
        if rng.random() < 0.4:
            return link[register()].draw() + lower_first(sentence)
        return sentence

    wanted = 55 + 65 * rng.random()
    text = framed("opening")
    while len(text.split()) < wanted:
        text += " " + body_sentence()
    text += " " + framed("closing")
    return slip(rng, text, style.slips) if rng.random() < style.careless else text


def lower_first(sentence: str) -> str:
    """Lower the first letter, so that a connective can stand before it; `I` stays."""
    return sentence if re.match(r"I\b", sentence) else sentence[0].lower() + sentence[1:]


def slip(rng: Random, text: str, rate: float) -> str:
    """Make the mistakes of somebody typing against the clock."""

    def sometimes(change: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        return lambda match: change(match[0]) if rng.random() < rate else match[0]

    text = re.sub(r"[A-Za-z']+", sometimes(lambda word: TYPOS.get(word, word)), text)
    text = re.sub(r"\. [A-Z]", sometimes(lambda mark: ", " + mark[-1].lower()), text)
    text = re.sub(r"[.?!] [A-Z]", sometimes(str.lower), text)
    text = re.sub(r", ", sometimes(lambda _: " "), text)
    return re.sub(r"\.(?= |$)", sometimes(lambda _: "!!" if rng.random() < 0.5 else "..."), text)


def write_set(rng: Random, texts: dict[str, Any], *, test: bool, size: int) -> list[Essay]:
    """Write `size` essays, half of each class, in random order, over the prompts of one set."""
    prompts = [p for p in texts["prompt"] if (p["id"] in TEST_PROMPTS) == test]
    essays = [
        Essay(text, label, prompt["id"])
        for prompt in prompts
        for label, key in ((HUMAN, "by_hand_human"), (LLM, "by_hand_llm"))
        for text in prompt[key]
    ]
    while len(essays) < size:
        prompt, label = prompts[len(essays) // 2 % len(prompts)], (HUMAN, LLM)[len(essays) % 2]
        text = write_essay(rng, texts["shared"], prompt, label)
        essays.append(Essay(text, label, prompt["id"]))
    return sorted(essays, key=lambda essay: rng.random())


def write_csv(path: Path, essays: Sequence[Essay]) -> None:
    """Write essays with their row number as id."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("id", "text", "generated", "prompt_id"))
        for number, essay in enumerate(essays):
            rows.writerow(
                (f"{path.stem}-{number:03}", essay.text, essay.generated, essay.prompt_id)
            )


def main(folder: Path = HERE) -> None:
    """Write both files into `folder`."""
    texts = tomllib.loads((HERE / "texts.toml").read_text(encoding="utf-8"))
    rng = Random(SEED)
    write_csv(folder / "train.csv", write_set(rng, texts, test=False, size=N_TRAIN))
    write_csv(folder / "test.csv", write_set(rng, texts, test=True, size=N_TEST))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
