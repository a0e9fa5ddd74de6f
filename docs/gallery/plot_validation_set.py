"""
Early stopping with a custom validation set
===========================================

By default, early stopping holds out samples at random. If samples form groups,
such as repeated measurements of the same patient, this set is too easy: the
network was trained on other samples of the same groups. Pass the samples of
other patients to ``fit`` as ``X_val`` and ``y_val`` instead.

See also: :meth:`moonnet.KerasMoonClassifier.fit` and
:class:`~moonnet.plotting.TrainingCurveDisplay`;
:doc:`/guide/stopping_and_resuming`.
"""

# %%
# The data are ten measurements of each of 80 patients. Patients differ a lot,
# measurements of one patient only a little. The test set has 500 new patients.

import numpy as np
from matplotlib import pyplot as plt
from sklearn import set_config
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, GroupShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay, TrainingCurveDisplay


def make_patients(n_patients, seed):
    """Return ten measurements of each patient, labels and patient numbers."""
    X, y = make_moons(n_patients, noise=0.35, random_state=seed)
    patients = np.repeat(np.arange(n_patients), 10)
    jitter = np.random.default_rng(seed).normal(0, 0.03, (10 * n_patients, 2))
    return X[patients] + jitter, y[patients], patients


X, y, patients = make_patients(80, seed=0)
X_test, y_test, _ = make_patients(500, seed=1)
split = GroupShuffleSplit(test_size=0.3, random_state=0)
train, held_out = next(split.split(X, y, patients))
X_train, y_train = X[train], y[train]
validation_set = {"X_val": X[held_out], "y_val": y[held_out]}

# %%
# The pipeline passes the validation set to the network as metadata, which the
# network requests. ``transform_input`` scales it like the training samples.

set_config(enable_metadata_routing=True)
network = KerasMoonClassifier(
    (100, 50),
    epochs=400,
    learning_rate=0.003,
    early_stopping=True,
    n_iter_no_change=20,
    random_state=0,
).set_fit_request(X_val=True, y_val=True)
model = Pipeline(
    [("scaler", StandardScaler()), ("network", network)],
    transform_input=["X_val"],
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
print("validated on      loss there   new patients   epochs")
for ax, name, arguments, metadata in [
    (axes[0], "a random tenth", (X, y), {}),
    (axes[1], "other patients", (X_train, y_train), validation_set),
]:
    model.fit(*arguments, **metadata)
    validation = min(model[-1].history_["val_loss"])
    test = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:15} {validation:12.2f} {test:14.2f} {model[-1].n_iter_:8}")
    DecisionRegionDisplay.from_estimator(
        model,
        X,
        y,
        ax=ax,
        response_method="predict_proba",
        errors_kw=False,
        legend_kw=False,
        colorbar_kw=False,
    )
    ax.set_title(f"validated on {name}")

# %%
# With samples held out at random, the network memorises each patient, and the
# validation loss keeps improving. With other patients as the validation set,
# early stopping ends training in time. The curves are those of the second fit.

display = TrainingCurveDisplay.from_estimator(model)

# %%
# A search passes the validation set to each of its fits. With ``scoring``,
# early stopping monitors a score instead of the loss.

model.set_params(network__scoring="roc_auc")
search = GridSearchCV(
    model,
    {"network__hidden_layer_sizes": [(20,), (100, 50)]},
    scoring="neg_log_loss",
    cv=GroupKFold(3),
)
search.fit(X_train, y_train, groups=patients[train], **validation_set)
print(f"best {search.best_params_['network__hidden_layer_sizes']}")
accuracy = search.best_estimator_.score(X_test, y_test)
print(f"accuracy for new patients {accuracy:.2f}")
set_config(enable_metadata_routing=False)
