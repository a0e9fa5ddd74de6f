"""Conversion of estimators, transformers and whole pipelines to ONNX.

Importing this module registers converters with skl2onnx. ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` then
convert a fitted ``KerasMoonClassifier`` or ``KerasMoonRegressor``, the ensembles of ``moonnet.ensemble`` and the
transformers of ``moonnet.preprocessing``, also as a step of a ``Pipeline`` or ``ColumnTransformer`` and as the best
estimator of a search. :func:`moonnet.onnx.to_onnx` also converts pipelines for tables with text and missing values,
such as those of :func:`moonnet.tables.tabular_pipeline`. This module needs the extra ``onnx``.

The graph computes in float64 if its input is declared as float64, and otherwise in float32. The layers of
``hidden_layers`` keep their own dtype, float32 by default, in a graph of float64.

Networks with ``hidden_layers`` are converted if moonnet predicts with them in NumPy, as the user guide lists. For
integers that an ``Embedding`` does not have, ONNX Runtime raises an error, as ``predict`` does.

The graph of a classifier has two outputs. The first contains the labels of ``predict``, of shape (n_samples,) or
(n_samples, n_labels); booleans become integers. The second contains the probabilities of ``predict_proba``, of shape
(n_samples, n_classes). Options of skl2onnx change the second output:

- ``zipmap``, which is on by default, converts each row to a dictionary. ONNX Runtime supports this only in float32.
- ``raw_scores`` returns logits instead of probabilities, in two columns for two classes. Ensembles do not have it.

Probabilities below the rounding error of 1 may be 0.

The graph of a regressor has one output, the predictions of ``predict`` with shape (n_samples, n_outputs). In float32,
they have the resolution of float32 in the unit of y. With several quantiles, a second output contains those of
``predict_quantiles``.

The graphs of transformers take numbers, with NaN for missing values. ONNX cannot parse text: where ``DateEncoder``
takes dates, its graph takes days since 1970-01-01, to which it applies the bounds. The graph of ``NumberEncoder`` takes
the numbers without their unit, and returns them.

Importing raises ``ImportError`` if skl2onnx is not installed. The conversion raises

- ``ValueError`` if the declared input has another number of columns than X in fit, if labels are neither integers nor
  strings, or if ``hidden_layers`` has a layer that moonnet does not compute in NumPy;
- ``TypeError`` if the declared input is not numeric.

See also :class:`moonnet.KerasMoonClassifier` and :class:`moonnet.KerasMoonRegressor`.

>>> import numpy as np
>>> import onnxruntime
>>> import skl2onnx
>>> from sklearn.datasets import make_moons
>>> import moonnet.onnx
>>> X, y = make_moons(200, noise=0.2, random_state=0)
>>> clf = moonnet.KerasMoonClassifier(random_state=0).fit(X, y)
>>> graph = skl2onnx.to_onnx(clf, X, options={"zipmap": False})
>>> session = onnxruntime.InferenceSession(graph.SerializeToString())
>>> labels, probabilities = session.run(None, {"X": X})
>>> bool((labels == clf.predict(X)).all())
True
>>> bool(np.allclose(probabilities, clf.predict_proba(X), rtol=1e-10))
True
"""

try:
    from skl2onnx import update_registered_converter
except ImportError as error:
    raise ImportError("moonnet.onnx needs skl2onnx: pip install 'moonnet[onnx]'") from error

from moonnet import ensemble, preprocessing, tables
from moonnet._classifier import KerasMoonClassifier
from moonnet._regressor import KerasMoonRegressor
from moonnet.onnx import _ensembles, _networks, _transformers
from moonnet.onnx._conversion import to_onnx

__all__ = ["to_onnx"]

_OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [False]}
for _classifier, _converters, _options in (
    (KerasMoonClassifier, _networks, _OPTIONS | {"raw_scores": [False, True]}),
    (ensemble.DeepEnsembleClassifier, _ensembles, _OPTIONS),
):
    update_registered_converter(
        _classifier,
        f"Moonnet{_classifier.__name__}",
        _converters.set_classifier_types,
        _converters.convert_classifier,
        options=_options,
    )
for _regressor, _converters in (
    (KerasMoonRegressor, _networks),
    (ensemble.DeepEnsembleRegressor, _ensembles),
):
    update_registered_converter(
        _regressor,
        f"Moonnet{_regressor.__name__}",
        _converters.set_regressor_types,
        _converters.convert_regressor,
        parser=_networks.parse_regressor,
    )
for _transformer, _convert in (
    (preprocessing.SmoothClipScaler, _transformers.convert_smooth_clip_scaler),
    (preprocessing.PiecewiseLinearEncoder, _transformers.convert_piecewise_linear_encoder),
    (preprocessing.DateEncoder, _transformers.convert_date_encoder),
    (preprocessing.NumberEncoder, _transformers.convert_to_numbers),
    (tables.ColumnsToFloat, _transformers.convert_to_numbers),
):
    _name = f"Moonnet{_transformer.__name__}"
    update_registered_converter(_transformer, _name, _transformers.set_number_types, _convert)
update_registered_converter(
    tables.ColumnsToText, "MoonnetColumnsToText", _transformers.set_text_types, _transformers.convert_to_text
)
