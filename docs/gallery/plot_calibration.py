"""
Probability calibration
=======================

A classifier is calibrated if, of the samples with a predicted probability of
0.8, 80 % belong to the class. An overfitted network is overconfident.
scikit-learn's ``CalibratedClassifierCV`` corrects its probabilities.

See also: :class:`~moonnet.KerasMoonClassifier`;
:doc:`/guide/uncertainty`, with the gain on eight tables.
"""

# %%
# The half-moons are so noisy that they overlap. On the dotted diagonal, the
# predicted probability equals the observed frequency. All three classifiers
# stay close to it.

from matplotlib import pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from moonnet import KerasMoonClassifier

X, y = make_moons(20_000, noise=0.5, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=1000, random_state=0
)


def compare(models):
    """Fit the models, and draw their calibration curves."""
    _, ax = plt.subplots(figsize=(5.4, 4.8), layout="constrained")
    colors = plt.colormaps["viridis"]([0.0, 0.5, 0.9])
    for name, marker, color in zip(models, "osD", colors, strict=False):
        model = models[name].fit(X_train, y_train)
        loss = log_loss(y_test, model.predict_proba(X_test))
        print(f"{name}: log loss {loss:.3f}")
        style = {"name": name, "marker": marker, "color": color}
        CalibrationDisplay.from_estimator(
            model, X_test, y_test, n_bins=10, ax=ax, **style
        )


models = {
    "KerasMoonClassifier": KerasMoonClassifier(random_state=0),
    "MLPClassifier": MLPClassifier((50, 20), max_iter=1000, random_state=0),
    "LogisticRegression": LogisticRegression(),
}
compare(models)

# %%
# Now the network trains for ten times as many epochs at a higher learning rate.
# Its curve lies above the diagonal on the left and below it on the right: the
# probabilities are too extreme. After calibration on held-out folds, the curve
# is close to the diagonal, and the log loss is lower.

network = KerasMoonClassifier(epochs=1000, learning_rate=0.005, random_state=0)
calibrated = CalibratedClassifierCV(network, method="isotonic", cv=3)
compare({"trained too long": network, "the same, calibrated": calibrated})

# sphinx_gallery_thumbnail_number = 2
