"""Accuracy per corpus, domain, attack and generator, and false positives per human population.

    python -m benchmarks.accuracy [--data=../shared/data] [--model=data/model] [--peers]

A cell is one kind of LLM text against the human texts of the same corpus and domain or, where a corpus has no human
texts, against the ESL essays of all corpora of dev/ and test/. With --peers, the detectors and learners of
benchmarks/peers.py score the same texts in the same run. Nothing here chooses anything: the model comes with its
thresholds, the peers with theirs, and this measures them.
"""

import json
import os
import platform
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import fire
import numpy as np
import pandas as pd

from ai_detect import __version__, artifacts, metrics
from ai_detect.predictor import Predictor
from ai_detect.text import PackedTexts
from benchmarks import peers as peers_module
from benchmarks.peers import PEERS, Absent, Peer, Scored

PARTS = ("dev", "test")
ESL = "esl_essay"
OURS = "ai_detect"
KIND = ["part", "corpus", "domain", "attack", "generator"]
CACHE = Path(tempfile.gettempdir()) / "ai_detect-peers"


@dataclass(frozen=True)
class Figures:
    """One detector in one cell: AUROC, TPR where 1 % and 5 % of these human texts are flagged, share called LLM."""

    roc_auc: float
    tpr_at_1_fpr: float
    tpr_at_5_fpr: float
    called_llm: float


@dataclass(frozen=True)
class Cell:
    """One row of the tables: how many texts there are of either kind, and the figures of each detector by its name."""

    part: str
    corpus: str
    attack: str
    kind: str
    n_human: int
    n_llm: int
    figures: dict[str, Figures]


def read_texts(data: Path) -> pd.DataFrame:
    """Read dev/ and test/."""
    frames = [
        pd.read_parquet(path).assign(part=part, corpus=path.stem)
        for part in PARTS
        for path in sorted((data / part).glob("*.parquet"))
    ]
    if not frames:
        raise SystemExit(
            f"{data} has no dev/*.parquet or test/*.parquet: --data=FOLDER of the corpora."
        )
    return pd.concat(frames, ignore_index=True)


def our_scores(texts: pd.DataFrame, model: Path, profile: str) -> Scored:
    """Score every text with a trained model; it calls LLM-written what has a p-value of at most 0.01."""
    predictor = Predictor.from_files(artifacts.load(model))
    predictions = predictor.predict(PackedTexts.pack(texts["text"]), predictor.profile(profile))
    return Scored(predictions.scores[:, 0], predictions.p_value <= 0.01)


def cells(texts: pd.DataFrame, scored: dict[str, Scored]) -> list[Cell]:
    """Compute every cell for every detector, each on the texts that it scored."""
    human, llm = texts[texts["generated"] == 0], texts[texts["generated"] == 1]
    found = []
    for (part, corpus, domain, attack, generator), group in llm.groupby(KIND, sort=True):
        against = human[(human["corpus"] == corpus) & (human["domain"] == domain)]
        if against.empty:
            against = human[human["domain"] == ESL]
        kind = f"{domain}, {generator}" + ("" if attack == "none" else f", {attack}")
        of_each = {
            name: figures(one, against.index.to_numpy(), group.index.to_numpy())
            for name, one in scored.items()
        }
        found.append(Cell(part, corpus, attack, kind, len(against), len(group), of_each))
    return found


def figures(scored: Scored, human: np.ndarray, llm: np.ndarray) -> Figures:
    """Compute the figures of one detector on those of the given rows that it scored."""
    human, llm = (rows[~np.isnan(scored.scores[rows])] for rows in (human, llm))
    y = np.repeat([0, 1], [len(human), len(llm)])
    scores = scored.scores[np.concatenate((human, llm))]
    return Figures(
        metrics.roc_auc(y, scores),
        metrics.tpr_at_fpr(y, scores, 0.01),
        metrics.tpr_at_fpr(y, scores, 0.05),
        float(scored.called[llm].mean()),
    )


def populations(texts: pd.DataFrame, scored: dict[str, Scored]) -> pd.DataFrame:
    """Count the human texts of each population; by detector, the share of them that it called LLM-written."""
    called = {
        name: np.where(np.isnan(one.scores), np.nan, one.called) for name, one in scored.items()
    }
    human = texts.assign(texts=1.0, **called)[texts["generated"] == 0]
    grouped = human.groupby(["part", "corpus", "domain"])
    return grouped[[*called]].mean().assign(texts=grouped.size()).reset_index()


def sampled(texts: pd.DataFrame, most: int) -> np.ndarray:
    """Choose rows: all, or the same ones every time, at most so many of each population and kind of LLM text."""
    if not most:
        return np.arange(len(texts))
    shuffled = texts.sample(frac=1.0, random_state=0)
    return np.sort(shuffled.groupby([*KIND, "generated"]).head(most).index.to_numpy())


def write_training_texts(data: Path, target: Path) -> None:
    """Write the training corpora as JSON lines, for the peers that are trained."""
    with target.open("w", encoding="utf-8") as lines:
        for path in sorted((data / "train").glob("*.parquet")):
            frame = pd.read_parquet(path, columns=["text", "generated"])
            for text, generated in zip(frame["text"], frame["generated"], strict=True):
                row = {"text": text, "generated": int(generated), "corpus": path.stem}
                lines.write(json.dumps(row) + "\n")


def peer_scores(
    texts: pd.DataFrame, data: Path, environment: Path, cache: Path
) -> Iterator[tuple[Peer, str, Scored | Absent]]:
    """Score the texts with each peer: yields it, its version, and its scores or why there are none."""
    versions = peers_module.installed(environment)
    with tempfile.TemporaryDirectory() as folder:
        train = Path(folder) / "train.jsonl"
        write_training_texts(data, train)
        for peer in PEERS:
            version = versions.get(peer.package, "") if peer.package else __version__
            found = peers_module.absence(peer, versions, environment)
            if found is None:
                rows = sampled(texts, peer.sample)
                found = peers_module.measure(
                    peer,
                    texts["text"].iloc[rows].tolist(),
                    train,
                    environment=environment,
                    version=version,
                    cache=cache,
                )
                if isinstance(found, Scored):
                    found = spread(found, rows, len(texts))
            yield peer, version, found


def spread(found: Scored, rows: np.ndarray, n: int) -> Scored:
    """Put the scores of some rows among n: the others have none."""
    scores, called = np.full(n, np.nan), np.zeros(n, dtype=bool)
    scores[rows], called[rows] = found.scores, found.called
    return Scored(scores, called)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Format a Markdown table, and an empty line after it."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def own_table(found: list[Cell]) -> list[str]:
    """Format the figures of our model alone."""
    header = "part|corpus|LLM texts|human|LLM|AUROC|TPR@1%FPR|TPR@5%FPR|p <= 0.01".split("|")
    rows = []
    for c in found:
        numbers = [f"{value:.3f}" for value in vars(c.figures[OURS]).values()]
        rows.append([c.part, c.corpus, c.kind, str(c.n_human), str(c.n_llm), *numbers])
    return table(header, rows)


def means(found: list[Cell]) -> list[str]:
    """Average the AUROC of our model over cells, over corpora and attacks, and over corpora."""
    lines = []
    for part in PARTS:
        in_part = pd.DataFrame(
            [vars(c) | vars(c.figures[OURS]) for c in found if c.part == part],
            columns=["corpus", "attack", "roc_auc"],
        )
        by_attack = in_part.groupby(["corpus", "attack"])["roc_auc"].mean()
        by_corpus = in_part.groupby("corpus")["roc_auc"].mean()
        lines.append(
            f"Mean AUROC on {part}/: {in_part['roc_auc'].mean():.4f} over {len(in_part)} cells, "
            f"{by_attack.mean():.4f} over {len(by_attack)} corpora and attacks, "
            f"{by_corpus.mean():.4f} over {len(by_corpus)} corpora.\n"
        )
    return lines


def compared(found: list[Cell], figure: str, names: list[str]) -> list[str]:
    """Format one figure of every detector, cell by cell and as means over the cells of each part."""
    rows = [
        [c.part, f"{c.corpus}: {c.kind}", *(f"{getattr(c.figures[n], figure):.3f}" for n in names)]
        for c in found
    ]
    for part in PARTS:
        in_part = [c for c in found if c.part == part]
        if in_part:
            mean = [np.mean([getattr(c.figures[n], figure) for c in in_part]) for n in names]
            rows.append(
                [part, f"mean of {len(in_part)} cells", *(f"{value:.3f}" for value in mean)]
            )
    return table(["part", "LLM texts", *names], rows)


def behind(found: list[Cell], names: Iterable[str]) -> list[str]:
    """Name the cells where the AUROC of our model is more than 0.01 under another detector's."""
    lines = []
    for name in names:
        short = [(c, c.figures[name].roc_auc - c.figures[OURS].roc_auc) for c in found]
        cells_behind = [f"{c.corpus}: {c.kind} ({gap:.3f})" for c, gap in short if gap > 0.01]
        listed = "; ".join(cells_behind) or "none"
        lines.append(f"Cells where {OURS} is more than 0.01 under {name}: {listed}.\n")
    return lines


def human_table(texts: pd.DataFrame, scored: dict[str, Scored]) -> list[str]:
    """Format the human false positives of every detector."""
    rows = [
        [row["part"], f"{row['corpus']}, {row['domain']}", str(row["texts"])]
        + [f"{100 * row[name]:.1f} %" for name in scored]
        for row in populations(texts, scored).to_dict("records")
    ]
    return table(["part", "human population", "texts", *scored], rows)


def peers_table(measured: list[tuple[Peer, str, Scored | Absent]]) -> list[str]:
    """Format what each peer is: version, rule and what it was given; or why it is absent."""
    rows = []
    for peer, version, found in measured:
        given = "trained on train/" if peer.trained else "as it comes"
        if peer.sample:
            given += f"; at most {peer.sample} texts of each kind"
        if isinstance(found, Absent):
            given = found.reason
        package = f"{peer.package or OURS} {version}".strip()
        rows.append([peer.name, package, peer.rule, given])
    return table(["peer", "package", "calls LLM", "measured"], rows)


def report(
    data: str = "../shared/data",
    model: str = "data/model",
    *,
    profile: str = "general",
    peers: bool = False,
    environment: str = peers_module.ENVIRONMENT,
    cache: str = str(CACHE),
    machine: str = f"{os.cpu_count()}-core {platform.machine()}",
) -> str:
    """Return the tables as Markdown.

    Args:
        data: folder of the corpora: train/, dev/ and test/.
        model: folder of a trained model.
        profile: of the model, behind its p-values.
        peers: measure the peers too.
        environment: virtual environment that the peers are installed in.
        cache: folder for the peers' scores, which take long; found again for the same texts and version.
        machine: what the line of versions calls this machine.
    """
    texts = read_texts(Path(data))
    scored = {OURS: our_scores(texts, Path(model), profile)}
    measured = list(peer_scores(texts, Path(data), Path(environment), Path(cache))) if peers else []
    scored |= {peer.name: found for peer, _, found in measured if isinstance(found, Scored)}
    found = cells(texts, scored)
    lines = [
        f"ai_detect {__version__}, Python {platform.python_version()}, {date.today()}, {machine}.\n",
        *own_table(found),
        *means(found),
    ]
    if peers:
        names = [*scored]
        lines += ["### Peers\n", *peers_table(measured)]
        lines += ["### AUROC\n", *compared(found, "roc_auc", names)]
        lines += behind(
            found, [p.name for p, _, _ in measured if p.name in scored and not p.sample]
        )
        lines += ["### TPR at 1 % FPR of the cell\n", *compared(found, "tpr_at_1_fpr", names)]
        lines += ["### LLM texts called LLM, each at its own threshold\n"]
        lines += compared(found, "called_llm", names)
    lines += ["### Human texts called LLM, each at its own threshold (ours: promised 1 %)\n"]
    lines += human_table(texts, scored)
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    fire.Fire(report)
