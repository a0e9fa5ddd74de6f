"""
Calibrated probabilities
========================

A classifier is calibrated if, of the samples to which it gives probability 0.8,
eight in ten are of the class. A network that knows its samples by heart is too
sure of itself. ``CalibratedClassifierCV`` mends that.
"""

# %%
# Half-moons so noisy that they overlap. On the dotted diagonal, what was
# predicted is what happens. All three classifiers keep close to it.

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
    """Fit the models, and draw what was predicted against what happened."""
    _, ax = plt.subplots(figsize=(5.4, 4.8), layout="constrained")
    colors = plt.colormaps["viridis"]([0.0, 0.5, 0.9])
    for name, marker, color in zip(models, "osD", colors, strict=False):
        model = models[name].fit(X_train, y_train)
        loss = log_loss(y_test, model.predict_proba(X_test))
        print(f"{name}: log loss {loss:.3f}")
        look = {"name": name, "marker": marker, "color": color}
        CalibrationDisplay.from_estimator(
            model, X_test, y_test, n_bins=10, ax=ax, **look
        )


models = {
    "KerasMoonClassifier": KerasMoonClassifier(random_state=0),
    "MLPClassifier": MLPClassifier((50, 20), max_iter=1000, random_state=0),
    "LogisticRegression": LogisticRegression(),
}
compare(models)

# %%
# The same network, trained for ten times as many epochs at a higher learning
# rate. Its curve lies above the diagonal on the left and below it on the right:
# the probabilities are too extreme. Calibrated on folds that were held out, it
# comes near the diagonal, and its log loss falls.

network = KerasMoonClassifier(epochs=1000, learning_rate=0.005, random_state=0)
calibrated = CalibratedClassifierCV(network, method="isotonic", cv=3)
compare({"trained too long": network, "the same, calibrated": calibrated})

# sphinx_gallery_thumbnail_number = 2
