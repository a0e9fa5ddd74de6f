"""scikit-learn's own checks, on estimators configured in different ways."""

import keras
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = pytest.mark.trains

AT_REST = {  # a momentum and a schedule that ends at 0
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
# Those that share compiled programs stand side by side
ESTIMATORS = {
    "default": KerasMoonClassifier(),
    "balanced": KerasMoonClassifier(class_weight="balanced"),
    "l2": KerasMoonClassifier(l2=1e-4),
    "early stopping": KerasMoonClassifier(early_stopping=True),
    "callbacks": KerasMoonClassifier(**CALLBACKS),
    "dropout": KerasMoonClassifier(dropout=0.1, epochs=200),
    "schedule": KerasMoonClassifier(**AT_REST),
    # Some checks fit twice and expect the same predictions: the training has to come to rest in the first fit
    "warm start": KerasMoonClassifier(**AT_REST, warm_start=True),
    "tanh": KerasMoonClassifier((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    "no hidden layer": KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False),
    "regressor": KerasMoonRegressor(),
    "regressor, l2": KerasMoonRegressor(l2=1e-4),
    "regressor, early stopping": KerasMoonRegressor(early_stopping=True),
    "regressor, callbacks": KerasMoonRegressor(**CALLBACKS),
    # Without a momentum, which would still move predictions, though not labels
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

MASKS = "each row draws its own mask, so that a repeated row cannot equal a doubled weight"
HELD_OUT = "which rows are held out is drawn, so that a repeated row cannot equal a doubled weight"
EQUIVALENCE = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]
EXPECTED_TO_FAIL = {
    "dropout": dict.fromkeys(EQUIVALENCE, MASKS),
    "early stopping": dict.fromkeys(EQUIVALENCE, HELD_OUT),
    "regressor, dropout": dict.fromkeys(EQUIVALENCE, MASKS),
    "regressor, early stopping": dict.fromkeys(EQUIVALENCE, HELD_OUT),
    "poisson": {"check_regressor_multioutput": "its y is negative, whatever the tags say"},
}


def checks():
    """Yield each check once for each estimator, with an id that is the same in every process."""
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
def optimizers_are_pickled_without_the_time(monkeypatch):
    """Keep Keras from pickling an optimizer with the time of day."""

    def by_settings(optimizer):
        return type(optimizer).from_config, (optimizer.get_config(),)

    monkeypatch.setattr(keras.optimizers.Optimizer, "__reduce__", by_settings)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learn_check(request, estimator, check):
    if "overwrite_params" in request.node.name:  # which compares hashes of pickles
        request.getfixturevalue("optimizers_are_pickled_without_the_time")
    check(estimator)
