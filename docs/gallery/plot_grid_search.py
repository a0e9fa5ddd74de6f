"""
Grid search over learning rate and L2 penalty
=============================================

``GridSearchCV`` cross-validates each combination of ``learning_rate`` and
``l2``, and :func:`~moonnet.plotting.plot_search` draws the scores as a heat
map.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/model_selection`
and :doc:`/guide/performance`.
"""

# %%
# The data are measurements of cells from malignant and benign tumours. The
# network is a step of a pipeline, so that the scaler is fitted to the training
# folds only. All fits share one compiled program, because only numbers differ
# between them.

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
# Each cell shows the mean score over the folds, and the frame marks the best.
# The higher the learning rate, the more the penalties 0.001 and 0.01 improve
# the score. The strongest penalty scores worse than the next weaker one at
# every learning rate.

ax = plot_search(search, x="learning_rate", y="l2")
