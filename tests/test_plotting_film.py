"""LearningFilm: recorded weights, animations, saved files and errors."""

import copy
import pickle
import shutil

import matplotlib as mpl
import numpy as np
import pytest
from keras import layers
from matplotlib import pyplot as plt
from matplotlib.animation import FFMpegWriter
from numpy.testing import assert_allclose
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.plotting import DecisionRegionDisplay, LearningFilm, RegressionDisplay

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")


@pytest.fixture
def film_and_classifier(moons):
    """A film of six epochs, and the classifier whose training it recorded."""
    film = LearningFilm()
    return film, KerasMoonClassifier(epochs=6, random_state=0).set_callbacks(film).fit(*moons)


def test_recorded_weights_equal_those_of_shorter_fits(film_and_classifier, moons):
    film, clf = film_and_classifier
    assert film.epochs == [1, 2, 3, 4, 5, 6]
    for epoch, (coefs, intercepts) in zip(film.epochs, film.weights, strict=True):
        shorter = KerasMoonClassifier(epochs=epoch, random_state=0).fit(*moons)
        for array, expected in zip([*coefs, *intercepts], [*shorter.coefs_, *shorter.intercepts_], strict=True):
            assert type(array) is np.ndarray
            assert (array == expected).all()
    assert film.history == clf.history_


def test_every_sets_the_interval_and_the_last_epoch_is_recorded(moons):
    film = LearningFilm(every=4)
    clf = KerasMoonClassifier(epochs=6, warm_start=True, random_state=0).set_callbacks(film).fit(*moons)
    assert film.epochs == [4, 6]
    clf.set_params(epochs=3).fit(*moons)
    assert film.epochs == [4, 8, 9]  # 6 was the last epoch only until training resumed
    assert (film.weights[-1][0][0] == clf.coefs_[0]).all()
    clf.set_params(warm_start=False, epochs=1).fit(*moons)
    assert film.epochs == [1]
    clf.fit(*moons)
    assert film.epochs == [1]
    clf.partial_fit(*moons)
    assert film.epochs == [2]


def test_frames_show_the_regions_and_the_loss_of_their_epoch(film_and_classifier, moons):
    film, clf = film_and_classifier
    film.animate(clf, *moons)
    for index in (0, 3, 5):
        film.animation_._func(index)
        coefs, intercepts = film.weights[index]
        earlier = copy.deepcopy(clf)
        earlier.coefs_, earlier.intercepts_ = coefs, intercepts
        expected_display = DecisionRegionDisplay.from_estimator(earlier, *moons)
        assert_allclose(film.ax_[0].collections[0].get_array(), expected_display.surface_.get_array())
        (line,) = [line for line in film.ax_[1].lines if line.get_label() == "training"]
        assert_allclose(line.get_ydata(), clf.history_["loss"][: index + 1])
        assert film.ax_[1].get_title() == f"epoch {index + 1}"
        assert film.ax_[1].get_xlim()[1] >= 6
    assert len(list(film.animation_.new_frame_seq())) == 6


def test_frames_of_own_layers_show_the_regions_of_their_epoch(moons):
    film = LearningFilm(every=2)
    clf = KerasMoonClassifier(
        hidden_layers=[layers.Dense(8), layers.BatchNormalization(), layers.ReLU()], epochs=4, random_state=0
    )
    clf.set_callbacks(film).fit(*moons)
    film.animate(clf, *moons, grid_resolution=16)
    for index, epochs in enumerate(film.epochs):
        film.animation_._func(index)
        shorter = clone(clf).set_callbacks().set_params(epochs=epochs).fit(*moons)
        expected_display = DecisionRegionDisplay.from_estimator(shorter, *moons, grid_resolution=16)
        assert_allclose(film.ax_[0].collections[0].get_array(), expected_display.surface_.get_array())
    assert film.epochs == [2, 4]
    with pytest.raises(ValueError, match="most recent fit this film has recorded"):
        film.animate(shorter.set_params(learning_rate=0.1).fit(*moons), *moons)


@pytest.mark.parametrize("n_features", [1, 2])
def test_frames_of_a_regressor_have_one_scale(n_features):
    X = np.random.default_rng(0).uniform(-3, 3, (60, n_features))
    y = 100 * np.sin(X[:, 0])
    film = LearningFilm()
    reg = KerasMoonRegressor(epochs=6, learning_rate=0.01, random_state=0).set_callbacks(film).fit(X, y)
    film.animate(reg, X, y, grid_resolution=32)
    scales = set()
    for index in (0, 3, 5):
        film.animation_._func(index)
        earlier = copy.deepcopy(reg)
        earlier.coefs_, earlier.intercepts_ = film.weights[index]
        expected_display = RegressionDisplay.from_estimator(earlier, X, y, grid_resolution=32)
        ax = film.ax_[0]
        drawn = ax.lines[0].get_ydata() if n_features == 1 else np.ravel(ax.collections[0].get_array())
        assert_allclose(drawn, expected_display.response.ravel())
        scales.add(ax.get_ylim() if n_features == 1 else ax.collections[0].get_clim())
    assert scales == {RegressionDisplay.from_estimator(reg, X, y, grid_resolution=32).vlim_}


def test_animation_does_not_change_with_another_fit(film_and_classifier, moons, tmp_path):
    film, clf = film_and_classifier
    film.animate(clf, *moons, fps=10, grid_resolution=16)
    coefs = film.weights[5][0]
    clf.set_params(epochs=2, learning_rate=0.1).fit(*moons)
    assert film.epochs == [1, 2]
    film.animation_._func(5)
    assert film.ax_[1].get_title() == "epoch 6"
    assert not np.array_equal(coefs[0], film.weights[-1][0][0])
    with Image.open(film.save(tmp_path / "film.GIF", dpi=30)) as gif:
        assert gif.n_frames == 6


def test_only_the_recorded_fold_of_a_cross_validation_can_be_animated(moons):
    film = LearningFilm(every=2)
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=4, random_state=0).set_callbacks(film))
    first, last = cross_validate(model, *moons, cv=2, return_estimator=True)["estimator"]
    film.animate(last, *moons)
    with pytest.raises(ValueError, match="whose most recent fit this film has recorded"):
        film.animate(first, *moons)


def test_animate_does_not_change_the_estimator(film_and_classifier, moons):
    film, clf = film_and_classifier
    before = [array.copy() for array in clf.coefs_]
    film.animate(clf, *moons)
    film.animation_._func(0)
    assert all((now == then).all() for now, then in zip(clf.coefs_, before, strict=True))


def test_callbacks_of_keras_are_not_copied(moons, keras):
    class Uncopied(keras.callbacks.Callback):
        def __deepcopy__(self, memo):
            raise TypeError("cannot be copied")

    film = LearningFilm()
    clf = KerasMoonClassifier(epochs=2, callbacks=[Uncopied()]).set_callbacks(film)
    search = GridSearchCV(clf, {"l2": [0.0]}, cv=2).fit(*moons)
    film.animate(search, *moons).animation_._func(1)
    assert film.ax_[1].get_title() == "epoch 2"


def test_pipelines_and_searches_are_drawn_in_the_units_of_the_data(moons):
    X, y = moons
    film = LearningFilm(every=2)
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=4, random_state=0).set_callbacks(film))
    search = GridSearchCV(model, {"kerasmoonclassifier__l2": [0, 0.1]}, cv=2).fit(X * 100, y)
    film.animate(search, X * 100, y)
    film.animation_._func(1)
    assert film.epochs == [2, 4]
    regions = film.ax_[0]
    assert np.ptp(regions.get_xlim()) > 300
    last = DecisionRegionDisplay.from_estimator(search, X * 100, y)
    assert_allclose(regions.collections[0].get_array(), last.surface_.get_array())


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".html"])
def test_saved_files_contain_every_frame(film_and_classifier, moons, tmp_path, suffix, capfd):
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    film, clf = film_and_classifier
    film.animate(clf, *moons, fps=3, grid_resolution=16)
    path = film.save(tmp_path / f"film{suffix}", dpi=40)
    if suffix == ".gif":
        with Image.open(path) as gif:
            assert gif.size == (384, 144)
            shown = []
            for index in range(gif.n_frames):
                gif.seek(index)
                shown.append(gif.info["duration"])
        assert len(shown) == 6
        # The last frame is shown for an additional second
        assert sum(shown) == pytest.approx(1000 * (6 / 3 + 1), abs=60)
    elif suffix == ".mp4":
        assert path.read_bytes()[4:8] == b"ftyp"
    else:
        assert path.read_text(encoding="utf-8").count("data:image/png;base64") == 6
    assert capfd.readouterr() == ("", "")  # no progress bar without a terminal


def test_notebook_shows_a_player_and_no_second_figure(film_and_classifier, moons):
    film, clf = film_and_classifier
    assert film._repr_html_() is None
    assert "<script" in film.animate(clf, *moons, grid_resolution=16)._repr_html_()
    assert plt.get_fignums() == []


def test_animation_of_probabilities_has_one_colour_bar(film_and_classifier, moons):
    film, clf = film_and_classifier
    film.animate(clf, *moons, response_method="predict_proba", grid_resolution=16)
    film.animation_._func(0)
    film.animation_._func(1)
    assert len(film.figure_.axes) == 3


def test_frames_of_a_decision_function_have_one_scale(film_and_classifier, moons):
    film, clf = film_and_classifier
    film.animate(clf, *moons, response_method="decision_function", grid_resolution=16)
    scales = set()
    for index in (0, 5):
        film.animation_._func(index)
        scales.add(film.ax_[0].collections[0].get_clim())
    assert scales == {film.figure_.axes[2]._colorbar.mappable.get_clim()}


def test_invalid_arguments_raise_before_the_film_has_a_figure(film_and_classifier, moons):
    film, clf = film_and_classifier
    for options, message in [
        ({"errors_kw": 3}, "errors_kw must be a dict of keyword arguments or False. Got 3"),
        ({"grid_resolution": 1}, "grid_resolution must be an integer of at least 2. Got 1"),
        ({"figure": 3}, "figure must be a matplotlib figure. Got 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            film.animate(clf, *moons, **options)
    assert plt.get_fignums() == []
    film.animate(clf, *moons, grid_resolution=16)
    with pytest.raises(ValueError, match=r"dpi must be a positive number\. Got 0"):
        film.save("film.gif", dpi=0)


def test_only_the_given_figure_is_drawn_on(film_and_classifier, moons):
    film, clf = film_and_classifier
    current, given = plt.figure(), mpl.figure.Figure(figsize=(8, 3), layout="constrained")
    film.animate(clf, *moons, figure=given, grid_resolution=16)
    assert film.figure_ is given
    assert plt.gcf() is current
    assert current.axes == []


def test_pickles_contain_the_weights_but_no_animation(film_and_classifier, moons):
    film, clf = film_and_classifier
    film.animate(clf, *moons)
    again = pickle.loads(pickle.dumps(film))
    assert again.epochs == film.epochs
    assert (again.weights[3][0][1] == film.weights[3][0][1]).all()
    assert not hasattr(again, "animation_")


def test_errors_name_the_parameter_and_the_value(film_and_classifier, moons, tmp_path, monkeypatch):
    film, clf = film_and_classifier
    with pytest.raises(ValueError, match=r"every must be an integer of at least 1\. Got 0"):
        LearningFilm(every=0)
    with pytest.raises(ValueError, match=r"LearningFilm must record a fit before .* It has recorded no epochs"):
        LearningFilm().animate(clf, *moons)
    other = KerasMoonClassifier((3,), epochs=1).fit(*moons)
    twin = KerasMoonClassifier(epochs=6, random_state=1).fit(*moons)
    for stranger in (other, twin, LogisticRegression().fit(*moons)):
        with pytest.raises(
            ValueError,
            match=r"estimator must be the one whose most recent fit this film has recorded\. Got ",
        ):
            film.animate(stranger, *moons)
    for fps in (0, -1, "fast", np.nan):
        with pytest.raises(ValueError, match=rf"fps must be a positive number\. Got {fps!r}"):
            film.animate(clf, *moons, fps=fps)
    with pytest.raises(ValueError, match=r"animate must be called before save\. Got a film without an animation"):
        film.save(tmp_path / "film.gif")
    film.animate(clf, *moons)
    with pytest.raises(ValueError, match=r"path must end in one of .* Got '.*film\.avi'"):
        film.save(tmp_path / "film.avi")
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(RuntimeError, match="Writing MP4 requires ffmpeg"):
        film.save(tmp_path / "film.mp4")


def test_film_set_on_a_pipeline_raises(moons):
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=1)).set_callbacks(LearningFilm())
    with pytest.raises(ValueError, match=r"LearningFilm must be set on the network itself.* Got Pipeline"):
        model.fit(*moons)
