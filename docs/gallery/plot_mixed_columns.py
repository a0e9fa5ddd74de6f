"""
Numeric and categorical columns
===============================

A ``ColumnTransformer`` scales numeric columns and encodes categorical ones, and
the network is trained on both.
:class:`~moonnet.plotting.DecisionRegionDisplay` draws the whole pipeline over
two numeric columns, with the category held at a fixed value.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/model_selection`
and :doc:`/guide/plotting`.
"""

# %%
# The target is the cultivar of a wine, one of three. The columns are alcohol,
# flavanoids, and the hue in three categories.

import pandas as pd
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

wine = load_wine(as_frame=True)
numbers = ["alcohol", "flavanoids"]
X = wine.data[numbers].assign(
    hue=pd.qcut(wine.data["hue"], 3, labels=["low", "medium", "high"])
)
y = wine.target_names[wine.target]
X.head()

# %%
# The first step of the pipeline scales the numbers, and encodes the category as
# columns of 0 and 1.

columns = make_column_transformer(
    (StandardScaler(), numbers), (OneHotEncoder(), ["hue"])
)
model = make_pipeline(columns, KerasMoonClassifier(random_state=0))
print(f"cross-validated accuracy {cross_val_score(model, X, y).mean():.3f}")
model.fit(X, y)

# %%
# Each panel shows one hue and the wines of that hue. The region of class_2 is
# largest for the low hue, where most of its wines are.

figure, axes = plt.subplots(
    1, 3, figsize=(10, 3.6), layout="constrained", sharey=True
)
for ax, hue in zip(axes, X["hue"].cat.categories, strict=True):
    wines = X["hue"] == hue
    DecisionRegionDisplay.from_estimator(
        model,
        X[wines],
        y[wines],
        features=numbers,
        held={"hue": hue},
        xlim=(10.8, 15.1),
        ylim=(0, 5.5),
        errors_kw=False,
        legend_kw={} if ax is axes[-1] else False,
        ax=ax,
    )
    ax.label_outer()
