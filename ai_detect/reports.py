"""What the commands answer: frozen values that print as text and turn into JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ai_detect.evaluation import Evaluation


@dataclass(frozen=True)
class TrainReport:
    """The outcome of a training run."""

    model_dir: str
    published_to: str
    n_texts: int
    seconds: float
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "model_dir": self.model_dir,
            "published_to": self.published_to,
            "n_texts": self.n_texts,
            "seconds": self.seconds,
            "out_of_fold": self.evaluation.to_dict()["overall"],
        }

    def __str__(self) -> str:
        return (
            f"{self.evaluation}\n"
            f"trained on {self.n_texts} texts in {self.seconds:.1f} s; "
            f"model in {self.model_dir}, published to {self.published_to}"
        )


@dataclass(frozen=True)
class PredictReport:
    """The outcome of scoring a dataset. counts: rows by verdict (detection) or by label."""

    output: str
    n_rows: int
    n_bad: int
    counts: dict[str, int]
    problems: dict[str, int]
    model: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        text = (
            f"{self.n_rows - self.n_bad} of {self.n_rows} rows scored in {self.seconds:.1f} s by {self.model}: "
            f"{counted or 'none'}\n"
        )
        if self.n_bad:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.problems.items())
            text += f"kept with an empty prediction: {reasons}\n"
        if any(reason.startswith("not UTF") for reason in self.problems):
            text += "a file in another encoding, such as cp1252, is read with --encoding=cp1252\n"
        return text + f"results in {self.output}"


@dataclass(frozen=True)
class TextReport:
    """The outcome of scoring one text. p_value and verdict are of detection models only."""

    label: str
    probability: float
    words: int
    verdict: str = ""
    p_value: float | None = None
    reason: str = ""
    obfuscation: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.verdict:
            return f"{self.label} (probability {self.probability:.4f})"
        why = f": {self.reason}" if self.reason else ""
        p_value = f"p-value {self.p_value:.4g}" if self.p_value is not None else "no p-value"
        lines = f"{self.verdict}{why}\nprobability of llm {self.probability:.4f}, {p_value}, {self.words} words"
        if self.obfuscation:
            lines += (
                f"\n{self.obfuscation} hidden or look-alike characters were undone before scoring"
            )
        return lines


@dataclass(frozen=True)
class CalibrateReport:
    """The outcome of making a site profile.

    n_left_out: rows without a place in it, n_copies of them because their text was there before; flagged: share of its
    texts that the general profile calls llm at 1 %.
    """

    profile: str
    file: str
    n_texts: int
    n_left_out: int
    n_copies: int
    smallest_fpr: float
    flagged: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"profile {self.profile} from {self.n_texts} human texts ({self.n_left_out} rows left out, "
            f"{self.n_copies} of them copies of a text); "
            f"{100 * self.flagged:.1f} % of these would be called llm by the general profile at 1 %\n"
            f"smallest false-positive rate it can promise: {self.smallest_fpr:.4g}\n"
            f"use it with --profile={self.profile}; it is kept in {self.file}"
        )


@dataclass(frozen=True)
class ModelInfo:
    """What a model folder says of itself; site_profiles: name -> in use, or stale."""

    folder: str
    manifest: dict[str, Any] = field(repr=False)
    site_profiles: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the folder and the manifest."""
        return {"folder": self.folder, "site_profiles": self.site_profiles, **self.manifest}

    def __str__(self) -> str:
        data, task, figures = (self.manifest[k] for k in ("data", "task", "metrics"))
        figures = figures["out_of_fold"]
        quality = (
            f"ROC AUC {figures['roc_auc']['value']:.4f}"
            if "roc_auc" in figures
            else f"accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}"
        )
        lines = [
            f"{self.folder}, made by ai_detect {self.manifest['package_version']} "
            f"on {self.manifest['created']}",
            f"kind: {self.manifest['config']['model']}; classes: {', '.join(task['classes'][:10])}"
            + (f" and {len(task['classes']) - 10} more" if len(task["classes"]) > 10 else ""),
            f"trained on {data['texts']} texts of {data['dataset']}; out of fold: {quality}",
        ]
        for rate in figures.get("rates", ()):
            lines.append(
                f"at a promised false-positive rate of {rate['promised_fpr']:g}: achieved "
                f"{rate['achieved_fpr']['value']:.4f} over all human texts, LLM texts caught {rate['tpr']:.4f}"
            )
        for name, profile in self.manifest["profiles"].items():
            lines.append(
                f"profile {name}: for {profile['population']}; {profile['texts']} human texts, smallest promise "
                f"{profile['floor']:.4g}"
            )
        for name, state in self.site_profiles.items():
            lines.append(f"site profile {name}: {state}")
        return "\n".join(lines)


@dataclass(frozen=True)
class WarmupReport:
    """Where the compiled kernels are kept, and how long it took to have them there."""

    folder: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"kernels ready after {self.seconds:.1f} s, kept in {self.folder}"
