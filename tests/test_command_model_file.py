"""Saving and loading the trained pipeline; test_hostile_models.py loads crafted and damaged files."""

import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._model_file import TRUSTED_CLASSES, load_model, save_model
from moonnet.networks import resolve_hidden_layers
from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import infer_columns
from moonnet.tables._text_pipeline import make_model, read_samples
from moonnet.training.engines import engine

N = 120
RANDOM = np.random.default_rng(0)
VERSION = json.dumps(json.dumps(sklearn.__version__))  # as in a file


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return X, y and the columns of a file with every kind of column that a model uses."""
    days = pd.date_range("2020-01-01", periods=N)
    frame = pd.DataFrame(
        {
            "a": np.where(np.arange(N) % 7, RANDOM.normal(size=N).round(3), np.nan),
            "whole": RANDOM.integers(0, 9, N),
            "kind": [*["red"] * 60, *["blue"] * 56, "rare", "odd", None, None],
            "many": [f"place {i % 40}" for i in range(N)],
            "price": [f"${1000 + i},50" for i in range(N)],
            "day": days.strftime("%d.%m.%Y"),
            "iso": days.astype(str),
            "y": np.arange(N) % 3,
        }
    )
    path = tmp_path_factory.mktemp("table") / "table.csv"
    frame.to_csv(path, index=False)
    table = read_table(path)
    target, columns = infer_columns(table, "y", None, None, month_first=False)
    columns = [column for column in columns if column.kind]
    return *read_samples(table, target, columns), columns


@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_loaded_model_predicts_the_same(network, samples, tmp_path):
    X, y, columns = samples
    assert {column.kind for column in columns} == {"number", "category", "date"}
    assert {column.name for column in columns if column.has_many_values} == {"many"}
    assert {column.name for column in columns if column.number_format} >= {"price"}
    fitted = make_model(columns, network((5,), epochs=2, random_state=0)).fit(X, y)
    path = tmp_path / "model.skops"
    save_model(fitted, path)
    loaded = load_model(path)
    assert (loaded.predict(X) == fitted.predict(X)).all()
    assert loaded.feature_names_in_.tolist() == fitted.feature_names_in_.tolist()
    kinds = {kind.__name__ for kind in TRUSTED_CLASSES}
    assert {name.rpartition(".")[2] for name in skops.io.get_untrusted_types(file=path)} <= kinds | {"dtype"}


def test_model_of_an_earlier_version_that_ends_with_one_network_is_loaded(samples, tmp_path):
    X, y, columns = samples
    encode = make_model(columns, KerasMoonClassifier())[0]
    fitted = Pipeline([("columns", encode), ("network", KerasMoonClassifier((5,), epochs=2))]).fit(X, y)
    save_model(fitted, tmp_path / "model.skops")
    assert (load_model(tmp_path / "model.skops").predict_proba(X) == fitted.predict_proba(X)).all()


def state_of_version_0_1(clf, state_of=KerasMoonClassifier.__getstate__):
    """Return the state to save as in version 0.1, in which weights were attributes."""
    state = state_of(clf)
    if "_state" in state:
        del state["_state"]
        state["_trained_with"] = state["_trained_with"] | {"activation": state.pop("_network")["activation"]}
        state |= {"coefs_": clf.coefs_, "intercepts_": clf.intercepts_}
    return state


def test_model_of_version_0_1_is_loaded(samples, tmp_path, monkeypatch):
    X, y, columns = samples
    fitted = make_model(columns, KerasMoonClassifier((5,), epochs=2, random_state=0)).fit(X, y)
    with monkeypatch.context() as patched:
        patched.setattr(KerasMoonClassifier, "__getstate__", state_of_version_0_1)
        save_model(fitted, tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        assert '"coefs_"' in archive.read("schema.json").decode()
    assert (load_model(tmp_path / "model.skops").predict_proba(X) == fitted.predict_proba(X)).all()


def set_layers(network):
    network._network = resolve_hidden_layers([], network.n_features_in_, 1, engine.scope(None, "float64"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda network: network._trained_with["targets"].update(scale=np.array([0.0])), "expected a positive scale"),
        (lambda network: network._trained_with["targets"].update(scale=np.array([-1.0])), "expected a positive scale"),
        (lambda network: network._trained_with.update(loss="{}"), "expected a loss of moonnet"),
        (set_layers, "expected a network without hidden_layers"),
    ],
    ids=["scale of 0", "negative scale", "Keras loss", "own layers"],
)
def test_network_that_the_command_does_not_train_is_refused(samples, tmp_path, change, message):
    X, y, columns = samples
    fitted = make_model(columns, KerasMoonRegressor((5,), epochs=1, random_state=0)).fit(X, y)
    change(fitted[-1].estimators_[0])
    save_model(fitted, tmp_path / "model.skops")
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "model.skops")


@pytest.fixture
def text_model(tmp_path, samples):
    """The file of a fitted classifier of text labels."""
    X, y, columns = samples
    model = make_model(columns, KerasMoonClassifier((5,), epochs=1, random_state=0))
    save_model(model.fit(X, np.array(["no", "yes", "maybe"])[y]), tmp_path / "model.skops")
    return tmp_path / "model.skops"


def test_model_of_text_labels_is_loaded(text_model, samples):
    assert set(load_model(text_model).predict(samples[0])) <= {"no", "yes", "maybe"}


def rewrite(path, old, new):
    """Replace text in the schema of a model file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.dumps(json.loads(members["schema.json"]))
    assert old in schema
    members["schema.json"] = schema.replace(old, new).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_model_of_another_scikit_learn_is_loaded_with_one_warning(text_model):
    rewrite(text_model, VERSION, json.dumps(json.dumps("1.2.3")))
    with pytest.warns(UserWarning, match=r"model\.skops is a model with scikit-learn 1\.2\.3 \(installed: ") as caught:
        load_model(text_model)
    assert len(caught) == 1


def test_error_names_the_other_scikit_learn(text_model):
    rewrite(text_model, VERSION, json.dumps(json.dumps("1.2.3")))
    rewrite(text_model, '"statistics_"', '"statistics_of_old_"')
    message = r"with scikit-learn 1\.2\.3 \(installed: .*\): AttributeError: .*'statistics_'"
    with pytest.raises(ValueError, match=message):
        load_model(text_model)


def alarm(X):
    raise AssertionError("code of an untrusted file")


def test_load_model_rejects_untrusted_types(tmp_path):
    path = tmp_path / "untrusted.skops"
    for columns, name in ((FunctionTransformer(alarm), "FunctionTransformer"), (LogisticRegression(), "LogisticRegr")):
        skops.io.dump(Pipeline([("columns", columns), ("network", KerasMoonClassifier())]), path)
        with pytest.raises(ValueError, match=rf"untrusted\.skops is not .* it contains sklearn\.\S*{name}"):
            load_model(path)


def test_load_model_rejects_other_files(tmp_path, samples):
    path = tmp_path / "model.skops"
    X, y, columns = samples
    skops.io.dump(make_pipeline(StandardScaler(), KerasMoonClassifier((5,), epochs=1)).fit(X[["whole"]], y), path)
    with pytest.raises(ValueError, match="expected a pipeline with the steps 'columns' and 'ensemble'"):
        load_model(path)
    for name, step, found in (
        ("ensemble", KerasMoonClassifier((5,), epochs=1), "expected an ensemble of moonnet. Got KerasMoonClassifier"),
        ("network", StandardScaler(), "expected a network of moonnet. Got StandardScaler"),
    ):
        model = Pipeline([("columns", make_model(columns[:3], KerasMoonClassifier())[0]), (name, step)])
        skops.io.dump(model.fit(X, y), path)
        with pytest.raises(ValueError, match=re.escape(found)):
            load_model(path)
    skops.io.dump(make_model(columns, KerasMoonClassifier()), path)
    with pytest.raises(ValueError, match="not fitted yet"):
        load_model(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"model\.skops is not a model saved by moonnet --csv"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "another archive")
    with pytest.raises(ValueError, match=r"model\.skops is not a model saved by moonnet --csv"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.skops")
    with pytest.raises(ValueError, match="not a regular file"):
        load_model(tmp_path)


def test_archive_that_unpacks_to_far_more_is_refused(text_model):
    with zipfile.ZipFile(text_model, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5 * 10**7))
    with pytest.raises(ValueError, match=r"it unpacks to 4\d MiB, but \d+ MiB is the limit for its size"):
        load_model(text_model)
