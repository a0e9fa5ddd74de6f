"""What all transformers have in common: their module in pickles and skops files, and scikit-learn's interface."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import preprocessing
from moonnet.preprocessing import DateEncoder, NumberEncoder, PiecewiseLinearEncoder, SmoothClipScaler

# Of numbers; the others take text, which scikit-learn's checks do not try
ENCODERS = {
    "SmoothClipScaler": SmoothClipScaler(),
    "PiecewiseLinearEncoder": PiecewiseLinearEncoder(),
    "tree": PiecewiseLinearEncoder(4, binning="tree", min_samples_leaf=0.1),
    "continuous": PiecewiseLinearEncoder(binning="tree", min_samples_leaf=3, target_type="continuous"),
}
FRAME = pd.DataFrame({"age": [20.0, 30, 25, np.nan, 60, 44], "constant": [1.0] * 6, "height": np.arange(6.0) ** 2})
# DateEncoder("%d.%m.%Y", latest="2100-01-01") and NumberEncoder("kg"), fitted, as moonnet 0.1.0 pickled them
PICKLE_OF_0_1_0 = (
    b"(lp0\nccopy_reg\n_reconstructor\np1\n(cmoonnet.preprocessing\nDateEncoder\np2\nc__builtin__\nobject\np3\nNtp4\n"
    b"Rp5\n(dp6\nVformat\np7\nV%d.%m.%Y\np8\nsVearliest\np9\nNsVlatest\np10\nV2100-01-01\np11\nsVn_features_in_\np12\n"
    b"I1\nsbag1\n(cmoonnet.preprocessing\nNumberEncoder\np13\ng3\nNtp14\nRp15\n(dp16\nVunit\np17\nVkg\np18\n"
    b"sVdecimal\np19\nV.\np20\nsVthousands\np21\nV\np22\nsg12\nI1\nsba."
)
Y = np.array([0.5, 1.5, 0.5, 1.5, 2.5, 2.5])


def generate_checks():
    """Yield each check of each encoder, with an id that is the same in every process."""
    for name, encoder in ENCODERS.items():
        for number, (estimator, check) in enumerate(estimator_checks_generator(encoder)):
            yield pytest.param(estimator, check, id=f"{name}-{number}-{check.func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(generate_checks()))
def test_encoder_passes_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", preprocessing.__all__)
def test_files_name_the_package_as_they_named_the_module_of_earlier_versions(name, tmp_path):
    kind = getattr(preprocessing, name)
    assert (kind.__module__, kind.__qualname__) == ("moonnet.preprocessing", name)
    assert f"cmoonnet.preprocessing\n{name}\n".encode() in pickle.dumps(kind(), protocol=0)
    skops.io.dump(kind(), tmp_path / "encoder.skops")
    assert skops.io.get_untrusted_types(file=tmp_path / "encoder.skops") == [f"moonnet.preprocessing.{name}"]


def test_pickle_of_an_earlier_version_is_loaded():
    dates, numbers = pickle.loads(PICKLE_OF_0_1_0)
    assert (type(dates), type(numbers)) == (DateEncoder, NumberEncoder)
    assert dates.transform([["02.01.1970"], ["31.12.9999"]]).tolist() == [[1], [47482]]
    assert numbers.transform([["3 kg"]]).tolist() == [[3]]


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_restored_encoder_transforms_identically(encoder, tmp_path):
    fitted = clone(encoder).fit(FRAME, Y)
    expected = fitted.transform(FRAME)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(FRAME), expected)
    path = tmp_path / "encoder.skops"
    skops.io.dump(fitted, path)
    own_types = [f"moonnet.preprocessing.{type(encoder).__name__}"]
    assert skops.io.get_untrusted_types(file=path) == own_types
    assert_array_equal(skops.io.load(path, trusted=own_types).transform(FRAME), expected)


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_dataframes_in_and_out(encoder, container):
    frame = FRAME if container == "pandas" else pl.from_pandas(FRAME, nan_to_null=False)
    fitted = clone(encoder).set_output(transform=container).fit(frame, Y)
    encoded = fitted.transform(frame)
    assert type(encoded) is type(frame)
    assert list(encoded.columns) == fitted.get_feature_names_out().tolist()
    assert_array_equal(encoded.to_numpy(), clone(encoder).fit(FRAME.to_numpy(), Y).transform(FRAME.to_numpy()))


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_sparse_and_infinite_x_are_refused(encoder):
    dense = np.arange(12.0).reshape(6, 2)
    fitted = clone(encoder).fit(dense, Y)
    for method in (lambda X: clone(encoder).fit(X, Y), fitted.transform):
        with pytest.raises(TypeError, match=r"Sparse data was passed.* but dense data is required"):
            method(csr_array(dense))
        with pytest.raises(ValueError, match="Input X contains infinity"):
            method(np.where(dense == 3, np.inf, dense))


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_other_dtypes_become_float64(encoder):
    numbers = np.arange(12).reshape(6, 2)
    expected = clone(encoder).fit_transform(numbers.astype(float), Y)
    for other in (numbers, numbers.astype(object), numbers.astype(np.int8), numbers.astype(np.float16)):
        encoded = clone(encoder).fit_transform(other, Y)
        assert encoded.dtype == np.float64
        assert_array_equal(encoded, expected)


def test_encoders_work_in_a_pipeline_with_missing_values():
    pipeline = make_pipeline(SmoothClipScaler(), PiecewiseLinearEncoder(3)).set_output(transform="pandas")
    encoded = pipeline.fit_transform(FRAME)
    assert encoded.columns.tolist() == [*(f"age_bin{i}" for i in range(3)), *(f"height_bin{i}" for i in range(3))]
    assert encoded.isna().sum().tolist() == [1, 1, 1, 0, 0, 0]
