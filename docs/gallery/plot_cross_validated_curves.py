"""
Training curves of a cross-validation
=====================================

With ``early_stopping=True``, the network holds out some of its samples, and
stops training when the loss on them no longer improves.
:class:`~moonnet.plotting.TrainingCurveDisplay` draws the training curves of all
folds of a cross-validation.

See also: :class:`~moonnet.KerasMoonClassifier`;
:doc:`/guide/stopping_and_resuming` and :doc:`/guide/plotting`.
"""

# %%
# With ``return_estimator=True``, ``cross_validate`` returns the fitted
# estimators. Each network stores its loss and accuracy by epoch in
# ``history_``.

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import TrainingCurveDisplay

X, y = load_breast_cancer(return_X_y=True)
network = KerasMoonClassifier(
    epochs=200, early_stopping=True, validation_fraction=0.2, random_state=0
)
results = cross_validate(
    make_pipeline(StandardScaler(), network), X, y, return_estimator=True
)
epochs = [estimator[-1].n_iter_ for estimator in results["estimator"]]
print(f"epochs run: {epochs}")
print(f"mean test accuracy {results['test_score'].mean():.3f}")

# %%
# Thin lines are folds. Thick lines are means over the folds, up to the last
# epoch that all folds reached. The training loss keeps falling while the
# validation loss levels off or rises. The dotted line marks the epoch with the
# lowest mean validation loss.

display = TrainingCurveDisplay.from_cv_results(results)
