r"""
Checking backpropagation by hand
================================

Backpropagation is the chain rule, applied from the last layer to the first.
This page writes it in NumPy for a small network, checks it by finite
differences, and compares a step of gradient descent with one of
:class:`~moonnet.KerasMoonClassifier`.

See also: :doc:`/lecture`; :doc:`/guide/classification`.
"""

# %%
# The network
# -----------
#
# Two hidden layers of 5 and 3 units, plain gradient descent, and 100 half-moons
# in a single batch: each epoch is one step. ``warm_start=True`` lets the next
# call of ``fit`` continue, so that the weights before and after a step are
# known. All numbers are float64.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(100, noise=0.2, random_state=0)
rate = 0.5
clf = KerasMoonClassifier(
    hidden_layer_sizes=(5, 3),
    activation="tanh",
    optimizer="sgd",
    learning_rate=rate,
    batch_size=len(X),
    epochs=1,
    warm_start=True,
    random_state=0,
).fit(X, y)
kernels, biases = clf.coefs_, clf.intercepts_
print("kernels:", [kernel.shape for kernel in kernels])

# %%
# Forward
# -------
#
# With :math:`H_0 = X`, one sample in each row, a hidden layer computes
#
# .. math:: A_l = H_{l-1} W_l + b_l, \qquad H_l = \tanh(A_l).
#
# The last layer has one unit. The sigmoid turns its output into the probability
# of class 1, and the loss is the mean cross-entropy over the :math:`n` samples:
#
# .. math:: p_i = \frac{1}{1 + e^{-a_i}},
#
# .. math:: L = -\frac{1}{n} \sum_{i=1}^n
#    \left[ y_i \ln(p_i) + (1 - y_i) \ln(1 - p_i) \right].


def forward(kernels, biases):
    """Return the inputs of all layers, and the probabilities."""
    inputs = [X]
    for W, b in zip(kernels[:-1], biases[:-1], strict=True):
        inputs.append(np.tanh(inputs[-1] @ W + b))
    a = inputs[-1] @ kernels[-1] + biases[-1]
    return inputs, 1 / (1 + np.exp(-a[:, 0]))


def loss(kernels, biases):
    """Return the mean cross-entropy."""
    _, p = forward(kernels, biases)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


_, p = forward(kernels, biases)
difference = abs(p - clf.predict_proba(X)[:, 1]).max()
print(f"largest difference of the probabilities: {difference:.0e}")

# %%
# Backward
# --------
#
# Let :math:`D_l = \partial L / \partial A_l`, which has the shape of
# :math:`A_l`. In the last layer, most of the chain rule cancels:
#
# .. math:: \frac{\partial L}{\partial a_i}
#    = \frac{\partial L}{\partial p_i} \frac{\partial p_i}{\partial a_i}
#    = \frac{1}{n} \, \frac{p_i - y_i}{p_i (1 - p_i)} \; p_i (1 - p_i)
#    = \frac{p_i - y_i}{n}.
#
# Each layer passes its :math:`D_l` back through its kernel, and through the
# derivative of the activation. That of :math:`h = \tanh(a)` is :math:`1 - h^2`.
# The sign :math:`\odot` multiplies entry by entry:
#
# .. math:: D_{l-1} = \left( D_l W_l^T \right)
#    \odot \left( 1 - H_{l-1} \odot H_{l-1} \right).
#
# The gradients follow from :math:`A_l = H_{l-1} W_l + b_l`. A bias is added in
# each row, so that its gradient is a sum over the rows:
#
# .. math:: \frac{\partial L}{\partial W_l} = H_{l-1}^T D_l, \qquad
#    \frac{\partial L}{\partial b_l} = \sum_{i=1}^n (D_l)_i.


def gradients(kernels, biases):
    """Return the gradients of the loss for all kernels and biases."""
    inputs, p = forward(kernels, biases)
    D = ((p - y) / len(y))[:, None]
    kernel_gradients, bias_gradients = [], []
    for W, H in zip(reversed(kernels), reversed(inputs), strict=True):
        kernel_gradients.insert(0, H.T @ D)
        bias_gradients.insert(0, D.sum(axis=0))
        D = (D @ W.T) * (1 - H * H)  # not used after the first layer
    return kernel_gradients, bias_gradients


# %%
# One step
# --------
#
# Gradient descent with the learning rate :math:`\eta` subtracts
# :math:`\eta \, \partial L / \partial W_l` from each kernel, and the same for
# the biases. The next ``fit`` makes this step, too. The two results differ by
# rounding only.


def step(kernels, biases):
    """Return kernels and biases after a step of gradient descent."""
    for_kernels, for_biases = gradients(kernels, biases)
    return (
        [W - rate * dW for W, dW in zip(kernels, for_kernels, strict=True)],
        [b - rate * db for b, db in zip(biases, for_biases, strict=True)],
    )


def largest_difference(ours, theirs):
    """Return the largest difference between two lists of arrays."""
    return max(abs(a - b).max() for a, b in zip(ours, theirs, strict=True))


stepped = step(kernels, biases)
clf.fit(X, y)
moved = largest_difference(clf.coefs_ + clf.intercepts_, kernels + biases)
difference = largest_difference(
    stepped[0] + stepped[1], clf.coefs_ + clf.intercepts_
)
print(f"largest change of a weight in this step: {moved:.3f}")
print(f"largest difference to the step by hand:  {difference:.0e}")
assert difference < 1e-14

# %%
# Finite differences
# ------------------
#
# If there is no second implementation to compare with, a difference quotient
# checks a gradient. It needs two losses for each weight:
#
# .. math:: \frac{\partial L}{\partial w} \approx
#    \frac{L(w + h) - L(w - h)}{2 h}.
#
# Its error has two parts. Down to :math:`h = 10^{-5}`, it falls as :math:`h^2`,
# the order of the terms of Taylor's series that the quotient neglects. Below,
# it rises as :math:`1 / h`, because both losses are rounded.


def difference_quotient(layer, index, h):
    """Return the difference quotient for one weight of a kernel."""
    losses = []
    for change in (h, -h):
        changed = [kernel.copy() for kernel in kernels]
        changed[layer][index] += change
        losses.append(loss(changed, biases))
    return (losses[0] - losses[1]) / (2 * h)


exact, _ = gradients(kernels, biases)
widths = np.logspace(-12, 0, 25)
errors = [
    max(
        abs(difference_quotient(layer, index, h) - gradient[index])
        for layer, gradient in enumerate(exact)
        for index in np.ndindex(gradient.shape)
    )
    for h in widths
]
print(f"smallest error: {min(errors):.0e}, h = {widths[np.argmin(errors)]:.0e}")
figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.loglog(widths, errors, ".-")
ax.set(xlabel="h", ylabel="largest error of a gradient")
ax.grid(alpha=0.3)

# %%
# Many steps
# ----------
#
# 2000 of these steps are a whole training. The weights still agree to eleven
# decimal places.

losses = []
for _ in range(2000):
    losses.append(loss(kernels, biases))
    kernels, biases = step(kernels, biases)
clf.set_params(epochs=1999).fit(X, y)  # after the two steps above
difference = largest_difference(kernels + biases, clf.coefs_ + clf.intercepts_)
print(f"largest difference of a weight: {difference:.0e}")

figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
axes[0].plot(losses, linewidth=5, alpha=0.4, label="by hand")
axes[0].plot(clf.history_["loss"][1:], "k--", label="moonnet")
axes[0].set(xlabel="step", ylabel="loss")
axes[0].legend()
display = DecisionRegionDisplay.from_estimator(
    clf,
    X,
    y,
    errors_kw=False,
    legend_kw=False,
    aspect="auto",
    ax=axes[1],
)

# sphinx_gallery_thumbnail_number = 2
