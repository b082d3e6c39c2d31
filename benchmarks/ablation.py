"""What each choice of the training recipe is worth, measured without the test corpora.

    python -m benchmarks.ablation [--data=../shared/data] [--rows=recipe,flat_weights]

Every row trains the same model with one thing changed, many times over: without one family of corpora at a time (LOCO:
texts that share humans or prompts stay together), on two thirds of the prompts (three times), and on everything, which
scores dev/. Sixteen models are fitted in one pass over the matrix, so a row takes about a minute on one core.

Thresholds are those of the recipe: the pooled quantile of human texts, each population with the same say.
Nothing here reads test/.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
from numba import njit

from ai_detect import kernels, metrics
from ai_detect.features import HashedTfidf
from ai_detect.text import PackedTexts

# One lane a model: LOCO families first, then three prompt folds, then everything.
N_LANES, N_PROMPT_FOLDS = 16, 3
EVERYTHING = N_LANES - 1
FIRST_PROMPT_LANE = EVERYTHING - N_PROMPT_FOLDS

# Corpora that share human texts, prompts or the one human population of their kind are held out together.
FAMILIES = {
    "imbd": "fastdetect_glimpse",
    "raidar_yelp_arxiv": "l2r_20domains",
    "ielts_human": "argugpt",
    "persuade_fp21": "outfox_valid",
    "appstat_qa": "comnets_university_qa",
    "hc3plus": "wiki_intro_d1",
}
ESSAY_DOMAINS = ("student_essay", "esl_essay")
ESSAY_HUMANS = ("persuade_fp21", "outfox_valid", "kaggle_daigt_pieces", "ielts_human")
PLAIN_MODELS = ("gpt-3.5-turbo", "text-davinci-003", "gpt-4")
BASE_MODELS = ("gpt2-xl", "gpt-j-6B", "gpt-neo-2.7B", "gpt-neox-20b", "opt-2.7b", "davinci")
# Base models and small old ones: reported in no mean here, since nothing like them is left when they are held out.
OLD_MODELS = (*BASE_MODELS, "text-babbage-001", "text-curie-001", "flan-t5-xxl")
SMALL_MODELS = (
    *("flan-t5-xxl", "text-babbage-001", "text-curie-001", "chatglm", "chatglm+human edit"),
    *("dolly", "dolly+human edit", "stablelm", "stablelm+human edit"),
)
NEARLY_HUMAN = ("llm_polish_minor", "llm_polish_extreme_minor")
MIN_WORDS, FPR, SMALLEST_POPULATION, FULL_SAY = 50, 0.01, 100, 500
L2R = "l2r_20domains"  # its 18 domains hold 144-200 human texts each, some of doubtful origin: one population


@dataclass(frozen=True)
class Row:
    """One line of the table: the recipe, or one thing changed.

    power: a population of n texts weighs n ** (1 - power) in all; other_kinds, persuade, ielts: factors on the texts
    that are no essays, on PERSUADE and on IELTS; base_models, small_models: on what these wrote; members: losses
    with their alpha, and naive Bayes with what it adds to each count; weighed: the losses whose columns naive Bayes
    weighs first; kinds: whether thresholds are set apart for essays and other texts; alone_in_kind: whether IELTS, the
    only ESL humans, is calibrated by prompt folds.
    """

    power: float = 0.7
    other_kinds: float = 0.5
    persuade: float = 0.3
    ielts: float = 3.0
    base_models: float = 1.0
    small_models: float = 1.0
    members: tuple[tuple[str, float], ...] = (("huber", 3e-5), ("log", 3e-6), ("bayes", 1.0))
    weighed: tuple[str, ...] = ()
    word_ngrams: tuple[int, int] = (1, 3)
    n_bits: int = 22
    min_df: int = 20
    lowercase: bool = False
    drop_weak: bool = True
    kinds: bool = True
    alone_in_kind: bool = True


RECIPE = Row()
ROWS: dict[str, Row] = {
    "recipe": RECIPE,
    "flat_weights": replace(RECIPE, power=0.0, other_kinds=1.0, persuade=1.0, ielts=1.0),
    "sqrt_weights": replace(RECIPE, power=0.5, other_kinds=1.0, persuade=1.0, ielts=1.0),
    "equal_populations": replace(RECIPE, power=1.0, other_kinds=1.0, persuade=1.0, ielts=1.0),
    "essays_not_raised": replace(RECIPE, other_kinds=1.0),
    "essays_x5": replace(RECIPE, other_kinds=0.2),
    "essays_x20": replace(RECIPE, other_kinds=0.05),
    "persuade_whole": replace(RECIPE, persuade=1.0),
    "ielts_once": replace(RECIPE, ielts=1.0),
    "weak_labels_kept": replace(RECIPE, drop_weak=False),
    "huber_only": replace(RECIPE, members=(("huber", 3e-5),)),
    "log_only": replace(RECIPE, members=(("log", 3e-6),)),
    "bayes_only": replace(RECIPE, members=(("bayes", 1.0),)),
    "no_bayes": replace(RECIPE, members=(("huber", 3e-5), ("log", 3e-6))),
    "weighed_by_bayes": replace(
        RECIPE, members=(("huber", 3e-5), ("log", 3e-6)), weighed=("huber", "log")
    ),
    "no_base_models": replace(RECIPE, base_models=0.0),
    "few_small_models": replace(RECIPE, base_models=0.0, small_models=0.3),
    "no_small_models": replace(RECIPE, base_models=0.0, small_models=0.0),
    "hinge": replace(RECIPE, members=(("hinge", 1e-4),)),
    "less_regularised": replace(RECIPE, members=(("huber", 1e-5), ("log", 1e-6), ("bayes", 1.0))),
    "more_regularised": replace(RECIPE, members=(("huber", 1e-4), ("log", 1e-5), ("bayes", 1.0))),
    "min_df_100": replace(RECIPE, min_df=100),
    "all_in_2_20": replace(RECIPE, n_bits=20, min_df=1),
    "words_1_2": replace(RECIPE, word_ngrams=(1, 2)),
    "lower_case": replace(RECIPE, lowercase=True),
    "one_threshold": replace(RECIPE, kinds=False),
    "ielts_held_out": replace(RECIPE, alone_in_kind=False),
}


@dataclass(frozen=True)
class Texts:
    """The corpora: one row a text in `table`, train first, then dev."""

    table: pd.DataFrame
    packed: PackedTexts
    words: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """Which texts are of train/."""
        return (self.table["part"] == "train").to_numpy()


def read(data: Path) -> Texts:
    """Read train/ and dev/, name the human populations and count words."""
    frames = [
        pd.read_parquet(path).assign(part=part, corpus=path.stem)
        for part in ("train", "dev")
        for path in sorted((data / part).glob("*.parquet"))
    ]
    table = pd.concat(frames, ignore_index=True)
    table["attack"] = table["attack"].fillna("none")
    packed = PackedTexts.pack(table["text"])
    population = table["corpus"] + "/" + table["domain"]
    population = population.mask(table["corpus"] == "mixset_apt_polish", "mixset")
    population = population.mask(
        table["corpus"] == "ielts_human", "ielts/" + table["split"].astype(str)
    )
    population = population.mask(table["corpus"] == L2R, L2R)
    table = table.drop(columns="text").assign(
        population=population,
        family=table["corpus"].replace(FAMILIES),
        essay=table["domain"].isin(ESSAY_DOMAINS),
    )
    return Texts(table, packed, kernels.statistics(packed)[:, 0])


def lanes(texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which texts each lane learns from, (n, N_LANES), and the LOCO and prompt lane of each text."""
    table = texts.table
    families = sorted(table.loc[texts.train, "family"].unique())
    loco = (
        table["family"]
        .map({name: i for i, name in enumerate(families)})
        .fillna(EVERYTHING)
        .to_numpy(int)
    )
    known_prompts = table.groupby("corpus")["prompt_id"].transform("nunique") >= 50
    prompt = (
        table["prompt_id"].astype(str).where(known_prompts, table.index.to_series().astype(str))
    )
    _, group = np.unique(table["corpus"] + ":" + prompt, return_inverse=True)
    fold = np.random.default_rng(0).integers(0, N_PROMPT_FOLDS, group.max() + 1)[group]
    by_prompt = np.where(texts.train, FIRST_PROMPT_LANE + fold, EVERYTHING)
    learns = np.repeat(texts.train[:, None], N_LANES, axis=1).astype(np.float32)
    rows = np.flatnonzero(texts.train)
    learns[rows, loco[rows]] = 0.0
    learns[rows, by_prompt[rows]] = 0.0
    return learns, loco, by_prompt


def text_weights(texts: Texts, row: Row) -> np.ndarray:
    """Return the weight of each text before the classes are balanced."""
    table = texts.table
    llm = table["generated"] == 1
    weight = texts.train.astype(float)
    if row.drop_weak:
        weight[table["attack"].isin(NEARLY_HUMAN) | (table["corpus"] == "appstat_qa")] = 0.0
        weight[(table["corpus"] == "hc3plus") & llm] = 0.0
    source = np.where(llm, table["corpus"] + " by LLM", table["population"])
    size = pd.Series(weight > 0).groupby(source).transform("sum").clip(lower=1).to_numpy(float)
    weight *= size**-row.power
    weight[~table["essay"]] *= row.other_kinds
    weight[table["corpus"] == "persuade_fp21"] *= row.persuade
    weight[table["corpus"] == "ielts_human"] *= row.ielts
    weight[table["generator"].isin(BASE_MODELS)] *= row.base_models
    weight[table["generator"].isin(SMALL_MODELS)] *= row.small_models
    return weight


def balance(weight: np.ndarray, strata: list[np.ndarray]) -> np.ndarray:
    """Scale each stratum of each lane (n, N_LANES) to the same total within its pair, and the mean weight to 1."""
    for first, second in zip(strata[::2], strata[1::2], strict=True):
        total = weight[first].sum(0)
        weight[second] *= total / np.maximum(weight[second].sum(0), 1e-12)
    mean: np.ndarray = weight.sum(0) / (weight > 0).sum(0)
    return np.ascontiguousarray(weight / mean, np.float32)


@njit(nogil=True, fastmath=True, cache=True)
def _epoch(  # type: ignore[no-untyped-def]
    indptr, indices, values, order, y, weight, columns, coef, intercept, state, alpha, start, loss
):
    step, scale = state
    score, gain = np.empty(N_LANES, np.float32), np.empty(N_LANES, np.float32)
    for row in order:
        score[:] = 0.0
        for j in range(indptr[row], indptr[row + 1]):
            for k in range(N_LANES):
                score[k] += values[j] * columns[indices[j], k] * coef[indices[j], k]
        eta = 1.0 / (alpha * (start + step))
        step += 1
        before, scale = scale, scale * (1.0 - eta * alpha)
        for k in range(N_LANES):
            margin = y[row] * (score[k] * before + intercept[k])
            if loss == 0:  # modified Huber
                slope = 0.0 if margin >= 1 else (2 * (1 - margin) if margin >= -1 else 4.0)
            elif loss == 1:  # logistic
                slope = 1 / (1 + np.exp(min(max(margin, -30.0), 30.0)))
            else:  # hinge
                slope = 1.0 if margin < 1 else 0.0
            gain[k] = y[row] * slope * weight[row, k] * eta
            intercept[k] += 0.01 * gain[k]
            gain[k] /= scale
        for j in range(indptr[row], indptr[row + 1]):
            for k in range(N_LANES):
                coef[indices[j], k] += values[j] * columns[indices[j], k] * gain[k]
        if scale < 1e-6:
            coef *= np.float32(scale)
            scale = 1.0
    state[0], state[1] = step, scale


def masses(X: Any, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what each column adds up to in both classes of each lane, (2, n_features, N_LANES)."""
    return np.stack([X.T @ (weight * (y == label)[:, None]) for label in (-1, 1)])


def column_weights(mass: np.ndarray) -> np.ndarray:
    """Return the absolute log ratio of each column, of mean square 1 (NBSVM, Wang & Manning 2012), (n_features,)."""
    shares = (1.0 + mass) / (1.0 + mass).sum(1, keepdims=True)
    ratio = np.abs(np.diff(np.log(shares), axis=0)[0])
    weights: np.ndarray = ratio / np.sqrt(np.mean(ratio**2))
    return weights


def fit(
    X: Any, y: np.ndarray, weight: np.ndarray, loss: str, alpha: float, *, weighed: bool = False
) -> np.ndarray:
    """Fit N_LANES linear models at once, by SGD (6 epochs, the last 3 averaged) or naive Bayes; return all scores."""
    if loss == "bayes":
        mass = alpha + masses(X, y, weight)
        by_bayes: np.ndarray = X @ np.diff(np.log(mass / mass.sum(1, keepdims=True)), axis=0)[0]
        return by_bayes
    columns = np.ones((X.shape[1], N_LANES), np.float32)
    if weighed:
        mass = masses(X, y, weight)
        for lane in range(N_LANES):
            columns[:, lane] = column_weights(mass[:, :, lane])
    coef = np.zeros((X.shape[1], N_LANES), np.float32)
    mean, shift = np.zeros_like(coef), np.zeros(N_LANES)
    intercept, state = np.zeros(N_LANES, np.float32), np.array([0.0, 1.0])
    start = alpha**-0.75 * (4 if loss == "huber" else 1)
    rows = np.flatnonzero((weight > 0).any(1))
    rng = np.random.default_rng(0)
    code = ("huber", "log", "hinge").index(loss)
    for epoch in range(6):
        _epoch(
            *(X.indptr, X.indices, X.data, rng.permutation(rows), y, weight, columns),
            *(coef, intercept, state, alpha, start, code),
        )
        if epoch >= 3:
            mean += coef * np.float32(state[1] / 3)
            shift += intercept / 3
    scores: np.ndarray = X @ (mean * columns) + shift
    return scores


def quantile(scores: np.ndarray, population: np.ndarray) -> float:
    """Return the score that FPR of the human texts reach, populations of FULL_SAY texts or more weighing the same."""
    size = pd.Series(population).groupby(population).transform("size").to_numpy()
    weight = 1.0 / np.maximum(size, FULL_SAY)
    order = np.argsort(-scores)
    return float(scores[order][np.searchsorted(np.cumsum(weight[order]) / weight.sum(), FPR)])


def measure(texts: Texts, row: Row, X: Any, kind: np.ndarray) -> dict[str, float | str]:
    """Train one row and return its figures; `kind` (n, N_LANES) is the log-odds of being an essay."""
    table = texts.table
    learns, loco_lane, prompt_lane = lanes(texts)
    llm, essay = (table["generated"] == 1).to_numpy(), table["essay"].to_numpy()
    every = np.arange(len(table))
    weight = text_weights(texts, row)[:, None] * learns
    weight = balance(weight, [~llm & essay, llm & essay, ~llm & ~essay, llm & ~essay])
    scores = np.zeros((len(table), N_LANES))
    for loss, alpha in row.members:
        y = np.where(llm, 1.0, -1.0).astype(np.float32)
        member = fit(X, y, weight, loss, alpha, weighed=loss in row.weighed)
        scores += member / np.std(member[texts.train & ~llm, loco_lane[texts.train & ~llm]])
    loco, known = scores[every, loco_lane], scores[every, prompt_lane]
    is_essay = np.where(row.kinds, kind[every, loco_lane] >= 0, False)
    known_essay = np.where(row.kinds, kind[every, prompt_lane] >= 0, False)
    alone = row.alone_in_kind & (table["corpus"] == "ielts_human").to_numpy()
    calibration = np.where(alone, known, loco)
    calibration_essay = np.where(alone, known_essay, is_essay)
    human = ~llm & (texts.words >= MIN_WORDS)
    usable = human & texts.train & ~table["corpus"].isin(["appstat_qa", "hc3plus"]).to_numpy()
    population = table["population"].to_numpy(object)
    threshold = [0.0, 0.0]
    for value in (0, 1):
        rows = usable & (calibration_essay == value)
        threshold[value] = quantile(calibration[rows], population[rows]) if rows.any() else np.inf
    unseen = pd.Series(loco >= np.array(threshold)[is_essay.astype(int)])[usable].groupby(
        population[usable]
    )
    rates = unseen.mean()[unseen.size() >= SMALLEST_POPULATION]
    rates = rates[~rates.index.str.startswith("ielts") if row.alone_in_kind else rates.index]
    flagged = known >= np.array(threshold)[known_essay.astype(int)]
    plain = llm & table["attack"].eq("none").to_numpy() & essay
    plain &= table["generator"].isin(PLAIN_MODELS).to_numpy() | ~texts.train
    strict = usable & table["corpus"].isin(ESSAY_HUMANS).to_numpy()
    essay_threshold = quantile(known[strict], population[strict])
    by_corpus = pd.Series(flagged)[plain].groupby(table.loc[plain, "corpus"]).mean()
    dev = ~texts.train
    return {
        "LOCO AUROC": mean_auroc(texts, loco, old=False),
        "by prompt AUROC": mean_auroc(texts, known, old=True),
        "worst unseen FPR": float(rates.max()),
        "of": str(rates.idxmax()),
        "dev FPR": float(flagged[dev & ~llm].mean()),
        "TPR essays": float(by_corpus.mean()),
        "worst": float(by_corpus.min()),
        "essay TPR": float(np.mean(known[plain] >= essay_threshold)),
    }


def essay_kind(texts: Texts, X: Any) -> np.ndarray:
    """Return the log-odds, (n, N_LANES), that each text is an essay, human and LLM texts counting the same."""
    llm, essay = (texts.table["generated"] == 1).to_numpy(), texts.table["essay"].to_numpy()
    plain = replace(RECIPE, power=0.5, other_kinds=1.0, persuade=1.0, ielts=1.0)
    weight = text_weights(texts, plain)[:, None] * lanes(texts)[0]
    a, b, c, d = essay & llm, ~essay & llm, essay & ~llm, ~essay & ~llm
    weight = balance(weight, [a, b, a, c, a, d])
    return fit(X, np.where(essay, 1.0, -1.0).astype(np.float32), weight, "log", 3e-5)


def mean_auroc(texts: Texts, scores: np.ndarray, *, old: bool) -> float:
    """Return the mean AUROC over corpus x domain x attack x generator, each against its corpus's humans."""
    table = texts.table.assign(score=scores)
    human = table[table["generated"] == 0]
    llm = table[(table["generated"] == 1) & ~table["attack"].isin(NEARLY_HUMAN)]
    llm = llm[
        ~llm["corpus"].isin(["appstat_qa", "hc3plus"]) & (old | ~llm["generator"].isin(OLD_MODELS))
    ]
    found = []
    for (corpus, domain, _, _), group in llm.groupby(["corpus", "domain", "attack", "generator"]):
        against = human[human["corpus"] == ("fastdetect_glimpse" if corpus == "imbd" else corpus)]
        if against.empty:
            against = human[human["corpus"] == "ielts_human"]
        same = against[against["domain"] == domain]
        against = same if len(same) >= 30 else against
        if len(group) >= 40:
            y = np.repeat([0, 1], [len(against), len(group)])
            found.append(metrics.roc_auc(y, np.concatenate((against["score"], group["score"]))))
    return float(np.mean(found))


def main(data: str = "../shared/data", rows: str | tuple[str, ...] = "") -> str:
    """Print the table as Markdown, one line as soon as each row is done."""
    names = [
        name.strip()
        for name in (rows.split(",") if isinstance(rows, str) else rows)
        if name.strip()
    ]
    texts = read(Path(data))
    matrices: dict[tuple[Any, ...], Any] = {}
    for name in names or ROWS:
        row = ROWS[name]
        start = time.perf_counter()
        settings = (row.word_ngrams, row.n_bits, row.min_df, row.lowercase)
        if settings not in matrices:
            matrices.clear()  # one matrix at a time: half a gigabyte each
            X = features(texts, row)
            matrices[settings] = X, essay_kind(texts, X)
        figures = measure(texts, row, *matrices[settings])
        if name == (names or list(ROWS))[0]:
            print("| row |", " | ".join(figures), "| s |\n|---|" + "---|" * (len(figures) + 1))
        shown = (f"{v:.3f}" if isinstance(v, float) else v for v in figures.values())
        print(
            f"| {name} |", " | ".join(shown), f"| {time.perf_counter() - start:.0f} |", flush=True
        )
    return ""


def features(texts: Texts, row: Row) -> Any:
    """Return the TF-IDF matrix of all texts, idf learnt on train/ and only the columns in use."""
    tfidf = HashedTfidf(
        word_ngrams=row.word_ngrams,
        n_bits=row.n_bits,
        min_df=row.min_df,
        lowercase=row.lowercase,
        n_jobs=2,
    )
    tfidf.fit(texts.packed.take(np.flatnonzero(texts.train)))
    X = tfidf.transform(texts.packed)
    column = np.cumsum(tfidf.idf_ > 0) - 1
    X.indices = column[X.indices].astype(np.int32)
    X.resize(X.shape[0], int(column[-1]) + 1)
    return X


if __name__ == "__main__":
    fire.Fire(main)
