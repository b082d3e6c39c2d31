"""The texts that a running service saw last, as counts: old blocks of them go as new ones come."""

from collections import deque
from threading import Lock

from ai_detect.drift import Counts, Reference, compare
from ai_detect.drift_report import DriftReport
from ai_detect.predictor import Predictions

WINDOW = 2000


class DriftWindow:
    """The last `size` texts or some more, compared with the reference of their model. Safe between threads.

    Args:
        reference: of the model that scores the texts; another model takes another window.
        size: texts to keep counts of, in blocks that go when the others hold as many.
    """

    def __init__(self, reference: Reference, *, size: int = WINDOW) -> None:
        self._reference = reference
        self._size = size
        self._blocks: deque[Counts] = deque([Counts.none(reference)])
        self._lock = Lock()

    def add(self, predictions: Predictions) -> None:
        """Count the texts of some predictions."""
        counts = Counts.of(self._reference, predictions)
        with self._lock:
            if self._blocks[-1].n < self._size // 20:
                self._blocks[-1] += counts
            else:
                self._blocks.append(counts)
            while sum(block.n for block in self._blocks) - self._blocks[0].n >= self._size:
                self._blocks.popleft()

    def counts(self) -> Counts:
        """Return the counts of the window, which may be added to those of other processes."""
        with self._lock:
            return sum(self._blocks, Counts.none(self._reference))

    def report(self, *, prior: float = 0.0) -> DriftReport:
        """Compare the window with the reference; see `compare`."""
        return compare(self._reference, self.counts(), prior=prior)
