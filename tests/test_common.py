"""scikit-learn's own checks, on estimators configured in different ways."""

import keras
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import KerasMoonClassifier

AT_REST = {  # a momentum and a schedule that ends at 0
    "optimizer": keras.optimizers.SGD(momentum=0.9, name="sgd"),
    "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 80),
}
# Those that share compiled programs stand side by side
ESTIMATORS = {
    "default": KerasMoonClassifier(),
    "balanced": KerasMoonClassifier(class_weight="balanced"),
    "early stopping": KerasMoonClassifier(early_stopping=True),
    "callbacks": KerasMoonClassifier(
        callbacks=[
            keras.callbacks.EarlyStopping("loss", patience=20, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("loss", patience=10),
        ]
    ),
    "dropout": KerasMoonClassifier(dropout=0.1, epochs=200),
    "schedule": KerasMoonClassifier(**AT_REST),
    # Some checks fit twice and expect the same predictions: the training has to come to rest in the first fit
    "warm start": KerasMoonClassifier(**AT_REST, warm_start=True),
    "l2": KerasMoonClassifier(optimizer="adam", l2=1e-4),
    "tanh": KerasMoonClassifier((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    "no hidden layer": KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False),
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
