"""Transformers that scikit-learn lacks: dates and numbers written as text, and columns prepared for a network."""

from moonnet.preprocessing._dates import DateEncoder
from moonnet.preprocessing._numbers import NumberEncoder
from moonnet.preprocessing._piecewise import PiecewiseLinearEncoder
from moonnet.preprocessing._scaling import SmoothClipScaler
from moonnet.preprocessing._target_encoder import CategoryTargetEncoder

__all__ = ["CategoryTargetEncoder", "DateEncoder", "NumberEncoder", "PiecewiseLinearEncoder", "SmoothClipScaler"]

# Pickles and skops files contain this name, also those of versions in which this package was a module
for _transformer in (CategoryTargetEncoder, DateEncoder, NumberEncoder, PiecewiseLinearEncoder, SmoothClipScaler):
    _transformer.__module__ = __name__
