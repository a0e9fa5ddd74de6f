"""A film of learning: a network's weights, kept each epoch, and the animation of what they predicted."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from moonnet._sklearn_compat import check_has_callbacks
from moonnet.plotting._curves import TrainingCurveDisplay, innermost
from moonnet.plotting._regions import DecisionRegionDisplay
from moonnet.plotting._regression import RegressionDisplay

# How much longer the last frame stays, in seconds
_HOLD = 1


class LearningFilm:
    """A scikit-learn callback that keeps a network's weights as it learns, and shows them as a film.

    Give it to ``set_callbacks`` of the network, also where that is a step of a pipeline, and fit: the film then has the
    weights of each epoch, as arrays. :meth:`animate` draws the loss of each, and beside it a classifier's decision
    regions, or a regressor's curve over one feature or surface over two. :meth:`save` writes them as GIF, MP4 or HTML.
    In a notebook, the animated film shows itself as a player.

    A film has one training: another fit begins it anew, and one that goes on (``warm_start``, ``partial_fit``) adds to
    it. What other processes fit (``n_jobs``) does not come back to it, and fits side by side on threads would mix.

    Parameters
    ----------
    every : int, default=1
        Keep the weights of every so many epochs, at least 1, and of the last. Another value raises a ValueError.

    Raises
    ------
    NotImplementedError
        With scikit-learn before 1.9, which has no callbacks.

    Attributes
    ----------
    epochs : list of int
        The epochs kept, counted from 1.

    weights : list of tuple of two list of ndarray
        ``coefs_`` and ``intercepts_`` after each of these epochs. With early stopping they are those of the best epoch
        until then, with which the network would predict.

    history : dict of str to list of float
        The estimator's ``history_`` until the last of these epochs.

    animation_ : matplotlib.animation.FuncAnimation
        The animation, after :meth:`animate`.

    figure_ : matplotlib.figure.Figure
        The figure that it is drawn on.

    ax_ : ndarray of matplotlib.axes.Axes of shape (2,)
        The axes of the prediction and of the loss.

    See Also
    --------
    DecisionRegionDisplay : One picture of a classifier's film.
    RegressionDisplay : One picture of a regressor's film.

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
        if not isinstance(every, Integral) or isinstance(every, bool) or every < 1:
            raise ValueError(f"every must be an integer of at least 1. Got {every!r} instead.")
        self.every: int = int(every)
        self.epochs: list[int] = []
        self.weights: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
        self.history: dict[str, list[float]] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing before a fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing after a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        """Keep the weights that the estimator would have if its fit ended here."""
        if not hasattr(fitted_estimator, "coefs_"):
            raise ValueError(
                "LearningFilm must be set on the network itself, by its set_callbacks, also in a pipeline. "
                f"Got a fit of {estimator!r}."
            )
        epoch = fitted_estimator.n_iter_
        if context.task_name == "epoch":
            if self.epochs and epoch <= self.epochs[-1]:  # another training has begun
                self.epochs, self.weights = [], []
            if epoch % self.every:
                return
        elif self.epochs and epoch == self.epochs[-1]:  # the fit's end, and its last epoch is there already
            return
        if self.epochs and self.epochs[-1] % self.every:  # was the last once, until the training went on
            self.epochs.pop(), self.weights.pop()
        self.epochs.append(epoch)
        # Copies, since what the estimator has learned is its user's
        self.weights.append(copy.deepcopy((fitted_estimator.coefs_, fitted_estimator.intercepts_)))
        self.history = {name: list(values) for name, values in fitted_estimator.history_.items()}

    def animate(
        self, estimator: Any, X: Any, y: ArrayLike | None = None, *, fps: float = 20, figure: Any = None, **options: Any
    ) -> Self:
        """Make the animation: the prediction as it was after each epoch, and the loss until then.

        Parameters
        ----------
        estimator : fitted classifier, regressor or pipeline
            What was fitted: the network that the film has seen, or a pipeline or search that ends in it.

        X : array-like or dataframe of shape (n_samples, n_features)
            The data, as the estimator takes it.

        y : array-like of shape (n_samples,), default=None
            Labels or numbers of the data. None draws no data.

        fps : float, default=20
            Frames, hence epochs kept, in a second; positive.

        figure : matplotlib.figure.Figure, default=None
            An empty figure to draw on. None makes a new one.

        **options : dict
            Further arguments of :meth:`DecisionRegionDisplay.from_estimator`, or for a regressor of
            :meth:`RegressionDisplay.from_estimator`.

        Returns
        -------
        self : LearningFilm
            The film, with ``animation_``, ``figure_`` and ``ax_``.

        Raises
        ------
        ValueError
            If the film has seen no fit, or another than the estimator's last, if ``fps`` is not positive, or for what
            the display's ``from_estimator`` raises.
        """
        from matplotlib import pyplot as plt
        from matplotlib.animation import FuncAnimation

        if not self.epochs:
            raise ValueError(
                "LearningFilm must have seen a fit in this process: give it to set_callbacks of the network, then fit. "
                "It has seen none."
            )
        if not isinstance(fps, Real) or not fps > 0:
            raise ValueError(f"fps must be a positive number. Got {fps!r} instead.")
        check_is_fitted(estimator)
        # The caller's stays as it is; what it holds of this film (its callbacks) need not be copied
        estimator = copy.deepcopy(estimator, {id(self): self})
        network = innermost(estimator)
        epochs, weights = list(self.epochs), list(self.weights)  # which another fit may begin anew
        learned = getattr(network, "coefs_", [])
        if not any(_equal(kept, learned) for kept, _ in weights):
            raise ValueError(
                f"estimator must be the one whose last fit the film has seen. Got {estimator!r}, with other weights."
            )
        if figure is None:
            figure = plt.figure(figsize=(9.6, 3.6), layout="constrained")
            figure.get_layout_engine().set(wspace=0.05)
        self.figure_: Any = figure
        self.ax_: Any = figure.subplots(1, 2, width_ratios=[3, 2])
        prediction_ax, curve_ax = self.ax_
        display: Any = RegressionDisplay if is_regressor(estimator) else DecisionRegionDisplay
        lines = TrainingCurveDisplay(histories=[self.history]).plot(curve_ax, metrics="loss", best_kw=False).lines_
        curves = [(line, *line.get_data()) for (line,) in lines.values()]

        def draw(index: int, **more: Any) -> Any:
            network.coefs_, network.intercepts_ = weights[index]
            prediction_ax.clear()
            drawn = display.from_estimator(estimator, X, y, ax=prediction_ax, **(options | more))
            for line, numbers, losses in curves:
                line.set_data(numbers[: epochs[index]], losses[: epochs[index]])
            curve_ax.set_title(f"epoch {epochs[index]}", fontsize="medium")
            return drawn

        if display is RegressionDisplay:  # one scale for all frames, the last one's
            options.setdefault("vlim", draw(len(epochs) - 1, colorbar_kw=False).vlim_)
        draw(0)  # with the colour bar, which stays
        self._fps: float = float(fps)
        self._n_frames: int = len(epochs)
        self._draw: Any = functools.partial(draw, colorbar_kw=False)
        self.animation_ = FuncAnimation(
            figure,
            self._draw,
            frames=self._n_frames,
            init_func=lambda: None,
            interval=1000 / fps,
            repeat_delay=1000 * _HOLD,
        )
        figure.canvas.draw()
        figure.set_layout_engine("none")  # nothing moves from frame to frame
        return self

    def save(self, path: str | Path, *, dpi: float = 100, progress: bool = True) -> Path:
        """Write the animation to a file, in the format that the name's ending says.

        Parameters
        ----------
        path : str or path-like
            ``.gif``, written by Pillow; ``.mp4``, by ffmpeg, which must be installed; or ``.html``, matplotlib's player
            for a browser, which gets the icons of its buttons from the network.

        dpi : float, default=100
            Pixels in an inch of the figure, which is 9.6 x 3.6 inches unless another was given.

        progress : bool, default=True
            Whether to show a bar where the output is a terminal or a notebook.

        Returns
        -------
        path : pathlib.Path
            The file.

        Raises
        ------
        ValueError
            If :meth:`animate` was not called before, or the ending is none of these.

        RuntimeError
            If ffmpeg is needed and not found.

        OSError
            If the file cannot be written.
        """
        from matplotlib import rc_context
        from matplotlib.animation import FFMpegWriter, HTMLWriter, PillowWriter
        from rich.console import Console
        from rich.progress import Progress

        if not hasattr(self, "animation_"):
            raise ValueError("animate must be called before the film can be saved.")
        path = Path(path)
        suffix = path.suffix.lower()
        writers: dict[str, Any] = {".gif": PillowWriter, ".mp4": FFMpegWriter, ".html": HTMLWriter}
        if suffix not in writers:
            raise ValueError(f"path must end in one of {sorted(writers)}. Got {str(path)!r} instead.")
        if suffix == ".mp4" and not FFMpegWriter.isAvailable():
            raise RuntimeError("ffmpeg is needed to write MP4, and was not found: install it, or save a .gif or .html.")
        more = {"embed_frames": True, "default_mode": "once"} if suffix == ".html" else {}
        writer = writers[suffix](fps=self._fps, **more)
        # A player stays where it is left; elsewhere the last frame is shown for a while
        n_held = 0 if suffix == ".html" else round(_HOLD * self._fps)
        console = Console()
        bar = Progress(console=console, disable=not (progress and (console.is_terminal or console.is_jupyter)))
        # Not animation_.save, which draws each frame once more
        with bar, rc_context({"savefig.bbox": None}), writer.saving(self.figure_, path, dpi):
            for index in bar.track(range(self._n_frames), description="Rendering"):
                self._draw(index)
                writer.grab_frame()
            for _ in range(n_held):
                writer.grab_frame()
        return path

    def _repr_html_(self) -> str | None:
        """Show the animation as a player in a notebook."""
        if not hasattr(self, "animation_"):
            return None
        from matplotlib import pyplot as plt

        with TemporaryDirectory() as folder:
            player = self.save(Path(folder, "film.html"), dpi=72).read_text(encoding="utf-8")
        plt.close(self.figure_)  # which the notebook would show beside the player
        return player

    def __getstate__(self) -> dict[str, Any]:
        """Leave the animation out, which cannot be pickled."""
        drawn = ("animation_", "figure_", "ax_", "_fps", "_n_frames", "_draw")
        return {name: value for name, value in self.__dict__.items() if name not in drawn}


def _equal(kept: list[np.ndarray], learned: list[np.ndarray]) -> bool:
    """Return whether two lists hold equal arrays."""
    return len(kept) == len(learned) and all(map(np.array_equal, kept, learned))
