"""
A residual network: how deep can it be?
=======================================

In a residual network, the input of each block is added to its output, so that
the gradient has a short way to the first layers. Layers that branch need a
function instead of a list. :class:`~moonnet.HiddenLayers` makes the arguments
of this function parameters of a search.

See also: :class:`~moonnet.HiddenLayers`; :doc:`/guide/own_layers`.
"""

# %%
# The function takes the input and returns the last hidden tensor. The estimator
# adds the output layer.

import numpy as np
from keras import layers
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from moonnet import HiddenLayers, KerasMoonClassifier


def blocks_of_layers(inputs, blocks=2, units=32, residual=True):
    """Return the last hidden tensor."""
    x = layers.Dense(units, activation="relu")(inputs)
    for _ in range(blocks):
        change = layers.Dense(units, activation="relu")(x)
        x = layers.Add()([x, change]) if residual else change
    return x


X, y = load_digits(return_X_y=True)
clf = KerasMoonClassifier(
    hidden_layers=HiddenLayers(blocks_of_layers),
    epochs=20,
    random_state=0,
)

# %%
# ``hidden_layers__blocks`` is the argument ``blocks`` of the function.

depths = [1, 6, 12]
search = GridSearchCV(
    clf,
    {
        "hidden_layers__blocks": depths,
        "hidden_layers__residual": [False, True],
    },
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit((X / 16).astype("float32"), y)
results = search.cv_results_
print("blocks  residual  mean accuracy")
for parameters, score in zip(
    results["params"], results["mean_test_score"], strict=True
):
    blocks, residual = parameters.values()
    print(f"{blocks:6}  {residual!s:8}  {score:.3f}")

# %%
# A dot is the accuracy on one fold, and a line connects the means.

folds = [results[f"split{fold}_test_score"] for fold in range(3)]
scores = np.array(folds).reshape(3, len(depths), 2)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for column, (label, color) in enumerate(
    [("plain", "tab:orange"), ("residual", "tab:blue")]
):
    ax.plot(depths, scores[..., column].mean(axis=0), color=color, label=label)
    ax.plot(depths, scores[..., column].T, "o", color=color, alpha=0.5)
ax.set(xlabel="blocks", ylabel="accuracy", xticks=depths)
legend = ax.legend(title="network")

# %%
# With one block, the networks differ little. With more blocks, the plain
# network gets much worse, and the residual network only a little. Depth does
# not help on these data: one block scores best.
