"""A callback that records the weights of each epoch, and the animation of their predictions."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from moonnet._sklearn_compat import check_has_callbacks
from moonnet.networks import State, equal_arrays
from moonnet.plotting._checks import check_integer, check_positive
from moonnet.plotting._curves import TrainingCurveDisplay, unwrap_estimator
from moonnet.plotting._regions import DecisionRegionDisplay
from moonnet.plotting._regression import RegressionDisplay

# Additional time for which the last frame is shown, in seconds
_LAST_FRAME_PAUSE = 1


class LearningFilm:
    """Animation of a network's training: a scikit-learn callback that records the weights of each epoch.

    Pass the film to ``set_callbacks`` of the network, which may be a step of a pipeline, and call ``fit``.
    :meth:`animate` then draws the loss of each recorded epoch, beside the decision regions of a classifier or the curve
    or surface of a regressor. :meth:`save` writes the animation as GIF, MP4 or HTML. A notebook displays an animated
    film as a player.

    A film records one training run. The next ``fit`` replaces it, unless training resumes (``warm_start``,
    ``partial_fit``), which appends to it. Fits in other processes (``n_jobs``) are not recorded. Concurrent fits in
    several threads must not share a film.

    Parameters
    ----------
    every : int, default=1
        Number of epochs from one record to the next, at least 1. The last epoch is always recorded.

    Raises
    ------
    ValueError
        If ``every`` is not an integer of at least 1.

    NotImplementedError
        If the installed scikit-learn is older than 1.9, the first version with callbacks.

    Attributes
    ----------
    epochs : list of int
        The recorded epochs, counted from 1.

    weights : list of tuple of two list of ndarray
        ``coefs_`` and ``intercepts_`` after each recorded epoch. With early stopping, these are the weights of the best
        epoch so far, with which the network would predict. For a network with ``hidden_layers``, the lists are the
        arrays of its trainable variables, which a regressor has for standardised y, and those of its other variables,
        such as moving averages.

    history : dict of str to list of float
        The estimator's ``history_`` up to the last recorded epoch.

    animation_ : matplotlib.animation.FuncAnimation
        The animation. Available after :meth:`animate`.

    figure_ : matplotlib.figure.Figure
        Figure of the animation. Available after :meth:`animate`.

    ax_ : ndarray of matplotlib.axes.Axes of shape (2,)
        Axes of the predictions and of the loss. Available after :meth:`animate`.

    See Also
    --------
    DecisionRegionDisplay : A single picture of a classifier's predictions.
    RegressionDisplay : A single picture of a regressor's predictions.
    TrainingCurveDisplay : Loss, accuracy and score by epoch.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import LearningFilm
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> film = LearningFilm(every=25)
    >>> clf = KerasMoonClassifier(random_state=0).set_callbacks(film).fit(X, y)
    >>> film.epochs
    [25, 50, 75, 100]
    >>> film.animate(clf, X, y).save("learning.gif")  # doctest: +SKIP
    """

    def __init__(self, every: int = 1) -> None:
        check_has_callbacks("LearningFilm")
        self.every: int = check_integer("every", every, 1)
        self.epochs: list[int] = []
        self.weights: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
        self.history: dict[str, list[float]] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing; scikit-learn calls this before a fit.

        See Also
        --------
        LearningFilm.on_fit_task_end : Record the weights of an epoch.
        """

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing; scikit-learn calls this after a fit.

        See Also
        --------
        LearningFilm.on_fit_task_end : Record the weights of an epoch.
        """

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing; scikit-learn calls this before an epoch.

        See Also
        --------
        LearningFilm.on_fit_task_end : Record the weights of an epoch.
        """

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        """Record the weights; scikit-learn calls this after each epoch and at the end of a fit.

        Parameters
        ----------
        estimator : estimator
            The estimator that is being fitted.

        context : sklearn.callback.CallbackContext
            The task that has ended, whose ``task_name`` is ``"epoch"`` for an epoch.

        fitted_estimator : estimator, default=None
            A copy of the estimator as it would be if training had ended with this epoch.

        Raises
        ------
        ValueError
            If the film is set on a pipeline or another estimator without weights, instead of the network.

        See Also
        --------
        LearningFilm.animate : Create the animation from the recorded weights.
        """
        weights = _weights_of(fitted_estimator)
        if weights is None:
            raise ValueError(
                "LearningFilm must be set on the network itself: in a pipeline, call set_callbacks of the last step. "
                f"Got {estimator!r} instead."
            )
        epoch = fitted_estimator.n_iter_
        if context.task_name == "epoch":
            if self.epochs and epoch <= self.epochs[-1]:  # a new training run
                self.epochs, self.weights = [], []
            if epoch % self.every:
                return
        elif self.epochs and epoch == self.epochs[-1]:  # the last epoch is already recorded
            return
        if self.epochs and self.epochs[-1] % self.every:  # was the last epoch before training resumed
            self.epochs.pop(), self.weights.pop()
        self.epochs.append(epoch)
        self.weights.append(copy.deepcopy(weights))  # the user may modify the estimator's arrays
        self.history = {name: list(values) for name, values in fitted_estimator.history_.items()}

    def animate(
        self, estimator: Any, X: Any, y: ArrayLike | None = None, *, fps: float = 20, figure: Any = None, **options: Any
    ) -> Self:
        """Create the animation: the predictions after each recorded epoch, and the loss up to it.

        Parameters
        ----------
        estimator : fitted classifier, regressor, pipeline or search
            The network whose training the film recorded, or a pipeline or search that ends in it.

        X : array-like or dataframe of shape (n_samples, n_features)
            Samples in the form that the estimator accepts.

        y : array-like of shape (n_samples,), default=None
            Labels or target values of the samples. If None, no samples are drawn.

        fps : float, default=20
            Frames per second, one per recorded epoch; positive.

        figure : matplotlib.figure.Figure, default=None
            Empty figure to draw on. If None, a new one is created.

        **options : dict
            Further keyword arguments for :meth:`DecisionRegionDisplay.from_estimator`, or for
            :meth:`RegressionDisplay.from_estimator` if the estimator is a regressor.

        Returns
        -------
        self : LearningFilm
            The film, with ``animation_``, ``figure_`` and ``ax_`` set.

        Raises
        ------
        ValueError
            If the film has recorded no training run, or none that ended with the estimator's weights, or if ``fps``,
            ``figure`` or an argument of the display's ``from_estimator`` is invalid.

        See Also
        --------
        LearningFilm.save : Write the animation to a file.
        DecisionRegionDisplay.from_estimator : Draw a single picture of a classifier's predictions.
        RegressionDisplay.from_estimator : Draw a single picture of a regressor's predictions.
        """
        from matplotlib import pyplot as plt
        from matplotlib.animation import FuncAnimation
        from matplotlib.figure import Figure

        check_positive("fps", fps)
        if figure is not None and not isinstance(figure, Figure):
            raise ValueError(f"figure must be a matplotlib figure. Got {figure!r} instead.")
        # A copy, because drawing a frame sets the network's weights; this film and Keras callbacks are not copied
        callbacks = unwrap_estimator(self._check_recorded(estimator)).callbacks or ()
        estimator = copy.deepcopy(estimator, {id(shared): shared for shared in (self, *callbacks)})
        network = unwrap_estimator(estimator)
        epochs, weights = list(self.epochs), list(self.weights)  # another fit replaces the film's own
        display_class: Any = RegressionDisplay if is_regressor(estimator) else DecisionRegionDisplay
        _set_weights(network, weights[-1])
        # Raises for invalid arguments before the film has a figure
        last = display_class.from_estimator(estimator, X, y, ax=Figure().subplots(), **options)
        # All frames have the scale of the last one
        if display_class is RegressionDisplay:
            options.setdefault("vlim", last.vlim_)
        elif last.surface_values is not None:
            norm = (last.surface_[0] if isinstance(last.surface_, list) else last.surface_).norm  # has vmin and vmax
            others = {k: v for k, v in (options.get("surface_kw") or {}).items() if k not in ("vmin", "vmax")}
            options["surface_kw"] = others | {"norm": norm}
        if figure is None:
            figure = plt.figure(figsize=(9.6, 3.6), layout="constrained")
            figure.get_layout_engine().set(wspace=0.05)
        self.figure_: Any = figure
        self.ax_: Any = figure.subplots(1, 2, width_ratios=[3, 2])
        prediction_ax, loss_ax = self.ax_
        lines = TrainingCurveDisplay(histories=[self.history]).plot(loss_ax, metrics="loss", best_kw=False).lines_
        curves = [(line, *line.get_data()) for (line,) in lines.values()]

        def draw_frame(index: int, **extra_options: Any) -> None:
            _set_weights(network, weights[index])
            prediction_ax.clear()
            display_class.from_estimator(estimator, X, y, ax=prediction_ax, **(options | extra_options))
            for line, numbers, losses in curves:
                line.set_data(numbers[: epochs[index]], losses[: epochs[index]])
            loss_ax.set_title(f"epoch {epochs[index]}", fontsize="medium")

        draw_frame(0)  # the only frame that draws the colour bar, which stays
        self._fps: float = float(fps)
        self._n_frames: int = len(epochs)
        self._draw_frame: Any = functools.partial(draw_frame, colorbar_kw=False)
        self.animation_ = FuncAnimation(
            figure,
            self._draw_frame,
            frames=self._n_frames,
            init_func=lambda: None,
            interval=1000 / fps,
            repeat_delay=1000 * _LAST_FRAME_PAUSE,
        )
        figure.canvas.draw()
        figure.set_layout_engine("none")  # keeps the layout the same in all frames
        return self

    def _check_recorded(self, estimator: Any) -> Any:
        """Return the fitted estimator; raise if this film has not recorded its weights."""
        if not self.epochs:
            raise ValueError(
                "LearningFilm must record a fit before it can be animated: call set_callbacks of the network with this "
                "film, then fit in this process. It has recorded no epochs."
            )
        check_is_fitted(estimator)
        coefs, _ = _weights_of(unwrap_estimator(estimator)) or ([], [])
        if not any(equal_arrays(recorded, coefs) for recorded, _ in self.weights):
            raise ValueError(
                "estimator must be the one whose most recent fit this film has recorded. "
                f"Got {estimator!r}, whose weights are not in the film."
            )
        return estimator

    def save(self, path: str | Path, *, dpi: float = 100, progress: bool = True) -> Path:
        """Write the animation to a file, in the format of its suffix.

        Parameters
        ----------
        path : str or path-like
            File to write. The suffix ``.gif`` uses Pillow and ``.mp4`` uses ffmpeg, which must be installed. ``.html``
            writes matplotlib's player for a browser, which loads the icons of its buttons from the internet.

        dpi : float, default=100
            Resolution in dots per inch. The figure measures 9.6 x 3.6 inches unless you passed another to
            :meth:`animate`.

        progress : bool, default=True
            Whether to show a progress bar if the output is a terminal or a notebook.

        Returns
        -------
        path : pathlib.Path
            The written file.

        Raises
        ------
        ValueError
            If :meth:`animate` was not called before, if the suffix is not supported, or if ``dpi`` is not a positive
            number.

        RuntimeError
            If ffmpeg is required but not found.

        OSError
            If the file cannot be written.

        See Also
        --------
        LearningFilm.animate : Create the animation.
        matplotlib.animation.Animation.save : Save with another writer, through ``animation_``.
        """
        from matplotlib import rc_context
        from matplotlib.animation import FFMpegWriter, HTMLWriter, PillowWriter
        from rich.console import Console
        from rich.progress import Progress

        if not hasattr(self, "animation_"):
            raise ValueError("animate must be called before save. Got a film without an animation.")
        check_positive("dpi", dpi)
        path = Path(path)
        suffix = path.suffix.lower()
        writers: dict[str, Any] = {".gif": PillowWriter, ".mp4": FFMpegWriter, ".html": HTMLWriter}
        if suffix not in writers:
            raise ValueError(f"path must end in one of {sorted(writers)}. Got {str(path)!r} instead.")
        if suffix == ".mp4" and not FFMpegWriter.isAvailable():
            raise RuntimeError(
                "Writing MP4 requires ffmpeg, which was not found. Install it, or save as .gif or .html."
            )
        html_options = {"embed_frames": True, "default_mode": "once"} if suffix == ".html" else {}
        writer = writers[suffix](fps=self._fps, **html_options)
        # A GIF or MP4 loops, so that its last frame is repeated; the player stops at it
        n_repeats = 0 if suffix == ".html" else round(_LAST_FRAME_PAUSE * self._fps)
        console = Console()
        bar = Progress(console=console, disable=not (progress and (console.is_terminal or console.is_jupyter)))
        # animation_.save would draw each frame twice
        with bar, rc_context({"savefig.bbox": None}), writer.saving(self.figure_, path, dpi):
            for index in bar.track(range(self._n_frames), description="Rendering"):
                self._draw_frame(index)
                writer.grab_frame()
            for _ in range(n_repeats):
                writer.grab_frame()
        return path

    def _repr_html_(self) -> str | None:
        """Show the animation as a player in a notebook."""
        if not hasattr(self, "animation_"):
            return None
        from matplotlib import pyplot as plt

        with TemporaryDirectory() as folder:
            player = self.save(Path(folder, "film.html"), dpi=72).read_text(encoding="utf-8")
        plt.close(self.figure_)  # else the notebook would also show the figure
        return player

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the animation, which cannot be pickled."""
        transient = ("animation_", "figure_", "ax_", "_fps", "_n_frames", "_draw_frame")
        return {name: value for name, value in self.__dict__.items() if name not in transient}


def _weights_of(network: Any) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """Return the arrays of a fitted network of moonnet or scikit-learn in two lists; None for another estimator."""
    if hasattr(network, "coefs_"):
        return network.coefs_, network.intercepts_
    state = getattr(network, "_state", None)
    return (state.trainable, state.others) if isinstance(state, State) else None


def _set_weights(network: Any, weights: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    """Replace the arrays of a network by those of ``_weights_of``."""
    if hasattr(network, "coefs_"):
        network.coefs_, network.intercepts_ = weights
    else:
        network._state = State(*weights)
