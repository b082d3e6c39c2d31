"""What is sent and answered, as the OpenAPI document tells it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ai_detect.profiles import GENERAL

_ESSAY = "Many people believe that homework is useful. Others, however, say the opposite."

ProfileName = Annotated[
    str,
    Field(
        max_length=64,
        description="Whom the promise is for: general, essay, or a site profile.",
        examples=[GENERAL],
    ),
]
Rate = Annotated[
    float,
    Field(
        gt=0, lt=1, description="Promised false-positive rate; 0.01 if not given.", examples=[0.01]
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PredictRequest(_Request):
    """One text, or a list of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": _ESSAY}, {"texts": [_ESSAY, "A second one."], "fpr": 0.05}],
            "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
        }
    )

    text: str = ""
    texts: list[str] = Field(default_factory=list)
    profile: ProfileName = GENERAL
    fpr: Rate | None = None
    prior: float = Field(0.5, gt=0, lt=1, description="Share of LLM texts that you expect.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if len(self.model_fields_set & {"text", "texts"}) != 1:
            raise ValueError("give either text or texts, and one of them")
        return self

    @property
    def all_texts(self) -> list[str]:
        """The texts to score."""
        return self.texts if "texts" in self.model_fields_set else [self.text]


class ExplainRequest(_Request):
    """A text to explain."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": _ESSAY}]})

    text: str
    profile: ProfileName = GENERAL
    fpr: Rate | None = None
    windows: bool = Field(False, description="Score stretches of 150 words by themselves, too.")


class FileOptions(_Request):
    """The fields of the form beside the file."""

    profile: ProfileName = GENERAL
    fpr: Rate | None = None
    prior: float = Field(0.5, gt=0, lt=1)
    text_column: str = Field("", max_length=200)
    id_column: str = Field("", max_length=200)
    encoding: str = Field("utf-8", max_length=40)


class ModelName(BaseModel):
    """Which model answered: version changes with the weights."""

    version: str
    name: str


class Prediction(BaseModel):
    """What the model says of one text. Models of other classes give these as verdicts, and no p-value."""

    probability: float
    verdict: str
    p_value: float | None
    reason: str
    words: int
    obfuscation: int


class PredictResponse(BaseModel):
    """The predictions, in the order of the texts."""

    model: ModelName
    profile: str
    fpr: float
    predictions: list[Prediction]


class JobResponse(BaseModel):
    """A file at work. histogram: rows by probability, in 20 bins from 0 to 1."""

    id: str
    name: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    rows: int
    bytes_read: int
    bytes_total: int
    verdicts: dict[str, int]
    histogram: list[int]
    problems: dict[str, int]
    error: str
    created: str
    finished: str


class JobsResponse(BaseModel):
    """All jobs, newest first."""

    jobs: list[JobResponse]


class ProfileResponse(BaseModel):
    """A profile: whom it is of, the smallest rate it can promise, and by length the score from which 1 % is reached."""

    population: str
    texts: int
    floor: float
    thresholds: list[dict[str, Any]]


class ModelResponse(BaseModel):
    """The model in use."""

    version: str
    name: str
    created: str
    classes: list[str]
    card: str
    metrics: dict[str, Any]
    profiles: dict[str, ProfileResponse]
    human_below: float
    plots: list[str]


class LogLine(BaseModel):
    """One record of the log, a traceback with it."""

    time: str
    level: str
    logger: str
    message: str


class LogResponse(BaseModel):
    """The last records, oldest first."""

    lines: list[LogLine]


class ProblemResponse(BaseModel):
    """A problem document (RFC 9457). instance: the id of the request, as in the log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
