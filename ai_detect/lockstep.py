"""Several L-BFGS runs that ask for their losses and gradients together, where one pass over the data can answer all.

Each run is SciPy's own, in a thread that waits for its answer, so each takes the very steps that it would take alone.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
# Of points (size, m) and the numbers of their m problems: losses (m,) and gradients (size, m).
Evaluate = Callable[[Float64Array, Sequence[int]], tuple[Float64Array, Float64Array]]


class _Stopped(Exception):  # noqa: N818 - no failure of its own: it ends the threads when something else has failed
    pass


@dataclass
class _Exchange:
    """Questions of all runs, and a queue of answers for each; None as a question: it has found its minimum."""

    questions: SimpleQueue[tuple[int, Float64Array | None]] = field(default_factory=SimpleQueue)
    answers: list[SimpleQueue[tuple[float, Float64Array] | None]] = field(default_factory=list)

    def ask(self, problem: int, point: Float64Array) -> tuple[float, Float64Array]:
        """Hand in a question and wait for the answer."""
        self.questions.put((problem, point))
        answer = self.answers[problem].get()
        if answer is None:
            raise _Stopped
        return answer

    def collect(self, n_running: int) -> dict[int, Float64Array | None]:
        """Wait until every running problem has a question or its minimum."""
        return dict(sorted(self.questions.get() for _ in range(n_running)))


def minimise_together(
    evaluate: Evaluate, *, n_problems: int, size: int, tolerance: float, max_iterations: int
) -> Float64Array:
    """Minimise functions from zero, by the settings of scikit-learn's logistic regression.

    Args:
        evaluate: losses and gradients of some of the problems.
        n_problems: how many there are.
        size: number of parameters of each.
        tolerance: a run ends when no element of its gradient is larger.
        max_iterations: or after so many steps.

    Returns: float64 (size, n_problems), the minima.
    """
    exchange = _Exchange(answers=[SimpleQueue() for _ in range(n_problems)])

    def run(problem: int) -> Float64Array:
        from scipy.optimize import minimize

        try:
            found = minimize(
                lambda point: exchange.ask(problem, point.copy()),
                np.zeros(size),
                method="L-BFGS-B",
                jac=True,
                options={
                    "maxiter": max_iterations,
                    "maxls": 50,
                    "gtol": tolerance,
                    "ftol": 64 * np.finfo(float).eps,
                },
            )
        finally:
            exchange.questions.put((problem, None))
        minimum: Float64Array = found.x
        return minimum

    with ThreadPoolExecutor(n_problems) as pool:
        runs = [pool.submit(run, problem) for problem in range(n_problems)]
        running = list(range(n_problems))
        try:
            while running:
                asked = exchange.collect(len(running))
                running = [problem for problem, point in asked.items() if point is not None]
                if running:
                    points = [point for point in asked.values() if point is not None]
                    losses, gradients = evaluate(np.column_stack(points), running)
                    for i, problem in enumerate(running):
                        answer = float(losses[i]), np.ascontiguousarray(gradients[:, i])
                        exchange.answers[problem].put(answer)
        except BaseException:
            for answers in exchange.answers:
                answers.put(None)
            raise
        return np.column_stack([one.result() for one in runs])
