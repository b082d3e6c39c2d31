"""Two samples counted in the same bins: how unlike they are, and whether chance could have done it."""

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


def stability_index(expected: Float64Array, n_expected: int, counts: Int64Array) -> float:
    """Return the population stability index of counts against expected shares, at least 0.

    Half a text is added to every bin, so that empty ones have a logarithm, and what chance adds on average,
    (bins - 1) (1 / n + 1 / n_expected), is taken off (Yurdakul 2018).

    Args:
        expected: float64 (bins,), shares in the first sample.
        n_expected: size of the first sample.
        counts: (bins,), the second sample.
    """
    n_bins, n = len(expected), int(counts.sum())
    p = (counts + 0.5) / (n + 0.5 * n_bins)
    q = (n_expected * expected + 0.5) / (n_expected + 0.5 * n_bins)
    by_chance = (n_bins - 1) * (1.0 / max(1, n) + 1.0 / max(1, n_expected))
    return max(0.0, float(np.sum((p - q) * np.log(p / q))) - by_chance)


def fisher_p_values(first: Int64Array, second: Int64Array) -> Float64Array:
    """Return for each inner edge between the bins the two-sided p-value of Fisher's exact test on what lies beyond.

    Exact for samples of any size and bins with hardly anything in them; not corrected for the number of edges.

    Args:
        first: int64 (bins,), the counts of one sample.
        second: int64 (bins,), the counts of the other one.
    """
    from scipy.stats import hypergeom  # takes its time to import

    n, n_all = second.sum(), first.sum() + second.sum()
    if not n_all:
        return np.ones(len(second) - 1)
    beyond = second[::-1].cumsum()[::-1][1:]
    both = beyond + first[::-1].cumsum()[::-1][1:]
    lower, upper = (
        hypergeom.cdf(beyond, n_all, both, n),
        hypergeom.sf(beyond - 1, n_all, both, n),
    )
    p_values: Float64Array = np.minimum(1.0, 2.0 * np.minimum(lower, upper))
    return p_values
