"""Make the model that ships in the wheel: `make model`, from the corpora beside the checkout.

    python -m scripts.make_model [--data=../shared/data] [--output=ai_detect/default_model]

The recipe was chosen on the training corpora and dev/ alone (docs/ablation.md): texts weigh less the more of their kind
there are, essays more than other texts; n-grams of fewer than 20 texts are left out; human texts are scored by models
that had not seen their family of corpora. The same corpora give the same bytes.
"""

import os
from dataclasses import replace
from pathlib import Path

import fire
import numpy as np
import pandas as pd

from ai_detect import __version__, artifacts
from ai_detect.config import TrainConfig
from ai_detect.data import Corpus, read_corpus
from ai_detect.scorer import available_cores
from ai_detect.training import Plan, TrainedModel, run

CONFIG = TrainConfig(n_bits=22, min_df=20, C=1.0, alpha=3e-5)
CREATED = "1795132800"  # 2026-11-20, the day of the recipe: a date that does not change with the day of the build

# Corpora that share human texts or prompts are held out together.
FAMILIES = {
    "imbd": "fastdetect_glimpse",
    "raidar_yelp_arxiv": "l2r_20domains",
    "argugpt": "ndhal_gpt_fce_asap",
    "persuade_fp21": "outfox_valid",
    "appstat_qa": "comnets_university_qa",
    "hc3plus": "wiki_intro_d1",
}
ALONE_OF_ITS_KIND = (
    "ielts_human"  # the only ESL humans: held out by prompt, or no model would know any
)
ONE_POPULATION = "l2r_20domains"
ESSAY_DOMAINS = ("student_essay", "esl_essay")
NEARLY_HUMAN = ("llm_polish_minor", "llm_polish_extreme_minor")
SIZE_POWER = 0.7  # a source of n texts weighs n ** (1 - SIZE_POWER) in all
OTHER_KINDS, PERSUADE, IELTS = (
    0.5,
    0.3,
    3.0,
)  # factors on texts that are no essays, and on these corpora


def read(folder: Path) -> tuple[Corpus, pd.DataFrame]:
    """Read the corpora as `train` does, and what their files say of each text beside it."""
    corpus = read_corpus(str(folder))
    files = sorted(folder.glob("*.parquet"))
    columns = ["id", "generated", "domain", "attack", "prompt_id", "split"]
    table = pd.concat(
        [pd.read_parquet(path, columns=columns).assign(corpus=path.stem) for path in files]
    ).drop_duplicates("id")
    table = table.set_index("id").loc[corpus.ids].reset_index()
    # Its 18 domains of some 180 human texts each are one population: among many small ones they would have no say.
    populations = np.where(table["corpus"] == ONE_POPULATION, ONE_POPULATION, corpus.populations)
    return replace(corpus, populations=populations.astype(object)), table


def plan(table: pd.DataFrame) -> Plan:
    """Return weights, folds and essays of the corpora."""
    llm = table["generated"].to_numpy() == 1
    essay = table["domain"].isin(ESSAY_DOMAINS).to_numpy()
    weight = np.ones(len(table))
    weak = table["attack"].isin(NEARLY_HUMAN) | (table["corpus"] == "appstat_qa")
    weight[weak | ((table["corpus"] == "hc3plus") & llm)] = 0.0
    human_source = table["corpus"] + "/" + table["domain"]
    human_source = human_source.mask(table["corpus"] == ONE_POPULATION, ONE_POPULATION)
    source = human_source.where(~llm, table["corpus"] + " by LLM")
    size = pd.Series(weight > 0).groupby(source.to_numpy()).transform("sum").clip(lower=1)
    weight *= size.to_numpy(float) ** -SIZE_POWER
    weight[~essay] *= OTHER_KINDS
    weight[table["corpus"] == "persuade_fp21"] *= PERSUADE
    weight[table["corpus"] == ALONE_OF_ITS_KIND] *= IELTS
    calibrates = ((weight > 0) & (table["corpus"] != "hc3plus")).to_numpy()
    return Plan(
        _balanced(weight, llm, essay), _folds(table), _prompt_folds(table), calibrates, essay
    )


def _balanced(weight: np.ndarray, llm: np.ndarray, essay: np.ndarray) -> np.ndarray:
    """Give human and LLM texts the same total among essays and among other texts, and all a mean of 1."""
    for kind in (essay, ~essay):
        weight[kind & llm] *= weight[kind & ~llm].sum() / weight[kind & llm].sum()
    result: np.ndarray = weight * (weight > 0).sum() / weight.sum()
    return result


def _folds(table: pd.DataFrame) -> np.ndarray:
    """Number the families; the corpus that is alone of its kind is dealt out over them by prompt."""
    family = table["corpus"].replace(FAMILIES)
    names = sorted(set(family) - {ALONE_OF_ITS_KIND})
    folds = family.map({name: i for i, name in enumerate(names)})
    _, prompt = np.unique(table["prompt_id"].astype(str), return_inverse=True)
    dealt = np.random.default_rng(0).integers(0, len(names), prompt.max() + 1)[prompt]
    return np.where(folds.isna(), dealt, folds.fillna(0)).astype(np.int64)


def _prompt_folds(table: pd.DataFrame) -> np.ndarray:
    """Deal the prompts out over three folds or, where a corpus names fewer than 50, its texts."""
    has_prompts = table.groupby("corpus")["prompt_id"].transform("nunique") >= 50
    prompt = table["prompt_id"].astype(str).where(has_prompts, table.index.astype(str))
    _, group = np.unique(table["corpus"] + ":" + prompt, return_inverse=True)
    folds: np.ndarray = np.random.default_rng(0).integers(0, 3, group.max() + 1)[group]
    return folds


def quantised(trained: TrainedModel) -> TrainedModel:
    """Keep idf and coefficients in 16 bits: half the size."""
    arrays = {
        name: array.astype(np.float16) if name in ("idf", "coef") else array
        for name, array in trained.arrays.items()
    }
    return TrainedModel(trained.manifest, arrays, trained.card, trained.evaluation)


def main(data: str = "../shared/data", output: str = "ai_detect/default_model") -> str:
    """Train the default model and write it into the package."""
    os.environ["SOURCE_DATE_EPOCH"] = CREATED
    folder = Path(data) / "train"
    corpus, table = read(folder)
    trained = quantised(
        run(
            corpus,
            CONFIG,
            dataset="train, 17 corpora",
            package_version=__version__,
            plan=plan(table),
            n_jobs=available_cores(),
        )
    )
    card = Path(__file__).with_name("default_model_card.md").read_text("utf-8")
    artifacts.save(Path(output), trained.manifest, trained.arrays, card)
    size = sum(path.stat().st_size for path in artifacts.paths(Path(output)))
    return f"{trained.evaluation}\n{output}: {size / 1e6:.2f} MB"


if __name__ == "__main__":
    fire.Fire(main)
