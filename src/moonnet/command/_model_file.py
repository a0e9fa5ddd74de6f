"""Save the trained pipeline in skops's format, and load one from a file that may come from anybody.

skops trusts each estimator of scikit-learn, and some of them read beyond their arrays if a file says so. A file is
therefore checked part by part before anything is made of it: only what ``save_model`` writes is passed on to skops.
"""

import io
import json
import math
import warnings
import zipfile
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.utils.validation import check_is_fitted

try:
    import skops.io
except ImportError as error:
    raise ImportError("--csv needs skops: pip install 'moonnet[csv]'") from error

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._output_files import replacing
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.networks import DenseStack
from moonnet.networks._activations import ACTIVATIONS
from moonnet.preprocessing import (
    CategoryTargetEncoder,
    DateEncoder,
    NumberEncoder,
    PiecewiseLinearEncoder,
    SmoothClipScaler,
)
from moonnet.targets import ClassTargets

# The classes of the objects in a model. A pipeline with another transformer needs it here.
TRUSTED_CLASSES = (
    CategoryTargetEncoder,
    ColumnTransformer,
    DateEncoder,
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FeatureUnion,
    KFold,  # of CategoryTargetEncoder
    KerasMoonClassifier,
    KerasMoonRegressor,
    MissingIndicator,
    NumberEncoder,
    OneHotEncoder,
    PiecewiseLinearEncoder,
    Pipeline,
    SimpleImputer,
    SmoothClipScaler,
    StandardScaler,  # of earlier versions
    TargetEncoder,  # of earlier versions
)
# All types in a model by the kind of skops's node, which decides how a value is made
_TRUSTED_TYPES: dict[str, dict[str, type]] = {
    "ObjectNode": {f"{kind.__module__}.{kind.__name__}": kind for kind in TRUSTED_CLASSES},
    "DictNode": {"builtins.dict": dict},
    "ListNode": {"builtins.list": list},
    "TupleNode": {"builtins.tuple": tuple},
    "SliceNode": {"builtins.slice": slice},
    "JsonNode": {"builtins.str": str},  # of the JSON text of a string, a number, a boolean or None
    "TypeNode": {"builtins.str": str, "numpy.float64": np.float64},
    "DTypeNode": {"numpy.dtype": np.dtype},
    "NdArrayNode": {
        f"numpy.{kind.__name__}": kind for kind in (np.ndarray, np.float64, np.float32, np.int64, np.int32, np.bool_)
    },
}
# Attributes that our models leave at None: they would start processes or name files and functions
_NONE_ATTRIBUTES = ("n_jobs", "memory", "callbacks", "transformer_weights")
# They are properties now, and __setstate__ converts them
_ATTRIBUTES_OF_VERSION_0_1 = ("coefs_", "intercepts_")
# A file may unpack to _FREE_BYTES and _MAX_RATIO times its size; those of wide tables unpack to 4 to 25 times theirs
_FREE_BYTES, _MAX_RATIO = 2**23, 40
_MAX_MESSAGE = 300


def save_model(model: Pipeline, path: Path) -> None:
    """Save a fitted pipeline in skops's format, which contains no code."""
    with replacing(path) as new_file:
        skops.io.dump(model, new_file, compression=zipfile.ZIP_DEFLATED)


def load_model(path: Path) -> Pipeline:
    """Load a pipeline that ``save_model`` has saved.

    Raises OSError, or ValueError if the file is not such a pipeline. Warns if another version of scikit-learn saved it.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a model saved by moonnet --csv: it is not a regular file")
    packed = path.read_bytes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            trusted = [name for types in _TRUSTED_TYPES.values() for name in types]
            model = skops.io.loads(_checked_copy(packed), trusted=trusted)
            _check_model(model)
        except Exception as error:  # noqa: BLE001 - a crafted or damaged file may raise anything
            text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            problem = shorten(text, _MAX_MESSAGE, placeholder=" ...")
            raise ValueError(f"{path} is not a model saved by moonnet --csv{_versions(caught)}: {problem}") from None
    if caught:
        warnings.warn(f"{path} is a model{_versions(caught)}; its predictions may differ", stacklevel=2)
    return model


def _versions(caught: list[warnings.WarningMessage]) -> str:
    """Return a clause about the versions of scikit-learn, empty if the installed one saved the model."""
    for warning in caught:
        versions: Any = warning.message
        return f" with scikit-learn {versions.original_sklearn_version} (installed: {versions.current_sklearn_version})"
    return ""


def _checked_copy(packed: bytes) -> bytes:
    """Return a copy of the archive that contains only what was checked."""
    max_bytes = _FREE_BYTES + _MAX_RATIO * len(packed)
    members = _unpack(packed, max_bytes)
    schema = json.loads(members["schema.json"])
    checked = _Checker(members, max_bytes).check(schema)
    if type(schema["protocol"]) is not int:  # older versions of skops do not check it
        raise ValueError(f"it has the protocol {schema['protocol']!r}")
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in members.items():
            if name != "schema.json":
                archive.writestr(name, content)
        archive.writestr("schema.json", json.dumps(checked | {"protocol": schema["protocol"]}))
    return copy.getvalue()


def _unpack(packed: bytes, limit: int) -> dict[str, bytes]:
    """Return the members of an archive by name, never more bytes than the limit."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = archive.infolist()
        declared = sum(entry.file_size for entry in entries)
        if declared > limit:
            raise ValueError(
                f"it unpacks to {declared // 2**20} MiB, but {limit // 2**20} MiB is the limit for its size"
            )
        members = {}
        for entry in entries:
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"it is compressed by method {entry.compress_type}")
            with archive.open(entry) as member:  # reads no more than the declared size, and checks the checksum
                members[entry.filename] = member.read(entry.file_size + 1)
    return members


class _Checker:
    """Check the nodes of a file's schema, and copy them without what skops does not need."""

    def __init__(self, members: dict[str, bytes], max_bytes: int) -> None:
        self._members = members
        self._n_bytes_left = max_bytes  # of all arrays; several nodes may name the same member

    def check(self, node: Any) -> dict[str, Any]:
        """Return a copy of a node and its children, without identifiers that would replace one by another."""
        loader, name = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if name not in _TRUSTED_TYPES.get(loader, ()):
            raise ValueError(f"it contains {name} ({loader}), a type that no model of moonnet needs")
        content = node.get("content")
        checked: dict[str, Any]
        match loader:
            case "ListNode" | "TupleNode":
                checked = {"content": self._check_items(content)}
            case "DictNode":
                checked = self._check_dict(node)
            case "ObjectNode":
                checked = {"content": self._check_attributes(_TRUSTED_TYPES[loader][name], content)}
            case "DTypeNode":
                checked = {"content": self._check_kind(content, "NdArrayNode")}
            case "NdArrayNode":
                checked = self._check_array(node)
            case _:
                checked = _check_value(loader, content)
        return {key: node[key] for key in ("__loader__", "__module__", "__class__")} | checked

    def _check_items(self, items: Any) -> list[dict[str, Any]]:
        if not isinstance(items, list):
            raise ValueError("it contains a list without items")
        return [self.check(item) for item in items]

    def _check_kind(self, node: Any, loader: str) -> dict[str, Any]:
        if node["__loader__"] != loader:
            raise ValueError(f"it contains {node['__loader__']} in the place of {loader}")
        return self.check(node)

    def _check_dict(self, node: Any) -> dict[str, Any]:
        content = {key: self.check(value) for key, value in node["content"].items()}
        key_types = self._check_kind(node["key_types"], "ListNode")
        if any((key["__loader__"], key["__class__"]) != ("TypeNode", "str") for key in key_types["content"]):
            raise ValueError("it contains a dict whose keys are not strings")
        return {"content": content, "key_types": key_types}

    def _check_attributes(self, kind: type, node: Any) -> dict[str, Any]:
        """Check the attributes of an object, which must not replace methods and properties of its class."""
        attributes = self._check_kind(node, "DictNode")
        for name, value in attributes["content"].items():
            is_replaced = hasattr(kind, name) and name not in _ATTRIBUTES_OF_VERSION_0_1
            if is_replaced or (name in _NONE_ATTRIBUTES and value.get("content") != "null"):
                raise ValueError(f"it contains a {kind.__name__} with the attribute {name!r}")
        return attributes

    def _check_array(self, node: Any) -> dict[str, Any]:
        """Check an array: a list of values for the dtype object, else a file in NumPy's format."""
        if node["type"] == "json":
            items = [self._check_kind(item, "JsonNode") for item in node["content"]]
            shape = self._check_kind(node["shape"], "TupleNode")
            lengths = [length["content"] for length in shape["content"]]
            if node["__class__"] != "ndarray" or lengths != [str(len(items))]:
                raise ValueError("it contains an array of another shape than its items")
            return {"type": "json", "content": items, "shape": shape}
        content = self._members[node["file"]]
        self._n_bytes_left -= len(content)
        if self._n_bytes_left < 0:
            raise ValueError("its arrays are larger than the limit for its size")
        _check_npy(content, is_scalar=node["__class__"] != "ndarray")
        return {"type": "numpy", "file": node["file"]}


def _check_value(loader: str, content: Any) -> dict[str, Any]:
    """Check a value without children: a type, a slice, or the JSON text of a string, number, boolean or None."""
    if loader == "TypeNode":
        return {}
    if loader == "SliceNode":
        limits = {name: content[name] for name in ("start", "stop", "step")}
        if not all(limit is None or type(limit) is int for limit in limits.values()):
            raise ValueError("it contains a slice that is not of integers")
        return {"content": limits}
    if isinstance(json.loads(content), list | dict):
        raise ValueError("it contains a list or a dict in the place of a value")
    return {"content": content}


def _check_npy(content: bytes, *, is_scalar: bool) -> None:
    """Check the header of a file in NumPy's format against the number of bytes that follow."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("it contains an array in another version of NumPy's format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    n_bytes = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biufU" or not dtype.itemsize or n_bytes != len(content) - stream.tell():
        raise ValueError(f"it contains an array of dtype {dtype} and shape {shape} in {len(content)} bytes")
    if (is_scalar and shape != ()) or (len(shape) > 1 and 0 in shape):
        raise ValueError(f"it contains an array of shape {shape}")


def _check_model(model: Any) -> None:
    """Check that a loaded object is a fitted pipeline as ``make_model`` makes it, and that it can predict."""
    steps = model.named_steps if isinstance(model, Pipeline) else {}
    # Models of earlier versions end with one network
    if list(steps) not in (["columns", "ensemble"], ["columns", "network"]):
        raise ValueError("expected a pipeline with the steps 'columns' and 'ensemble'")
    if not isinstance(steps["columns"], ColumnTransformer):
        raise ValueError(f"expected a ColumnTransformer. Got {type(steps['columns']).__name__}")
    check_is_fitted(model)
    if "network" in steps:
        _check_network(steps["network"])
    else:
        _check_ensemble(steps["ensemble"])
    names = model.feature_names_in_
    if names.ndim != 1 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("expected unique names of columns")
    row = pd.DataFrame({name: [np.nan] for name in names}, dtype=object)  # all missing, which each encoder accepts
    with np.errstate(all="ignore"):
        prediction = model.predict_proba(row) if is_classifier(model) else model.predict(row)
    if not np.isfinite(prediction).all():
        raise ValueError("it predicts numbers that are not finite")


def _check_ensemble(ensemble: Any) -> None:
    """Check the attributes of a fitted ensemble that predictions use."""
    if not isinstance(ensemble, DeepEnsembleClassifier | DeepEnsembleRegressor):
        raise ValueError(f"expected an ensemble of moonnet. Got {type(ensemble).__name__}")
    if type(ensemble.estimators_) is not list or not ensemble.estimators_:
        raise ValueError("expected an ensemble with members")
    for network in ensemble.estimators_:
        _check_network(network)
        if is_classifier(network) != is_classifier(ensemble) or network.n_features_in_ != ensemble.n_features_in_:
            raise ValueError("expected members that fit to the ensemble")
        if is_classifier(ensemble) and not np.array_equal(network.classes_, ensemble.classes_):
            raise ValueError("expected members with the classes of the ensemble")
    if is_classifier(ensemble) and ensemble._is_multilabel is not False:
        raise ValueError("expected one label per sample")


def _check_network(network: Any) -> None:
    """Check the types, shapes and values of a fitted network's attributes that predictions use."""
    if not isinstance(network, KerasMoonClassifier | KerasMoonRegressor):
        raise ValueError(f"expected a network of moonnet. Got {type(network).__name__}")
    n_outputs = _check_classes(network) if is_classifier(network) else _check_regression(network)
    architecture, state = network._network, network._state
    if not isinstance(architecture, DenseStack):
        raise ValueError("expected a network without hidden_layers")
    if architecture.activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {architecture.activation!r}")
    if architecture.n_features != network.n_features_in_ or architecture.n_outputs != n_outputs:
        raise ValueError(
            f"expected {network.n_features_in_} features and {n_outputs} outputs. "
            f"Got {architecture.n_features} and {architecture.n_outputs}"
        )
    architecture.check(state)


def _check_classes(network: Any) -> int:
    """Check the classes of a classifier, and return the number of outputs that they need."""
    targets = network._targets
    if targets.multilabel is not False or not targets.equals(ClassTargets.from_classes(targets.classes, "classes_")):
        raise ValueError("expected sorted classes")
    return targets.n_outputs


def _check_regression(network: Any) -> int:
    """Check the targets of a regressor, and return their number, which is 1."""
    targets = network._targets
    if targets.one_column is not True:
        raise ValueError("expected one number per sample")
    if targets.loss.needs_keras:
        raise ValueError("expected a loss of moonnet")
    for values in (targets.center, targets.scale):
        if values.shape != (1,) or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError("expected one finite centre and scale")
    if targets.scale <= 0:
        raise ValueError("expected a positive scale")
    return 1
