"""plot_learning_curve and plot_validation_curve: one split and one random state per seed, means and bands."""

import numpy as np
import pytest
from joblib import parallel_config
from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from moonnet import KerasMoonClassifier
from moonnet.plotting import plot_learning_curve, plot_validation_curve


def scores_by_hand(make_estimator, X, y, seed, score, n_train=None, test_size=0.5):
    """Return training and test score of one fit, trained on the first samples of the split."""
    train, test = next(ShuffleSplit(1, test_size=test_size, random_state=seed).split(X))
    train = train[:n_train]
    estimator = make_estimator(seed).fit(X[train], y[train])
    return score(estimator, X[train], y[train]), score(estimator, X[test], y[test])


def accuracy(estimator, X, y):
    return estimator.score(X, y)


def random_tree(depth):
    return lambda seed: DecisionTreeClassifier(splitter="random", max_depth=depth, random_state=seed)


def test_each_seed_draws_a_split_and_an_estimator(moons):
    X, y = moons
    display = plot_validation_curve(random_tree(None)(None), X, y, "max_depth", [1, 2, 4], n_seeds=3, test_size=0.3)
    expected = np.array(
        [
            [scores_by_hand(random_tree(depth), X, y, seed, accuracy, test_size=0.3) for seed in range(3)]
            for depth in [1, 2, 4]
        ]
    )
    assert np.array_equal(display.train_scores, expected[..., 0])
    assert np.array_equal(display.test_scores, expected[..., 1])
    assert len(np.unique(display.test_scores)) > 3


def test_learning_curve_trains_on_the_first_samples_of_each_split(moons):
    X, y = moons
    display = plot_learning_curve(random_tree(3)(None), X, y, train_sizes=[20, 50, 80], n_seeds=3, test_size=100)
    expected = np.array(
        [
            [scores_by_hand(random_tree(3), X, y, seed, accuracy, size, test_size=100) for seed in range(3)]
            for size in [20, 50, 80]
        ]
    )
    assert display.train_sizes.tolist() == [20, 50, 80]
    assert np.array_equal(display.train_scores, expected[..., 0])
    assert np.array_equal(display.test_scores, expected[..., 1])


@pytest.mark.trains
def test_a_seed_is_the_random_state_of_the_network(moons):
    X, y = moons
    network = KerasMoonClassifier(epochs=3, random_state=7)
    display = plot_validation_curve(network, X, y, "learning_rate", [0.01, 0.1], n_seeds=2, scoring="neg_log_loss")

    def make_network(seed):
        return KerasMoonClassifier(epochs=3, learning_rate=0.01, random_state=seed)

    def score(estimator, X, y):
        return -log_loss(y, estimator.predict_proba(X))

    expected = np.array([scores_by_hand(make_network, X, y, seed, score) for seed in range(2)])
    np.testing.assert_allclose([display.train_scores[0], display.test_scores[0]], expected.T)
    assert network.random_state == 7
    assert not hasattr(network, "classes_")


def test_all_steps_of_a_pipeline_get_the_seed(moons):
    X, y = moons

    def make_model(seed):
        encoder = QuantileTransformer(n_quantiles=10, subsample=50, random_state=seed)
        return make_pipeline(encoder, StandardScaler(), random_tree(2)(seed))

    name = "decisiontreeclassifier__max_depth"
    display = plot_validation_curve(make_model(None), X, y, name, [2, 3], n_seeds=4)
    expected = np.array([scores_by_hand(make_model, X, y, seed, accuracy) for seed in range(4)])
    assert np.array_equal(display.test_scores[0], expected[:, 1])
    assert display.ax_.get_xlabel() == "max_depth"


def test_an_estimator_without_random_state_differs_by_split(moons):
    display = plot_validation_curve(KNeighborsClassifier(), *moons, "n_neighbors", [1, 9], n_seeds=5)
    assert display.test_scores.shape == (2, 5)
    assert len(np.unique(display.test_scores)) > 1


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", make_scorer(mean_squared_error)])
def test_lines_are_means_and_bands_standard_deviations(scoring):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    display = plot_learning_curve(
        RandomForestRegressor(2), X, y, train_sizes=[5, 20], n_seeds=4, scoring=scoring, line_kw={"color": "k"}
    )
    sign = -1 if scoring == "neg_mean_squared_error" else 1
    for line, band, scores in zip(
        display.lines_, display.fill_between_, [display.train_scores, display.test_scores], strict=True
    ):
        mean, deviation = sign * scores.mean(axis=1), scores.std(axis=1)
        np.testing.assert_allclose(line.get_ydata(), mean)
        assert line.get_color() == "k"
        corners = band.get_paths()[0].vertices
        np.testing.assert_allclose(corners[:, 1].min(), (mean - deviation).min())
        np.testing.assert_allclose(corners[:, 1].max(), (mean + deviation).max())
    names = {None: "R²", "neg_mean_squared_error": "mean squared error"}
    assert display.ax_.get_ylabel() == names.get(scoring, "score")
    assert display.ax_.get_xlabel() == "training samples"


def test_axes_and_bands_are_the_callers(moons):
    _, ax = plt.subplots()
    tree = DecisionTreeClassifier()
    display = plot_validation_curve(tree, *moons, "max_depth", [1, 2], n_seeds=2, ax=ax, band_kw=False)
    assert display.ax_ is ax
    assert display.fill_between_ is None
    assert ax.get_ylabel() == "accuracy"
    display = plot_validation_curve(tree, *moons, "max_depth", [1, 2], n_seeds=2, band_kw={"alpha": 0.1, "lw": 2})
    assert [band.get_alpha() for band in display.fill_between_] == [0.1, 0.1]
    assert [band.get_linewidth()[0] for band in display.fill_between_] == [2, 2]
    assert len(plt.get_fignums()) == 2


def test_jobs_do_not_change_scores(moons):
    with parallel_config(backend="threading"):
        one, two = (
            plot_validation_curve(random_tree(2)(None), *moons, "max_depth", [1, 3], n_seeds=2, n_jobs=n_jobs)
            for n_jobs in (1, 2)
        )
    assert np.array_equal(one.test_scores, two.test_scores)


@pytest.mark.parametrize("n_seeds", [0, -1, 2.0, "3", True, None])
def test_number_of_seeds_must_be_a_positive_integer(moons, n_seeds):
    with pytest.raises(ValueError, match=r"n_seeds must be an integer of at least 1\. Got ") as error:
        plot_learning_curve(DecisionTreeClassifier(), *moons, n_seeds=n_seeds)
    assert repr(n_seeds) in str(error.value)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "values", [[1], [], 3, [1, 1.0], None, "adam", {"adam": 1, "sgd": 2}, ["sgd", "sgd"], iter("ab")]
)
def test_values_must_be_several_that_differ(moons, values):
    with pytest.raises(
        ValueError, match=r"param_range must contain at least two values, all different\. Got "
    ) as error:
        plot_validation_curve(KerasMoonClassifier(), *moons, "optimizer", values)
    assert repr(values) in str(error.value)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("values", [[1], [], 3, [1, 1.0], ["adam", "sgd"], [(50, 20), (5,)], None])
def test_training_sizes_must_be_numbers_that_differ(moons, values):
    with pytest.raises(
        ValueError, match=r"train_sizes must contain at least two numbers, all different\. Got "
    ) as error:
        plot_learning_curve(KerasMoonClassifier(), *moons, train_sizes=values)
    assert repr(values) in str(error.value)
    assert plt.get_fignums() == []


def tick_labels(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


@pytest.mark.parametrize(
    ("name", "values", "labels"),
    [
        ("criterion", ["gini", "entropy", "log_loss"], ["gini", "entropy", "log_loss"]),
        ("max_depth", [1, None], ["1", "None"]),
        ("max_features", [0.5, "sqrt"], ["0.5", "sqrt"]),
        ("class_weight", ({0: 1, 1: 2}, None), ["{0: 1, 1: 2}", "None"]),
    ],
)
def test_values_that_are_no_numbers_are_categories(moons, name, values, labels):
    tree = random_tree(2)(None)
    display = plot_validation_curve(tree, *moons, name, values, n_seeds=3)
    assert tick_labels(display.ax_) == labels
    positions = np.arange(len(values))
    assert display.param_range.tolist() == positions.tolist()
    assert display.ax_.get_xlim() == (-0.5, len(values) - 0.5)

    def scores(value):
        def make(seed):
            return random_tree(2)(seed).set_params(**{name: value})

        return [scores_by_hand(make, *moons, seed, accuracy) for seed in range(3)]

    expected = np.array([scores(value) for value in values])  # of shape (n_values, n_seeds, 2)
    for index, (line, band) in enumerate(zip(display.lines_, display.fill_between_, strict=True)):
        x, mean = line.get_data()
        assert line.get_linestyle() == "None"
        np.testing.assert_allclose(mean, expected[..., index].mean(axis=1))
        assert (np.abs(x - positions) < 0.2).all()
        bars = [path.vertices for path in band.get_paths()]
        deviation = expected[..., index].std(axis=1)
        np.testing.assert_allclose([bar[:, 1].min() for bar in bars], mean - deviation)
        np.testing.assert_allclose([bar[:, 1].max() for bar in bars], mean + deviation)
        np.testing.assert_allclose([bar[:, 0].mean() for bar in bars], x, atol=0.05)
        assert same_color(band.get_facecolor()[0, :3], line.get_color())
    train, test = (line.get_xdata() for line in display.lines_)
    assert (train < test).all()


def test_categories_take_the_callers_arguments(moons):
    arguments = DecisionTreeClassifier(max_depth=2), *moons, "criterion", ["gini", "entropy"]
    display = plot_validation_curve(*arguments, n_seeds=2, scoring="neg_log_loss", band_kw=False, line_kw={"ls": "-"})
    assert display.fill_between_ is None
    assert [line.get_linestyle() for line in display.lines_] == ["-", "-"]
    assert all((line.get_ydata() > 0).all() for line in display.lines_)
    display = plot_validation_curve(*arguments, n_seeds=2, band_kw={"color": "red"})
    assert all(same_color(band.get_facecolor()[0, :3], "red") for band in display.fill_between_)


@pytest.mark.trains
def test_layer_sizes_and_keras_optimizers_are_categories(moons):
    import keras

    network = KerasMoonClassifier((3,), epochs=1)
    display = plot_validation_curve(network, *moons, "hidden_layer_sizes", [(3,), (4, 2)], n_seeds=1)
    assert tick_labels(display.ax_) == ["(3,)", "(4, 2)"]
    optimizers = ["adam", keras.optimizers.SGD(momentum=0.9)]
    display = plot_validation_curve(network, *moons, "optimizer", optimizers, n_seeds=1)
    assert tick_labels(display.ax_) == ["adam", "SGD"]


def test_errors_are_those_of_scikit_learn(moons):
    for name, values, message in [
        ("depth", [1, 2], r"Invalid parameter 'depth' for estimator DecisionTreeClassifier"),
        ("max_depth", [-1, 1], r"'max_depth' parameter of .* must be .* Got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            plot_validation_curve(DecisionTreeClassifier(), *moons, name, values, n_seeds=2)
    with pytest.raises(ValueError, match=r"test_size=2\.0 should be"):
        plot_learning_curve(DecisionTreeClassifier(), *moons, test_size=2.0)
    assert plt.get_fignums() == []
