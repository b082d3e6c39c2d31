"""Recent texts held against those of training, or others: figures and counts only, in the memory of one process.

A request leaves its figures here, which costs nothing; once a second they are counted, all at once.
"""

from dataclasses import fields

import numpy as np

from ai_detect.drift_report import DriftReport
from ai_detect.drift_window import DriftWindow
from ai_detect.errors import AiDetectError
from ai_detect.predictor import Predictions
from ai_detect.server.models import ServedModel

_MAX_WAITING = 2000  # texts to be counted; of more in a second the first ones speak for all


class DriftMonitor:
    """The window of the model in use; another model begins another one."""

    def __init__(self) -> None:
        self._window: DriftWindow | None = None
        self._why_none: AiDetectError | None = None
        self._waiting: list[Predictions] = []
        self._n_waiting = 0

    def swapped(self, model: ServedModel) -> None:
        """Begin anew: scores of two models are not alike."""
        self._waiting, self._n_waiting = [], 0
        if isinstance(model.drift, AiDetectError):
            self._window, self._why_none = None, model.drift
        else:
            self._window, self._why_none = DriftWindow(model.drift), None

    def add(self, predictions: Predictions) -> None:
        """Take the figures of some texts."""
        if self._window and self._n_waiting < _MAX_WAITING:
            self._waiting.append(predictions)
            self._n_waiting += len(predictions.words)

    def count(self) -> None:
        """Count what was taken since."""
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        if self._window and waiting:
            self._window.add(
                Predictions(
                    *(
                        np.concatenate([getattr(one, field.name) for one in waiting])
                        for field in fields(Predictions)
                    )
                )
            )

    @property
    def has_reference(self) -> bool:
        """Whether there is something to tell drift by."""
        return self._window is not None

    def report(self) -> DriftReport:
        """Compare the texts counted so far with the reference.

        Raises:
            AiDetectError: there is none.
        """
        if self._window is None:
            assert self._why_none
            raise self._why_none
        return self._window.report()
