"""What becomes of products and means of likelihoods in floating point."""

from __future__ import annotations

import numpy as np

__all__ = ["average_likelihood", "running_products"]


def running_products(log_p: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Multiplies probabilities or densities one by one, as a computer of that precision does.

    Args:
        log_p: `(P,)` their logarithms.
        dtype: such as `np.float16`.

    Returns:
        `(P,)` the product after each factor: 0 once it has underflowed, infinite once it has
        overflowed.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factors = np.exp(np.asarray(log_p, dtype=np.float64)).astype(dtype)
        return np.multiply.accumulate(factors, dtype=dtype)


def average_likelihood(log_p: np.ndarray, dtype: type[np.floating]) -> tuple[float, float]:
    """Log of the mean of likelihoods, twice: as it is written, and by log-sum-exp.

    Args:
        log_p: `(K,)` logarithms of likelihoods.
        dtype: in which both are computed.

    Returns:
        (with exponentials, −inf once they all underflow; with the largest taken out first).
    """
    values = np.asarray(log_p, dtype=dtype)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        naive = np.log(np.exp(values).mean(dtype=dtype))
        top = values.max()
        stable = top + np.log(np.exp(values - top).mean(dtype=dtype))
    return float(naive), float(stable)
