"""What a site profile keeps of its promise, and what it buys, for every human population of the corpora.

    python -m benchmarks.site_profiles [--data=../shared/data] [--model=ai_detect/default_model]

200 times, half of a population, drawn at random, is the archive that a site knows to be human; the other half is what
comes in. The table gives the mean share of the latter called llm at the promised rate - 1 %, or 5 % where the half has
fewer than the 99 texts that 1 % takes -, that of the LLM texts of the same corpus and domain, and beside them what the
general profile of the model does at that rate.
"""

from pathlib import Path

import fire
import numpy as np

from ai_detect import artifacts
from ai_detect.calibration import MIN_WORDS
from ai_detect.predictor import Predictor
from ai_detect.profiles import Curve
from ai_detect.text import PackedTexts
from benchmarks.accuracy import read_texts

DRAWS = 200
LEAST = 80  # human texts of a population
KIND = ["part", "corpus", "domain"]


def halves(
    human: np.ndarray, llm: np.ndarray, fpr: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the mean achieved false-positive rate and the mean TPR over `DRAWS` random halves."""
    achieved, caught = [], []
    for _ in range(DRAWS):
        order = rng.permutation(len(human))
        archive, arriving = np.split(human[order], [(len(human) + 1) // 2])
        curve = Curve.of(archive)
        achieved.append(np.mean(curve(arriving) <= fpr))
        caught.append(np.mean(curve(llm) <= fpr) if len(llm) else np.nan)
    return float(np.mean(achieved)), float(np.mean(caught))


def report(data: str = "../shared/data", model: str = "ai_detect/default_model") -> str:
    """Return the table as Markdown."""
    predictor = Predictor.from_files(artifacts.load(Path(model)))
    texts = read_texts(Path(data))
    found = predictor.predict(PackedTexts.pack(texts["text"]))
    texts = texts.assign(score=found.scores[:, 0], p_value=found.p_value)[found.words >= MIN_WORDS]
    lines = [
        "| part | human population | texts | promised | achieved | caught | general: achieved | caught |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rng = np.random.default_rng(0)
    for kind, group in texts.groupby(KIND, sort=True):
        human, llm = group[group["generated"] == 0], group[group["generated"] == 1]
        if len(human) < LEAST:
            continue
        fpr = 0.01 if (len(human) + 1) // 2 >= 99 else 0.05
        figures = [*halves(human["score"].to_numpy(), llm["score"].to_numpy(), fpr, rng)]
        figures += [float(np.mean(part["p_value"] <= fpr)) for part in (human, llm)]
        shown = " | ".join("-" if np.isnan(value) else f"{100 * value:.2f} %" for value in figures)
        name = f"{kind[1]}, {kind[2]}"
        lines.append(f"| {kind[0]} | {name} | {len(human)} | {100 * fpr:g} % | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    fire.Fire(report)
