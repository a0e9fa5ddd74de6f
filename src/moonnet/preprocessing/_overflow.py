"""Arithmetic with numbers near the largest one of a dtype, whose differences would overflow."""

from typing import Any

import numpy as np


def safe_factor(largest: np.ndarray, dtype: Any) -> np.ndarray:
    """Return powers of two, by which numbers of this magnitude become less than 1/16 of the largest one of the dtype.

    Powers of two change no bit of the mantissa. The factor of smaller numbers is 1.
    """
    exponent = np.frexp(np.nan_to_num(largest))[1]
    return np.ldexp(1.0, -np.maximum(exponent - np.finfo(dtype).maxexp + 4, 0))


def quantiles(numbers: np.ndarray, levels: Any) -> np.ndarray:
    """Return quantiles of at least one finite number, in float64."""
    numbers = numbers.astype(np.float64)
    factor = safe_factor(np.abs(numbers).max(), np.float64)  # NumPy interpolates with a difference
    return np.quantile(numbers if factor == 1 else numbers * factor, levels) / factor
