"""scikit-learn's own checks, on estimators configured in different ways."""

import keras
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import KerasMoonClassifier

ESTIMATORS = {
    "default": KerasMoonClassifier(),
    "tanh": KerasMoonClassifier((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    "l2": KerasMoonClassifier(optimizer="adam", l2=1e-4),
    "schedule": KerasMoonClassifier(
        optimizer=keras.optimizers.SGD(momentum=0.9, name="sgd"),
        learning_rate=keras.optimizers.schedules.CosineDecay(0.1, 200),
    ),
    "balanced": KerasMoonClassifier(class_weight="balanced"),
    "dropout": KerasMoonClassifier(dropout=0.1, epochs=200),
    "no hidden layer": KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False),
    "early stopping": KerasMoonClassifier(early_stopping=True),
    # Two of the checks fit twice and expect the same predictions: the training has to come to rest in the first fit
    "warm start": KerasMoonClassifier(
        optimizer="adam", learning_rate=keras.optimizers.schedules.CosineDecay(0.03, 80), warm_start=True
    ),
    "callbacks": KerasMoonClassifier(
        callbacks=[
            keras.callbacks.EarlyStopping("loss", patience=20, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("loss", patience=10),
        ]
    ),
}

DRAWN_BY_ROW = {
    "dropout": "each row draws its own mask, so that a repeated row cannot equal a doubled weight",
    "early stopping": "which rows are held out is drawn, so that a repeated row cannot equal a doubled weight",
}


def checks():
    """Yield each check once for each estimator, with an id that is the same in every process."""
    for name, estimator in ESTIMATORS.items():
        expected = {
            f"check_sample_weight_equivalence_on_{kind}_data": DRAWN_BY_ROW[name]
            for kind in ("dense", "sparse")
            if name in DRAWN_BY_ROW
        }
        for number, check in enumerate(
            estimator_checks_generator(estimator, expected_failed_checks=expected, mark="xfail")
        ):
            values, marks = getattr(check, "values", check), getattr(check, "marks", ())
            yield pytest.param(*values, marks=marks, id=f"{name}-{number}-{values[1].func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learn_check(estimator, check):
    check(estimator)
