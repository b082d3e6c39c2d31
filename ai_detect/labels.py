"""What labels mean: human and llm in one of several spellings, or the classes of another task."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ai_detect.errors import DataError
from ai_detect.tables import listed

CLASSES = ("human", "llm")

_NUMBER = re.compile(r"[-+]?[0-9]+([.][0-9]+)?")
_HUMAN = ("human", "human-written", "student", "person", "real")
_LLM = ("llm", "ai", "ai-generated", "machine", "generated", "fake", "gpt", "chatgpt")
_DETECTION_KINDS = (  # the ways to say human and llm; labels of one dataset stick to one
    {"0": 0, "0.0": 0, "1": 1, "1.0": 1},
    {"false": 0, "true": 1},
    dict.fromkeys(_HUMAN, 0) | dict.fromkeys(_LLM, 1),
)


@dataclass(frozen=True)
class LabelCode:
    """The classes in the order of their numbers; detection is the pair of human (0) and llm (1)."""

    classes: tuple[str, ...]
    detection: bool


def encode_labels(labels: Iterable[str]) -> tuple[LabelCode, npt.NDArray[np.int64]]:
    """Number the classes of a dataset, and tell whether they are human and llm.

    Args:
        labels: one a row: 0 and 1, true and false, or words such as human and ai for detection; any
            others, two or more, for another task, numbered in sorted order.

    Returns:
        The classes, and the number of each row's class as int64 (n,).

    Raises:
        DataError: there is one class only, or numbers stand beside words or truth values.
    """
    rows = [label.strip() for label in labels]
    distinct = sorted(set(rows))
    numbers = _detection_numbers(distinct)
    code = LabelCode(CLASSES, True)
    if numbers is None:
        _refuse_mixed(distinct)
        code = LabelCode(tuple(distinct), False)
        numbers = {label: i for i, label in enumerate(distinct)}
    if len(set(numbers.values())) < 2:
        raise DataError(
            f"The labels have one class only ({listed(distinct, 5)}); expected at least two."
        )
    return code, np.array([numbers[label] for label in rows], np.int64)


def encode_known_labels(
    labels: Iterable[str], classes: Sequence[str], *, detection: bool
) -> npt.NDArray[np.int64]:
    """Number labels by the classes of a model, of which not all need to occur.

    Args:
        labels: one a row.
        classes: the classes of the model, in the order of their numbers.
        detection: whether these are human and llm, so that 0 and 1, false and true ... do as well.

    Returns:
        The number of each row's class as int64 (n,).

    Raises:
        DataError: a label is none of the classes.
    """
    rows = [label.strip() for label in labels]
    distinct = sorted(set(rows))
    numbers = _detection_numbers(distinct) if detection else None
    if numbers is None:
        numbers = {name: i for i, name in enumerate(classes)}
        unknown = [label for label in distinct if label not in numbers]
        if unknown:
            raise DataError(
                f"The dataset has labels that the model does not know ({listed(unknown, 5)}); it tells apart "
                f"{listed(classes, 5)}. Name another column with --label_column, or train again."
            )
    return np.array([numbers[label] for label in rows], np.int64)


def _detection_numbers(distinct: Sequence[str]) -> dict[str, int] | None:
    for kind in _DETECTION_KINDS:
        if all(label.lower() in kind for label in distinct):
            return {label: kind[label.lower()] for label in distinct}
    return None


def _refuse_mixed(distinct: Sequence[str]) -> None:
    is_number = [bool(_NUMBER.fullmatch(label)) for label in distinct]
    if any(is_number) and not all(is_number):
        examples = [distinct[is_number.index(True)], distinct[is_number.index(False)], *distinct]
        raise DataError(
            f"The labels mix numbers with words ({listed(list(dict.fromkeys(examples)), 5)}); "
            "expected one kind: 0 and 1, or human and llm, or names of classes."
        )


def label_meaning(label: str) -> str:
    """Give labels of detection that mean the same, such as human and 0, one form."""
    side = [kind[label.lower()] for kind in _DETECTION_KINDS if label.lower() in kind]
    return CLASSES[side[0]] if side else label
