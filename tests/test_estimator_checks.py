"""scikit-learn's estimator checks, on estimators with different parameters."""

import keras
import pytest
from keras import layers
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor


def residual(inputs, units=16, dtype="float64"):
    x = layers.Dense(units, activation="relu", dtype=dtype)(inputs)
    return layers.Add(dtype=dtype)([x, layers.Dense(units, activation="relu", dtype=dtype)(x)])


# Layers of one's own, in float64: a check compares predictions to 1e-7
BATCH_NORMALIZATION = [
    layers.Dense(16, dtype="float64"),
    layers.BatchNormalization(dtype="float64"),
    layers.ReLU(dtype="float64"),
]
DROPOUT = [layers.Dense(16, activation="relu", dtype="float64"), layers.Dropout(0.1, dtype="float64")]
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
# Checks whose outcome depends on how an estimator trains, whatever X is checked for before
TRAINING = {
    "check_classifiers_classes",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_class_weight_classifiers",
    "check_estimators_dtypes",
    "check_estimators_partial_fit_n_features",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_non_transformer_estimators_n_iter",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}
# Checks whose outcome depends on what kind of objects the parameters are
PARAMETERS = {
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dont_overwrite_parameters",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_set_params",
}
WEIGHT_EQUIVALENCE = {f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")}
# Of TRAINING, those that class weights enter, and those that the loss of a regressor enters
CLASS_WEIGHTS = WEIGHT_EQUIVALENCE | {
    "check_classifiers_classes",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_class_weight_classifiers",
    "check_fit2d_1sample",
    "check_fit_idempotent",
}
LOSS = WEIGHT_EQUIVALENCE | {
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
}
# Those that layers of one's own enter, and those that the sizes of layers enter
OWN_LAYERS = WEIGHT_EQUIVALENCE | {
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_estimators_dtypes",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
}
LAYERS = {
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_train",
    "check_fit2d_1feature",
    "check_fit_idempotent",
    "check_methods_subset_invariance",
    "check_n_features_in",
}
OF_Y = {"check_regressors_no_decision_function", "check_supervised_y_2d", "check_supervised_y_no_nan"}
# Each estimator and its checks, of which None are all. The two estimators check X, y and parameters alike, whichever
# their parameters are, and share the code of training, which their targets and losses enter.
ESTIMATORS = {
    "default": (KerasMoonClassifier(), None),
    "balanced": (KerasMoonClassifier(class_weight="balanced"), CLASS_WEIGHTS),
    "l2": (KerasMoonClassifier(l2=1e-4), WEIGHT_EQUIVALENCE),
    "early stopping": (KerasMoonClassifier(early_stopping=True), TRAINING - WEIGHT_EQUIVALENCE),
    "callbacks": (KerasMoonClassifier(**CALLBACKS), PARAMETERS | {"check_fit_idempotent"}),
    "dropout": (KerasMoonClassifier(dropout=0.1), {"check_fit_idempotent", "check_methods_subset_invariance"}),
    "schedule": (KerasMoonClassifier(**DECAYING_RATE), PARAMETERS),
    # Some checks fit twice and expect the same predictions, so the learning rate must reach 0 in the first fit
    "warm start": (KerasMoonClassifier(**DECAYING_RATE, warm_start=True), TRAINING),
    "no hidden layer": (KerasMoonClassifier((), optimizer="lion", learning_rate=0.1, shuffle=False), LAYERS),
    "residual": (KerasMoonClassifier(hidden_layers=HiddenLayers(residual)), OWN_LAYERS | PARAMETERS),
    "batch normalization": (KerasMoonClassifier(hidden_layers=BATCH_NORMALIZATION), OWN_LAYERS),
    "dropout layer": (KerasMoonClassifier(hidden_layers=DROPOUT), OWN_LAYERS),
    "regressor": (KerasMoonRegressor(), None),
    "regressor, residual": (KerasMoonRegressor(hidden_layers=HiddenLayers(residual)), OWN_LAYERS),
    "regressor, batch normalization": (
        KerasMoonRegressor(hidden_layers=BATCH_NORMALIZATION),
        OWN_LAYERS | PARAMETERS - {"check_estimators_overwrite_params"},  # for hashes of layers, Keras takes seconds
    ),
    "regressor, dropout layer": (KerasMoonRegressor(hidden_layers=DROPOUT), OWN_LAYERS),
    "regressor, early stopping": (KerasMoonRegressor(early_stopping=True), LOSS - WEIGHT_EQUIVALENCE),
    # No momentum: in a second fit it would change the predicted numbers
    "regressor, warm start": (
        KerasMoonRegressor(learning_rate=keras.optimizers.schedules.CosineDecay(0.03, 80), warm_start=True),
        LOSS,
    ),
    "absolute error": (KerasMoonRegressor(loss="absolute_error"), LOSS | {"check_estimators_dtypes"}),
    "huber": (KerasMoonRegressor(loss="huber"), LOSS),
    # It checks y for negative numbers, and has other tags
    "poisson": (KerasMoonRegressor(loss="poisson"), TRAINING | OF_Y),
    "pinball": (KerasMoonRegressor(loss="pinball", quantile=0.4), LOSS),
    "quantiles": (
        KerasMoonRegressor(loss="pinball", quantile=[0.1, 0.4, 0.9]),
        LOSS | {"check_dict_unchanged", "check_dont_overwrite_parameters", "check_estimator_cloneable"},
    ),
    # One batch: for an estimator with cv, the check of weights repeats more samples than a batch of 50 holds
    "ensemble of classifiers": (DeepEnsembleClassifier(KerasMoonClassifier(batch_size=200), 2), None),
    # The base class checks X and the parameters of both ensembles
    "ensemble of regressors": (DeepEnsembleRegressor(KerasMoonRegressor(batch_size=200), 2), TRAINING | OF_Y),
}
# Those that one engine could break alone: test_training_loop.py compares losses and penalties on each engine
DEPEND_ON_ENGINE = (
    *("default", "callbacks", "dropout"),
    *("regressor", "regressor, early stopping"),
)
IN_BATCH_STATISTICS = dict.fromkeys(
    WEIGHT_EQUIVALENCE, "a repeated sample counts twice in the means of a batch, a sample of weight 2 once"
)
OF_DROPOUT = dict.fromkeys(WEIGHT_EQUIVALENCE, "each repetition of a sample drops out units of its own")
EXPECTED_TO_FAIL = {
    "batch normalization": IN_BATCH_STATISTICS,
    "regressor, batch normalization": IN_BATCH_STATISTICS,
    "dropout layer": OF_DROPOUT,
    "regressor, dropout layer": OF_DROPOUT,
    "poisson": {"check_regressor_multioutput": "the check's y is negative, although the tags forbid it"},
}


def generate_checks():
    """Yield each check of each estimator, with an id that is the same in every process."""
    for name, (estimator, selected) in ESTIMATORS.items():
        expected = EXPECTED_TO_FAIL.get(name, {})
        for number, check in enumerate(
            estimator_checks_generator(estimator, expected_failed_checks=expected, mark="xfail")
        ):
            values, marks = getattr(check, "values", check), [*getattr(check, "marks", ())]
            if selected is not None and values[1].func.__name__ not in selected:
                continue
            if name not in ("default", "regressor"):
                marks.append(pytest.mark.slow)
            if name in DEPEND_ON_ENGINE:
                marks.append(pytest.mark.trains)
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


def test_selected_checks_exist():
    names = {
        getattr(check, "values", check)[1].func.__name__
        for estimator in (KerasMoonClassifier(), KerasMoonRegressor())
        for check in estimator_checks_generator(estimator, mark="xfail")
    }
    assert names >= TRAINING | PARAMETERS | OF_Y
    assert TRAINING >= CLASS_WEIGHTS | LOSS | LAYERS
    assert names >= OWN_LAYERS
