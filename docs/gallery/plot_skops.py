"""
Saving and loading with skops
=============================

Loading a pickle runs any code that it contains, so that a pickle from an
untrusted source is not safe. skops saves the same estimator, and loads only
trusted types. A :class:`~moonnet.KerasMoonClassifier` needs one such type,
because its learned state is arrays.

See also: :doc:`/guide/saving`.
"""

# %%
# ``dumps`` returns bytes, and ``dump`` writes a file. Much of the content is
# JSON, which compresses well.

import pickle
from zipfile import ZIP_DEFLATED

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons
from skops.io import dumps, get_untrusted_types, loads

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(random_state=0).fit(X, y)
saved = dumps(clf, compression=ZIP_DEFLATED)
print(f"skops: {len(dumps(clf)) / 1024:.0f} KiB")
print(f"skops, compressed: {len(saved) / 1024:.0f} KiB")
print(f"pickle: {len(pickle.dumps(clf)) / 1024:.0f} KiB")

# %%
# ``get_untrusted_types`` lists the types that skops does not trust by default.
# Pass them by name to ``loads``.

print(get_untrusted_types(data=saved))
loaded = loads(saved, trusted=["moonnet._classifier.KerasMoonClassifier"])
same = np.array_equal(clf.predict_proba(X), loaded.predict_proba(X))
print(f"bit-for-bit identical probabilities: {same}")

# %%
# Both have the same decision regions.

figure, axes = plt.subplots(
    1, 2, figsize=(9.6, 3.3), layout="constrained", sharey=True
)
for ax, title, each in zip(
    axes, ("fitted", "loaded"), (clf, loaded), strict=True
):
    DecisionRegionDisplay.from_estimator(each, X, y, legend_kw=False, ax=ax)
    ax.set_title(title)
    ax.label_outer()
