"""Underflow and overflow of products and means of likelihoods in floating point."""

from __future__ import annotations

import numpy as np

__all__ = ["average_likelihood", "running_products"]


def running_products(log_p: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Multiplies probabilities or densities one by one in a given precision.

    Args:
        log_p: logarithms of the factors, `(P,)`.
        dtype: floating-point type, such as `np.float16`.

    Returns:
        `(P,)` the product after each factor: 0 once it has underflowed, infinite once it has
        overflowed.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factors = np.exp(np.asarray(log_p, dtype=np.float64)).astype(dtype)
        return np.multiply.accumulate(factors, dtype=dtype)


def average_likelihood(log_p: np.ndarray, dtype: type[np.floating]) -> tuple[float, float]:
    """Log of the mean of likelihoods, computed directly and by log-sum-exp.

    Args:
        log_p: logarithms of the likelihoods, `(K,)`.
        dtype: floating-point type of both computations.

    Returns:
        The direct value, which is −inf if all exponentials underflow, and that of log-sum-exp.
    """
    values = np.asarray(log_p, dtype=dtype)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        naive = np.log(np.exp(values).mean(dtype=dtype))
        top = values.max()
        stable = top + np.log(np.exp(values - top).mean(dtype=dtype))
    return float(naive), float(stable)
