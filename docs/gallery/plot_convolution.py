"""
A small convolutional network: which digits does it get wrong?
==============================================================

A convolution looks at small squares of an image, with the same weights
everywhere. The network takes rows of 64 pixels like any other, and its first
layer gives them the shape of an image again.

See also: :doc:`/guide/own_layers`;
:ref:`sphx_glr_auto_gallery_plot_digits.py` with the default network.
"""

# %%
# Half of the digits are held out.

import numpy as np
from keras import layers
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from moonnet import KerasMoonClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    (X / 16).astype("float32"), y, test_size=0.5, stratify=y, random_state=0
)
convolutional = [
    layers.Reshape((8, 8, 1)),
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dropout(0.3),
]

# %%
# Both networks are trained with three random states. A second test shifts each
# held-out digit by one pixel to the left or to the right.

images = X_test.reshape(-1, 8, 8)
shifted = np.zeros((2, *images.shape), images.dtype)
shifted[0, :, :, :-1] = images[:, :, 1:]
shifted[1, :, :, 1:] = images[:, :, :-1]
X_shifted, y_shifted = shifted.reshape(-1, 64), np.tile(y_test, 2)

print("network        held-out digits    shifted by a pixel")
for name, hidden_layers in [("dense", None), ("convolutional", convolutional)]:
    scores = []
    for seed in range(3):
        clf = KerasMoonClassifier(
            hidden_layers=hidden_layers,
            epochs=15,
            learning_rate=0.003,
            random_state=seed,
        ).fit(X_train, y_train)
        tests = [(X_test, y_test), (X_shifted, y_shifted)]
        scores.append([clf.score(*test) for test in tests])
    worst, best = np.min(scores, axis=0), np.max(scores, axis=0)
    ranges = [f"{a:.3f} to {b:.3f}" for a, b in zip(worst, best, strict=True)]
    print(f"{name:13}  {ranges[0]}     {ranges[1]}")

# %%
# In all three runs, the convolutional network gets more of the held-out digits
# right, and many more of the shifted ones. Both networks have learned where in
# the image a digit is: a shift by a single pixel costs them much accuracy.
#
# Below are digits that the last convolutional network gets wrong: what they
# are, what it takes them for, and the probability of that. Those of which it is
# most certain come first. A person cannot read all of these pixels either.

probabilities = clf.predict_proba(X_test)
predicted = clf.predict(X_test)
wrong = np.flatnonzero(predicted != y_test)
print(f"{len(wrong)} of {len(y_test)} digits are wrong")
certainty = probabilities[wrong].max(axis=1)
wrong = wrong[np.argsort(-certainty)][:18]
figure, axes = plt.subplots(3, 6, figsize=(7, 4.8), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, index in zip(axes.flat, wrong, strict=False):
    ax.imshow(images[index], cmap="gray_r")
    ax.set_title(
        f"{y_test[index]} as {predicted[index]}\n"
        f"{probabilities[index].max():.0%}",
        size=10,
    )
