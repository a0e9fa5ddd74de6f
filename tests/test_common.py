"""scikit-learn's own checks, on estimators configured in different ways."""

import keras
from sklearn.utils.estimator_checks import parametrize_with_checks

from moonnet import KerasMoonClassifier

DROPOUT = KerasMoonClassifier(dropout=0.1, epochs=200)

ESTIMATORS = [
    KerasMoonClassifier(),
    KerasMoonClassifier((30, 20, 10), activation="tanh", optimizer="adam", learning_rate=0.03),
    KerasMoonClassifier(optimizer="adam", l2=1e-4),
    KerasMoonClassifier(
        optimizer=keras.optimizers.SGD(momentum=0.9, name="sgd"),
        learning_rate=keras.optimizers.schedules.CosineDecay(0.1, 200),
    ),
    KerasMoonClassifier(class_weight="balanced"),
    DROPOUT,
    KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False),
]


def expected_failures(estimator: KerasMoonClassifier) -> dict[str, str]:
    if estimator.dropout == 0:
        return {}
    reason = "with dropout each row draws its own mask, so that a repeated row cannot equal a doubled weight"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_check(estimator, check):
    check(estimator)
