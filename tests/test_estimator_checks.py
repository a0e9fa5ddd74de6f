"""scikit-learn's estimator checks, on estimators with different parameters."""

import keras
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = pytest.mark.trains

DECAYING_RATE = {  # momentum, and a learning rate that decays to 0
    "optimizer": keras.optimizers.SGD(momentum=0.9, name="sgd"),
    "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 80),
}
CALLBACKS = {
    "epochs": 30,
    "learning_rate": 0.005,
    "callbacks": [
        keras.callbacks.EarlyStopping("loss", patience=8, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", patience=4),
    ],
}
# Estimators that share compiled programs are listed next to each other
ESTIMATORS = {
    "default": KerasMoonClassifier(),
    "balanced": KerasMoonClassifier(class_weight="balanced"),
    "l2": KerasMoonClassifier(l2=1e-4),
    "early stopping": KerasMoonClassifier(early_stopping=True),
    "callbacks": KerasMoonClassifier(**CALLBACKS),
    "dropout": KerasMoonClassifier(dropout=0.1, epochs=200),
    "schedule": KerasMoonClassifier(**DECAYING_RATE),
    # Some checks fit twice and expect the same predictions, so the learning rate must reach 0 in the first fit
    "warm start": KerasMoonClassifier(**DECAYING_RATE, warm_start=True),
    "tanh": KerasMoonClassifier((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    "no hidden layer": KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False),
    "regressor": KerasMoonRegressor(),
    "regressor, l2": KerasMoonRegressor(l2=1e-4),
    "regressor, early stopping": KerasMoonRegressor(early_stopping=True),
    "regressor, callbacks": KerasMoonRegressor(**CALLBACKS),
    # No momentum: in a second fit it would change the predicted numbers
    "regressor, warm start": KerasMoonRegressor(
        learning_rate=keras.optimizers.schedules.CosineDecay(0.03, 80), warm_start=True
    ),
    "absolute error": KerasMoonRegressor(loss="absolute_error"),
    "huber": KerasMoonRegressor(loss="huber"),
    "poisson": KerasMoonRegressor(loss="poisson"),
    "pinball": KerasMoonRegressor(loss="pinball", quantile=0.4),
    "regressor, dropout": KerasMoonRegressor(dropout=0.1, epochs=200),
    "regressor, tanh": KerasMoonRegressor((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    "regressor, no hidden layer": KerasMoonRegressor((), optimizer="lion", learning_rate=0.1, shuffle=False),
}

DROPOUT_IS_RANDOM = "each row draws its own dropout mask, so a repeated row cannot equal a doubled weight"
HOLDOUT_IS_RANDOM = "the held-out rows are drawn at random, so a repeated row cannot equal a doubled weight"
WEIGHT_EQUIVALENCE = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]
EXPECTED_TO_FAIL = {
    "dropout": dict.fromkeys(WEIGHT_EQUIVALENCE, DROPOUT_IS_RANDOM),
    "early stopping": dict.fromkeys(WEIGHT_EQUIVALENCE, HOLDOUT_IS_RANDOM),
    "regressor, dropout": dict.fromkeys(WEIGHT_EQUIVALENCE, DROPOUT_IS_RANDOM),
    "regressor, early stopping": dict.fromkeys(WEIGHT_EQUIVALENCE, HOLDOUT_IS_RANDOM),
    "poisson": {"check_regressor_multioutput": "the check's y is negative, although the tags forbid it"},
}


def generate_checks():
    """Yield each check of each estimator, with an id that is the same in every process."""
    for name, estimator in ESTIMATORS.items():
        expected = EXPECTED_TO_FAIL.get(name, {})
        for number, check in enumerate(
            estimator_checks_generator(estimator, expected_failed_checks=expected, mark="xfail")
        ):
            values, marks = getattr(check, "values", check), [*getattr(check, "marks", ())]
            if name not in ("default", "regressor"):
                marks.append(pytest.mark.slow)
            yield pytest.param(*values, marks=marks, id=f"{name}-{number}-{values[1].func.__name__}")


@pytest.fixture
def pickle_optimizers_by_settings(monkeypatch):
    """Pickle optimizers by their settings only; Keras also pickles the time of day."""

    def reduce_to_settings(optimizer):
        return type(optimizer).from_config, (optimizer.get_config(),)

    monkeypatch.setattr(keras.optimizers.Optimizer, "__reduce__", reduce_to_settings)


@pytest.mark.parametrize(("estimator", "check"), list(generate_checks()))
def test_estimator_passes_scikit_learn_check(request, estimator, check):
    if "overwrite_params" in request.node.name:  # this check compares hashes of pickles
        request.getfixturevalue("pickle_optimizers_by_settings")
    check(estimator)
