"""
A grid search
=============

How fast should the network learn, and how strongly should its weights be held
back? ``GridSearchCV`` tries each pair of ``learning_rate`` and ``l2`` by
cross-validation, and ``plot_search`` draws the scores.
"""

# %%
# The data are measurements of cells from tumours, malignant or benign. The
# network is a step of a pipeline, whose scaler sees the training folds alone.
# All fits share one compiled program, since only numbers change from one to the
# next.

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import plot_search

X, y = load_breast_cancer(return_X_y=True)
model = make_pipeline(
    StandardScaler(), KerasMoonClassifier(epochs=40, random_state=0)
)
grid = {
    "kerasmoonclassifier__learning_rate": [0.0003, 0.001, 0.003, 0.01],
    "kerasmoonclassifier__l2": [0.0, 0.001, 0.01, 0.1],
}
search = GridSearchCV(model, grid, scoring="neg_log_loss").fit(X, y)
print(f"{len(search.cv_results_['params'])} candidates")
print(f"best log loss {-search.best_score_:.3f} with")
for name, value in search.best_params_.items():
    print(f"  {name.partition('__')[2]} = {value}")

# %%
# A cell is the mean score over the folds, and the frame marks the best. The
# faster the network learns, the more it gains from the penalties 0.001 and 0.01
# on its weights. The strongest is worse than the next at every learning rate.

ax = plot_search(search, x="learning_rate", y="l2")
