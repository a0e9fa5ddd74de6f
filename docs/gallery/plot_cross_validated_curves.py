"""
Training curves of a cross-validation
=====================================

When should a training stop? With ``early_stopping``, the network holds out some
of its samples, and stops when the loss on them gets no better.
``TrainingCurveDisplay`` draws the trainings of all folds of a cross-validation.
"""

# %%
# ``cross_validate`` returns the fitted estimators when asked to. Each network
# has its values by epoch in ``history_``.

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
# A thin line is a fold; a thick line is the mean of the folds, as far as all of
# them went. The training loss goes on falling while the validation loss levels
# off or rises. The dotted line marks the epoch in which the mean of the
# validation loss was lowest.

display = TrainingCurveDisplay.from_cv_results(results)
