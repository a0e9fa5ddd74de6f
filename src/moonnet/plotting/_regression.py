"""Predictions of a regressor as a curve or a surface, with the data."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from moonnet.losses._quantiles import Quantiles
from moonnet.plotting._axes import label_axes, prepare_axes, to_kwargs
from moonnet.plotting._checks import check_integer, check_options, check_plot_options
from moonnet.plotting._feature_plane import axis_limits, choose_line_or_plane
from moonnet.plotting._fonts import axes_texts, make_drawable
from moonnet.plotting._legend import widen_figure
from moonnet.plotting._members import draw_curves, innermost, member_predictions
from moonnet.plotting._scatter import marker_style

# The band of the members' curves, in standard deviations on each side
_MEMBER_BAND = 2
# Default number of grid points along each axis, by the number of plotted features
_RESOLUTION = {1: 512, 2: 128}


@dataclass(kw_only=True, eq=False, repr=False)
class RegressionDisplay:
    """Predictions of a regressor with the data: a curve over one feature, or a surface over two.

    Create a display with :meth:`from_estimator`. The constructor only stores what :meth:`plot` draws.

    Parameters
    ----------
    grid : tuple of one or two ndarray
        Coordinates of the grid. For one feature, an array of shape (n_points,); for two, arrays of shape
        (n_rows, n_columns), as returned by :func:`numpy.meshgrid`.

    response : ndarray of shape (n_points,) or (n_rows, n_columns)
        Predicted value at each grid point.

    X : ndarray of shape (n_samples, 1) or (n_samples, 2), default=None
        The plotted features of the samples. If None, no samples are drawn.

    y : ndarray of shape (n_samples,), default=None
        Target values of the samples.

    feature_names : tuple of one or two str, default=None
        Labels of the feature axes. If None, these axes have no labels.

    target_name : str, default="y"
        Name of the target: the label of the vertical axis for one feature, of the colour bar for two.

    title : str, default=None
        Title of the axes, with the values of the features that are not plotted. None or an empty string sets none.

    response_label : str, default="prediction"
        Label of the curve in the legend.

    band : ndarray of shape (n_points, 2), default=None
        Lower and upper limit of a band around the curve over one feature. If None, no band is drawn.

    band_label : str, default=None
        Label of the band in the legend.

    member_responses : ndarray of shape (n_members, n_points), default=None
        Value that each member of an ensemble predicts at each grid point, for one feature. If None, no members are
        drawn.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D or None
        The curve. None for two features.

    band_ : matplotlib.collections.PolyCollection or None
        The band around the curve. None if it was not drawn.

    members_ : matplotlib.collections.LineCollection or None
        The curves of all members. None if they were not drawn.

    legend_ : matplotlib.legend.Legend or None
        The legend. None if there is neither a band nor members, or if it was not drawn.

    surface_ : matplotlib.collections.QuadMesh or None
        The surface. None for one feature.

    contours_ : matplotlib.contour.ContourSet or None
        Contour lines of the surface. None for one feature, or if they were not drawn.

    points_ : matplotlib.collections.PathCollection or None
        The samples. None if they were not drawn.

    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar of the surface. None for one feature, or if it was not drawn.

    vlim_ : tuple of two float
        Limits of the target's scale: the vertical axis for one feature, the colours for two.

    ax_ : matplotlib.axes.Axes
        Axes of the plot.

    figure_ : matplotlib.figure.Figure
        Figure that contains the axes.

    See Also
    --------
    DecisionRegionDisplay : Decision regions of a classifier.
    LearningFilm : An animation of the predictions during training.
    sklearn.inspection.PartialDependenceDisplay : Curves of many features, averaged over the others.
    sklearn.metrics.PredictionErrorDisplay : Predicted against actual values, for any number of features.

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

    Draw the curve of each member of an ensemble, and a band of two standard deviations on each side of their mean:

    >>> from moonnet.ensemble import DeepEnsembleRegressor
    >>> ensemble = DeepEnsembleRegressor(random_state=0).fit(X, y)
    >>> display = RegressionDisplay.from_estimator(ensemble, X, y, members=True)
    >>> display.member_responses.shape
    (5, 512)
    """

    grid: tuple[np.ndarray, ...]
    response: np.ndarray
    X: np.ndarray | None = None
    y: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str = "y"
    title: str | None = None
    response_label: str = "prediction"
    band: np.ndarray | None = None
    band_label: str | None = None
    member_responses: np.ndarray | None = None

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
        members: bool = False,
        ax: Any = None,
        **plot_options: Any,
    ) -> Self:
        """Predict the points of a grid with a fitted regressor and draw the curve or the surface.

        The curve of a regressor with quantiles is labelled with the one that it predicts, and several quantiles get a
        band around it, from the lowest to the highest one. This takes its
        :meth:`~moonnet.KerasMoonRegressor.predict_quantiles`, also of the last step of a pipeline.

        Parameters
        ----------
        estimator : fitted regressor or pipeline
            Any scikit-learn regressor that predicts one number per sample.

        X : array-like or dataframe of shape (n_samples, n_features)
            Samples in the form that the estimator accepts. They determine the limits of the axes. The axes are labelled
            with the column names of a dataframe, or with "feature 0", "feature 1" and so on for an array.

        y : array-like of shape (n_samples,), default=None
            Target values of the samples. If None, no samples are drawn. The name of a pandas or polars series labels
            the target.

        features : str, int or pair of them, default=None
            The one or two columns of X to plot, by name or index. Required if X has more than two columns.

        held : dict, default=None
            Fixed values of features that are not plotted, by column name or index. Features without a value are fixed
            at their median, or at their most frequent value if it is no number or date. The title shows these values.

        grid_resolution : int, default=None
            Number of grid points along each axis, at least 2. None is 512 for one feature and 128 for two.

        xlim, ylim : tuple of two float, default=None
            Lower and upper limits of the first and the second feature. None takes the range of the samples and adds
            a tenth of it on each side.

        members : bool, default=False
            Whether to draw the members of an ensemble over one feature, such as a
            :class:`~moonnet.ensemble.DeepEnsembleRegressor`, a :class:`sklearn.ensemble.BaggingRegressor` or a
            :class:`sklearn.ensemble.VotingRegressor`, also as the last step of a pipeline: the curve of each one as a
            thin line, and a band of two standard deviations of their predictions on each side of the ensemble's. The
            band shows how far the members disagree. It is no interval in which samples lie.

        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. If None, a new figure is created.

        **plot_options : dict
            Further keyword arguments for :meth:`plot`.

        Returns
        -------
        display : RegressionDisplay
            The display with its plot.

        Raises
        ------
        ValueError
            If the estimator is not a regressor, predicts several numbers per sample or is not fitted
            (``NotFittedError``), if y contains values that are not finite or differs in length from X, if
            ``members`` is True for an estimator without members or for two features, or if another parameter has an
            invalid value.

        TypeError
            If X is sparse.

        See Also
        --------
        RegressionDisplay.plot : Draw the display again, for example with other colours.
        DecisionRegionDisplay.from_estimator : The same for a classifier.
        sklearn.inspection.PartialDependenceDisplay.from_estimator : Curves averaged over the other features.
        """
        check_is_fitted(estimator)
        if not is_regressor(estimator):
            raise ValueError(f"estimator must be a regressor. Got {estimator!r} instead.")
        check_plot_options(cls.plot, {"ax": ax} | plot_options)
        plane = choose_line_or_plane(X, features, held)
        n_axes = plane.points.shape[1]
        targets = None if y is None else _validate_targets(X, y)
        resolution = _RESOLUTION[n_axes] if grid_resolution is None else grid_resolution
        resolution = check_integer("grid_resolution", resolution, 2)
        if n_axes == 1 and ylim is not None:
            raise ValueError(
                f"ylim must be None for one feature; use vlim for the vertical axis. Got {ylim!r} instead."
            )
        if n_axes == 2 and members:
            raise ValueError(f"members must be False for two features, which draw a surface. Got {members!r} instead.")
        all_limits = [
            axis_limits(name, limits, plane.points[:, index])
            for index, (name, limits) in enumerate([("xlim", xlim), ("ylim", ylim)][:n_axes])
        ]
        grid = tuple(np.meshgrid(*(np.linspace(*limits, resolution) for limits in all_limits)))
        samples = plane.inverse_transform(np.column_stack([axis.ravel() for axis in grid]))
        response = _predict_targets(estimator, samples).reshape(grid[0].shape)
        quantiles, levels = _predict_quantiles(estimator, samples) if n_axes == 1 else (None, ())
        band, band_label = _quantile_band(quantiles, levels)
        responses = None
        if members:
            responses = member_predictions(estimator, samples)
            band = response[:, np.newaxis] + responses.std(axis=0)[:, np.newaxis] * [-_MEMBER_BAND, _MEMBER_BAND]
            band_label = f"±{_MEMBER_BAND} standard deviations\nof the members"
        display = cls(
            grid=grid,
            response=response,
            X=None if targets is None else plane.points,
            y=targets,
            feature_names=plane.axis_labels,
            target_name=_target_name(y),
            title=plane.title,
            response_label=_response_label(levels),
            band=band,
            band_label=band_label,
            member_responses=responses,
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Any = None,
        *,
        vlim: tuple[float, float] | None = None,
        aspect: str | float | None = None,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | bool | None = None,
        member_kw: dict[str, Any] | bool | None = None,
        surface_kw: dict[str, Any] | None = None,
        contour_kw: dict[str, Any] | bool | None = None,
        scatter_kw: dict[str, Any] | None = None,
        legend_kw: dict[str, Any] | bool | None = None,
        colorbar_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw the curve or the surface, the samples, and a legend of band and members or a colour bar for a surface.

        Each ``..._kw`` parameter is a dict of keyword arguments that override the defaults.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. If None, a new figure is created.

        vlim : tuple of two float, default=None
            Limits of the target's scale: the vertical axis for one feature, the colours for two. None takes the range
            of the predictions, the band, the members and the samples and adds a tenth of it on each side.

        aspect : "equal", "auto" or float, default=None
            Aspect ratio of the axes for two features, as in ``Axes.set_aspect``. None is ``"equal"``, or ``"auto"`` if
            one axis would be more than twice as long as the other.

        line_kw : dict, default=None
            Keyword arguments for ``Axes.plot`` for the curve.

        band_kw : dict or False, default=None
            Keyword arguments for ``Axes.fill_between`` for the band around the curve. False omits it.

        member_kw : dict or False, default=None
            Keyword arguments for the ``LineCollection`` of the curves of an ensemble's members. False omits them.

        surface_kw : dict, default=None
            Keyword arguments for ``Axes.pcolormesh`` for the surface.

        contour_kw : dict or False, default=None
            Keyword arguments for ``Axes.contour`` for the contour lines of the surface. False omits them.

        scatter_kw : dict, default=None
            Keyword arguments for ``Axes.scatter`` for the samples.

        legend_kw : dict or False, default=None
            Keyword arguments for ``Axes.legend``. There is a legend if there is a band or members. False omits it.

        colorbar_kw : dict or False, default=None
            Keyword arguments for ``Figure.colorbar``. False omits the colour bar.

        Returns
        -------
        self : RegressionDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If ``vlim`` is not a pair of finite numbers, the lower one first, or another parameter has an invalid value.

        See Also
        --------
        RegressionDisplay.from_estimator : Compute a display from a fitted regressor.
        """
        check_options(
            ax=ax,
            vlim=vlim,
            aspect=aspect,
            line_kw=line_kw,
            band_kw=band_kw,
            member_kw=member_kw,
            surface_kw=surface_kw,
            contour_kw=contour_kw,
            scatter_kw=scatter_kw,
            legend_kw=legend_kw,
            colorbar_kw=colorbar_kw,
        )
        band = None if band_kw is False else self.band
        members = None if member_kw is False else self.member_responses
        values = [array.ravel() for array in (self.response, self.y, band, members) if array is not None]
        self.vlim_ = axis_limits("vlim", vlim, np.concatenate(values))
        self.line_ = self.band_ = self.members_ = self.legend_ = None
        self.surface_ = self.contours_ = self.points_ = self.colorbar_ = None
        if len(self.grid) == 1:
            self._plot_curve(ax, line_kw or {}, scatter_kw or {})
            self._plot_around(self.line_, band, members, to_kwargs(band_kw), to_kwargs(member_kw))
            if legend_kw is not False and not (band is None and members is None):
                self._draw_legend(to_kwargs(legend_kw), is_new=ax is None)
        else:
            self._plot_surface(ax, aspect, colorbar_kw is not False, surface_kw or {}, contour_kw, scatter_kw or {})
            if colorbar_kw is not False:
                kwargs = {"label": self.target_name} | to_kwargs(colorbar_kw)
                self.colorbar_ = self.figure_.colorbar(self.surface_, ax=self.ax_, **kwargs)
        label_axes(self.ax_, None, self.title)
        make_drawable([*axes_texts(self.ax_), *(axes_texts(self.colorbar_.ax) if self.colorbar_ else [])])
        return self

    def _plot_curve(self, ax: Any, line_kw: dict[str, Any], scatter_kw: dict[str, Any]) -> None:
        """Draw the curve and the samples."""
        from matplotlib import pyplot as plt
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection
        from matplotlib.lines import Line2D

        if ax is None:
            ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        if self.X is not None:
            style = marker_style(len(self.X), 30, 0.5)
            scatter_defaults = style | {"facecolor": "0.75", "edgecolor": "0.35", "label": "data"}
            scatter_kw = normalize_kwargs(scatter_kw, PathCollection)
            if "c" in scatter_kw or "color" in scatter_kw:
                del scatter_defaults["facecolor"]
            self.points_ = ax.scatter(self.X[:, 0], self.y, **(scatter_defaults | scatter_kw))
        line_defaults = {"color": "tab:blue", "linewidth": 2, "label": self.response_label}
        (self.line_,) = ax.plot(self.grid[0], self.response, **(line_defaults | normalize_kwargs(line_kw, Line2D)))
        ax.set(xlim=(self.grid[0].min(), self.grid[0].max()), ylim=self.vlim_, ylabel=self.target_name)
        if self.feature_names is not None:
            ax.set_xlabel(ax.get_xlabel() or self.feature_names[0])

    def _plot_around(
        self,
        line: Any,
        band: np.ndarray | None,
        members: np.ndarray | None,
        band_kw: dict[str, Any],
        member_kw: dict[str, Any],
    ) -> None:
        """Draw the band in the colour of the curve, below curve and samples, and the members' curves above it."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection

        if band is not None:
            band_kw = normalize_kwargs(band_kw, PolyCollection)
            defaults = {"alpha": 0.25, "linewidth": 0, "label": self.band_label, "zorder": 0.5}
            if band_kw.keys().isdisjoint(("color", "facecolor")):
                defaults["facecolor"] = line.get_color()
            self.band_ = self.ax_.fill_between(self.grid[0], band[:, 0], band[:, 1], **(defaults | band_kw))
        if members is not None:
            self.members_ = draw_curves(self.ax_, self.grid[0], members, member_kw)

    def _draw_legend(self, kwargs: dict[str, Any], *, is_new: bool) -> None:
        """Draw the legend of samples, curve, band and members: beside the axes if the figure is new."""
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        self.legend_ = self.ax_.legend(**((beside if is_new and "loc" not in kwargs else {}) | kwargs))
        if is_new and "loc" not in kwargs:
            widen_figure(self.legend_, room=0)

    def _plot_surface(
        self,
        ax: Any,
        aspect: str | float | None,
        has_colorbar: bool,
        surface_kw: dict[str, Any],
        contour_kw: dict[str, Any] | bool | None,
        scatter_kw: dict[str, Any],
    ) -> None:
        """Draw the surface, its contour lines, and the samples on the same colour scale."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection, QuadMesh

        xlim, ylim = ((axis.min(), axis.max()) for axis in self.grid)
        ax, aspect = prepare_axes(ax, np.ptp(xlim), np.ptp(ylim), aspect, extra_width=2.1 if has_colorbar else 1.0)
        self.ax_, self.figure_ = ax, ax.figure
        surface_kw = normalize_kwargs(surface_kw, QuadMesh)
        defaults = {"cmap": "viridis", "shading": "gouraud", "rasterized": True, "zorder": -1}
        if "norm" not in surface_kw:
            defaults["vmin"], defaults["vmax"] = self.vlim_
        self.surface_ = surface = ax.pcolormesh(*self.grid, self.response, **(defaults | surface_kw))
        if contour_kw is not False and np.ptp(self.response) > 0:
            defaults = {"colors": "white", "linewidths": 0.8, "alpha": 0.7, "levels": 8, "zorder": 0}
            defaults |= {"negative_linestyles": "solid"}
            self.contours_ = ax.contour(*self.grid, self.response, **(defaults | to_kwargs(contour_kw)))
        if self.X is not None:
            defaults = marker_style(len(self.X), 40, 0.7) | {"edgecolor": "black", "label": "data"}
            scatter_kw = normalize_kwargs(scatter_kw, PathCollection)
            if scatter_kw.keys().isdisjoint(("c", "color", "facecolor")):
                defaults |= {"c": self.y, "cmap": surface.cmap, "norm": surface.norm}
            self.points_ = ax.scatter(self.X[:, 0], self.X[:, 1], **(defaults | scatter_kw))
        ax.set(xlim=xlim, ylim=ylim, aspect=aspect)
        label_axes(ax, self.feature_names)


def _validate_targets(X: Any, y: ArrayLike) -> np.ndarray:
    """Return y as a float array of shape (n_samples,)."""
    check_consistent_length(X, y)
    shape = np.shape(y)
    if len(shape) == 2 and shape[1] > 1:
        raise ValueError(f"y must contain one number per sample. Got an array of shape {shape} instead.")
    return check_array(column_or_1d(y), ensure_2d=False, dtype=float, input_name="y")


def _predict_targets(estimator: Any, X: Any) -> np.ndarray:
    """Return one prediction per sample, of shape (n_samples,) or (n_samples, 1)."""
    predictions = np.asarray(estimator.predict(X))
    if predictions.size != len(X):
        raise ValueError(
            f"estimator must predict one number per sample. Got predictions of shape {predictions.shape} instead."
        )
    return predictions


def _predict_quantiles(estimator: Any, X: Any) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """Return the predicted quantiles, of shape (n_samples, n_quantiles), and which they are; none for a mean."""
    estimator, X = innermost(estimator, X)
    levels = tuple(getattr(estimator, "quantiles_", ()))
    return (estimator.predict_quantiles(X).reshape(len(X), -1) if levels else None), levels


def _quantile_band(quantiles: np.ndarray | None, levels: tuple[float, ...]) -> tuple[np.ndarray | None, str | None]:
    """Return the lowest and the highest of several quantiles, and what they are; None if there are not several."""
    if quantiles is None or len(levels) < 2:
        return None, None
    return quantiles[:, [0, -1]], f"{100 * levels[0]:g}% to {100 * levels[-1]:g}%"


def _response_label(levels: tuple[float, ...]) -> str:
    """Return what a regressor of these quantiles predicts: the middle one; "prediction" if there are none."""
    if not levels:
        return "prediction"
    level = levels[Quantiles(levels).middle]
    return "median" if level == 0.5 else f"{100 * level:g}% quantile"


def _target_name(y: Any) -> str:
    """Return the name of a series or of a dataframe's only column; "y" if there is none."""
    names = list(y.columns) if hasattr(y, "columns") else [getattr(y, "name", None)]
    return "y" if len(names) != 1 or names[0] is None else str(names[0])
