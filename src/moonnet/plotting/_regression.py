"""The curve or the surface that a regressor predicts, with the data."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from moonnet.plotting._feature_plane import axis_limits, check_resolution, choose_line_or_plane
from moonnet.plotting._scatter import arguments, label_axes, new_axes, readable_aspect

# Points of the grid along each axis, of a curve and of a surface
_RESOLUTION = {1: 512, 2: 128}


class RegressionDisplay:
    """What a regressor predicts over one feature, as a curve, or over two, as a surface, with the data.

    Make one with :meth:`from_estimator`. The constructor only holds what is to be drawn.

    Parameters
    ----------
    grid : tuple of one or two ndarray
        Coordinates of the grid: for one feature, shape (n_points,); for two, both of shape (n_rows, n_columns), as
        :func:`numpy.meshgrid` returns them.

    response : ndarray of shape (n_points,) or (n_rows, n_columns)
        The prediction at each point of the grid.

    X : ndarray of shape (n_samples, 1) or (n_samples, 2), default=None
        The data to draw on top. None draws none.

    y : ndarray of shape (n_samples,), default=None
        The data's numbers.

    feature_names : tuple of one or two str, default=None
        Names of the features. None leaves their axes without labels.

    target_name : str, default="y"
        What is predicted.

    title : str, default=None
        Title of the axes: at which values other features are held. None or empty sets none.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D or None
        The curve; None for two features.

    surface_ : matplotlib.collections.QuadMesh or None
        The surface; None for one feature.

    contours_ : matplotlib.contour.ContourSet or None
        Lines of equal prediction; None for one feature, or where none were asked for.

    points_ : matplotlib.collections.PathCollection or None
        The data; None where none was given.

    colorbar_ : matplotlib.colorbar.Colorbar or None
        The scale of the surface; None for one feature, or where none was asked for.

    vlim_ : tuple of two float
        Ends of the scale of numbers: of the vertical axis for one feature, of the colours for two.

    ax_ : matplotlib.axes.Axes
        The axes drawn on.

    figure_ : matplotlib.figure.Figure
        The figure that holds them.

    See Also
    --------
    LearningFilm : How the prediction came to be.
    sklearn.inspection.PartialDependenceDisplay : Curves of many features, averaged over the others.
    sklearn.metrics.PredictionErrorDisplay : Predicted beside actual numbers, for any number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from moonnet import KerasMoonRegressor
    >>> from moonnet.plotting import RegressionDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, (200, 1))
    >>> y = np.sin(X[:, 0]) + 0.2 * rng.normal(size=200)
    >>> reg = KerasMoonRegressor(random_state=0).fit(X, y)
    >>> display = RegressionDisplay.from_estimator(reg, X, y)
    >>> display.response.shape
    (512,)
    >>> display.figure_.savefig("curve.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        grid: tuple[np.ndarray, ...],
        response: np.ndarray,
        X: np.ndarray | None = None,
        y: np.ndarray | None = None,
        feature_names: tuple[str, ...] | None = None,
        target_name: str = "y",
        title: str | None = None,
    ) -> None:
        self.grid = grid
        self.response = response
        self.X = X
        self.y = y
        self.feature_names = feature_names
        self.target_name = target_name
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        features: Any = None,
        held: Mapping[Any, Any] | None = None,
        grid_resolution: int | None = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        ax: Any = None,
        **plot_options: Any,
    ) -> Self:
        """Predict a grid over one feature or two and draw it.

        Parameters
        ----------
        estimator : fitted regressor or pipeline
            Any scikit-learn regressor that predicts one number a sample.

        X : array-like or dataframe of shape (n_samples, n_features)
            The data, as the estimator takes it: it gives the limits, and a dataframe the names of the axes.

        y : array-like of shape (n_samples,), default=None
            The data's numbers. None draws no data. A named series names what is predicted.

        features : str, int or pair of them, default=None
            Which column or two of X to draw, by name or index. None suffices where X has no more than two.

        held : dict, default=None
            Values of columns that are not drawn, by name or index. The others stay at their median, or where they hold
            no numbers at their most frequent value. The title of the axes says which.

        grid_resolution : int, default=None
            Points of the grid along each axis, at least 2. None takes 512 for one feature and 128 for two.

        xlim, ylim : tuple of two float, default=None
            Lower and upper end of the features drawn, ``ylim`` that of the second. None takes the data's, and a tenth
            of its range on each side.

        ax : matplotlib.axes.Axes, default=None
            The axes to draw on. None makes a new figure.

        **plot_options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        display : RegressionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator is no regressor of one number a sample or is not fitted (``NotFittedError``), if y holds no
            finite numbers or has another length than X, or if another argument is not what is described here.

        TypeError
            If X is sparse.
        """
        check_is_fitted(estimator)
        if not is_regressor(estimator):
            raise ValueError(f"estimator must be a regressor. Got {estimator!r} instead.")
        plane = choose_line_or_plane(X, features, held)
        n_drawn = plane.points.shape[1]
        numbers = None
        if y is not None:
            check_consistent_length(X, y)
            shape = np.shape(y)
            if len(shape) == 2 and shape[1] > 1:
                raise ValueError(f"y must hold one number a sample to be drawn. Got an array of shape {shape} instead.")
            numbers = check_array(column_or_1d(y), ensure_2d=False, dtype=float, input_name="y")
        resolution = check_resolution(_RESOLUTION[n_drawn] if grid_resolution is None else grid_resolution)
        if n_drawn == 1 and ylim is not None:
            raise ValueError(f"ylim must be None for one feature; vlim sets the vertical axis. Got {ylim!r} instead.")
        ends = [
            axis_limits(name, limits, plane.points[:, index])
            for index, (name, limits) in enumerate([("xlim", xlim), ("ylim", ylim)][:n_drawn])
        ]
        grid = tuple(np.meshgrid(*(np.linspace(*limits, resolution) for limits in ends)))
        response = np.asarray(estimator.predict(plane.samples_at(np.column_stack([axis.ravel() for axis in grid]))))
        if response.size != grid[0].size:
            raise ValueError(
                f"estimator must predict one number a sample. Got predictions of shape {response.shape} instead."
            )
        display = cls(
            grid=grid,
            response=response.reshape(grid[0].shape),
            X=None if numbers is None else plane.points,
            y=numbers,
            feature_names=plane.labels,
            target_name=_name_of(y),
            title=plane.title,
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Any = None,
        *,
        vlim: tuple[float, float] | None = None,
        aspect: str | float | None = None,
        line_kw: dict[str, Any] | None = None,
        surface_kw: dict[str, Any] | None = None,
        contour_kw: dict[str, Any] | bool | None = None,
        scatter_kw: dict[str, Any] | None = None,
        colorbar_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw the curve through the data; or the surface with the data in its colours, and a colour bar.

        Each ``..._kw`` holds arguments that win over the defaults here.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to draw on. None makes a new figure.

        vlim : tuple of two float, default=None
            Ends of the scale of numbers: of the vertical axis for one feature, of the colours for two. None takes
            those of the prediction and the data together.

        aspect : "equal", "auto" or float, default=None
            For two features, how a unit of the second axis compares to one of the first, as in ``Axes.set_aspect``.
            None draws them equally long unless one axis would be more than twice as long as the other.

        line_kw : dict, default=None
            Arguments of ``Axes.plot`` for the curve.

        surface_kw : dict, default=None
            Arguments of ``Axes.pcolormesh`` for the surface.

        contour_kw : dict or False, default=None
            Arguments of ``Axes.contour`` for the lines of equal prediction. False draws none.

        scatter_kw : dict, default=None
            Arguments of ``Axes.scatter`` for the data.

        colorbar_kw : dict or False, default=None
            Arguments of ``Figure.colorbar``. False draws none.

        Returns
        -------
        self : RegressionDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If ``vlim`` is not a lower and a higher number.
        """
        shown = self.response.ravel() if self.y is None else np.concatenate([self.response.ravel(), self.y])
        self.vlim_ = axis_limits("vlim", vlim, shown)
        self.line_ = self.surface_ = self.contours_ = self.points_ = self.colorbar_ = None
        if len(self.grid) == 1:
            self._plot_curve(ax, line_kw or {}, scatter_kw or {})
        else:
            self._plot_surface(ax, aspect, colorbar_kw is not False, surface_kw or {}, contour_kw, scatter_kw or {})
            if colorbar_kw is not False:
                options = {"label": self.target_name} | arguments(colorbar_kw)
                self.colorbar_ = self.figure_.colorbar(self.surface_, ax=self.ax_, **options)
        if self.title:
            self.ax_.set_title(self.title, fontsize="medium", wrap=True)
        return self

    def _plot_curve(self, ax: Any, line_kw: dict[str, Any], scatter_kw: dict[str, Any]) -> None:
        """Draw the curve and the data."""
        from matplotlib import pyplot as plt
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection
        from matplotlib.lines import Line2D

        if ax is None:
            ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        if self.X is not None:
            look = {"s": 30, "facecolor": "0.75", "edgecolor": "0.35", "linewidth": 0.5, "label": "data"}
            chosen = normalize_kwargs(scatter_kw, PathCollection)
            if "c" in chosen or "color" in chosen:
                del look["facecolor"]
            self.points_ = ax.scatter(self.X[:, 0], self.y, **(look | chosen))
        line = {"color": "tab:blue", "linewidth": 2, "label": "prediction"}
        (self.line_,) = ax.plot(self.grid[0], self.response, **(line | normalize_kwargs(line_kw, Line2D)))
        ax.set(xlim=(self.grid[0].min(), self.grid[0].max()), ylim=self.vlim_, ylabel=self.target_name)
        if self.feature_names is not None:
            ax.set_xlabel(self.feature_names[0])

    def _plot_surface(
        self,
        ax: Any,
        aspect: str | float | None,
        has_colorbar: bool,
        surface_kw: dict[str, Any],
        contour_kw: dict[str, Any] | bool | None,
        scatter_kw: dict[str, Any],
    ) -> None:
        """Draw the surface, lines of equal prediction, and the data in the surface's colours."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection, QuadMesh

        xlim, ylim = ((axis.min(), axis.max()) for axis in self.grid)
        aspect = readable_aspect(np.ptp(xlim), np.ptp(ylim)) if aspect is None else aspect
        if ax is None:
            ax = new_axes(np.ptp(xlim), np.ptp(ylim), aspect, room=2.1 if has_colorbar else 1.0)
        self.ax_, self.figure_ = ax, ax.figure
        low, high = self.vlim_
        look = {"cmap": "viridis", "vmin": low, "vmax": high, "shading": "gouraud", "rasterized": True, "zorder": -1}
        chosen = normalize_kwargs(surface_kw, QuadMesh)
        if "norm" in chosen:
            del look["vmin"], look["vmax"]
        self.surface_ = surface = ax.pcolormesh(*self.grid, self.response, **(look | chosen))
        if contour_kw is not False and np.ptp(self.response) > 0:
            lines = {"colors": "white", "linewidths": 0.8, "alpha": 0.7, "levels": 8, "zorder": 0}
            lines |= {"negative_linestyles": "solid"}
            self.contours_ = ax.contour(*self.grid, self.response, **(lines | arguments(contour_kw)))
        if self.X is not None:
            points = {"s": 40, "edgecolor": "black", "linewidth": 0.7, "label": "data"}
            given = normalize_kwargs(scatter_kw, PathCollection)
            if given.keys().isdisjoint(("c", "color", "facecolor")):
                points |= {"c": self.y, "cmap": surface.cmap, "norm": surface.norm}
            self.points_ = ax.scatter(self.X[:, 0], self.X[:, 1], **(points | given))
        ax.set(xlim=xlim, ylim=ylim, aspect=aspect)
        label_axes(ax, self.feature_names)


def _name_of(y: Any) -> str:
    """Return the name of a series, or of the one column of a dataframe."""
    names = list(y.columns) if hasattr(y, "columns") else [getattr(y, "name", None)]
    return "y" if len(names) != 1 or names[0] is None else str(names[0])
