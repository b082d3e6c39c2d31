"""Accuracy per corpus, domain, attack and generator, and false positives per human population.

    python -m benchmarks.accuracy [--data=../shared/data] [--model=data/model]

A cell is one kind of LLM text against the human texts of the same corpus and domain or, where a corpus has no human
texts, against the ESL essays of all corpora of dev/ and test/. Nothing here chooses anything: the model comes with its
thresholds, and this measures them.
"""

from dataclasses import dataclass
from pathlib import Path

import fire
import numpy as np
import pandas as pd

from ai_detect import artifacts, metrics
from ai_detect.predictor import Predictor
from ai_detect.text import PackedTexts

PARTS = ("dev", "test")
ESL = "esl_essay"


@dataclass(frozen=True)
class Cell:
    """One row of the table: AUROC, TPR where 1 % and 5 % of these human texts are flagged, share with p <= 0.01."""

    part: str
    corpus: str
    attack: str
    kind: str
    n_human: int
    n_llm: int
    roc_auc: float
    tpr_at_1_fpr: float
    tpr_at_5_fpr: float
    called_llm: float


def scored_texts(data: Path, predictor: Predictor) -> pd.DataFrame:
    """Read dev/ and test/ and add the score of every text, and whether its p-value is at most 0.01."""
    frames = []
    for part in PARTS:
        for path in sorted((data / part).glob("*.parquet")):
            frame = pd.read_parquet(path)
            frames.append(frame.assign(part=part, corpus=path.stem))
    texts = pd.concat(frames, ignore_index=True)
    predictions = predictor.predict(PackedTexts.pack(texts["text"]))
    return texts.assign(score=predictions.scores[:, 0], flagged=predictions.p_value <= 0.01)


def cells(texts: pd.DataFrame) -> list[Cell]:
    """Compute every cell."""
    human, llm = texts[texts["generated"] == 0], texts[texts["generated"] == 1]
    found = []
    for (part, corpus, domain, attack, generator), group in llm.groupby(
        ["part", "corpus", "domain", "attack", "generator"], sort=True
    ):
        against = human[(human["corpus"] == corpus) & (human["domain"] == domain)]
        if against.empty:
            against = human[human["domain"] == ESL]
        y = np.repeat([0, 1], [len(against), len(group)])
        scores = np.concatenate((against["score"], group["score"]))
        kind = f"{domain}, {generator}" + ("" if attack == "none" else f", {attack}")
        found.append(
            Cell(
                part,
                corpus,
                attack,
                kind,
                len(against),
                len(group),
                metrics.roc_auc(y, scores),
                metrics.tpr_at_fpr(y, scores, 0.01),
                metrics.tpr_at_fpr(y, scores, 0.05),
                float(group["flagged"].mean()),
            )
        )
    return found


def populations(texts: pd.DataFrame) -> pd.DataFrame:
    """Count the human texts of each population, and those flagged at the model's 1 % threshold."""
    human = texts[texts["generated"] == 0]
    return (
        human.groupby(["part", "corpus", "domain"])["flagged"].agg(["size", "mean"]).reset_index()
    )


def report(data: str = "../shared/data", model: str = "data/model") -> str:
    """Return both tables as Markdown."""
    predictor = Predictor.from_files(artifacts.load(Path(model)))
    texts = scored_texts(Path(data), predictor)
    found = cells(texts)
    lines = [
        "| part | corpus | LLM texts | human | LLM | AUROC | TPR@1%FPR | TPR@5%FPR | p <= 0.01 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for c in found:
        figures = " | ".join(
            f"{value:.3f}" for value in (c.roc_auc, c.tpr_at_1_fpr, c.tpr_at_5_fpr, c.called_llm)
        )
        lines.append(f"| {c.part} | {c.corpus} | {c.kind} | {c.n_human} | {c.n_llm} | {figures} |")
    for part in PARTS:
        in_part = pd.DataFrame([vars(c) for c in found if c.part == part])
        by_attack = in_part.groupby(["corpus", "attack"])["roc_auc"].mean()
        by_corpus = in_part.groupby("corpus")["roc_auc"].mean()
        lines.append(
            f"\nMean AUROC on {part}/: {in_part['roc_auc'].mean():.4f} over {len(in_part)} cells, "
            f"{by_attack.mean():.4f} over {len(by_attack)} corpora and attacks, "
            f"{by_corpus.mean():.4f} over {len(by_corpus)} corpora."
        )
    lines += ["\n| part | human population | texts | called llm at 1 % |", "|---|---|---|---|"]
    for row in populations(texts).itertuples():
        lines.append(
            f"| {row.part} | {row.corpus}, {row.domain} | {row[4]} | {100 * row[5]:.1f} % |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    fire.Fire(report)
