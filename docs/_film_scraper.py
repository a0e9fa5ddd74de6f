"""Image scraper for sphinx-gallery: saves each learning film of an example as a GIF on the example's page."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from moonnet.plotting import LearningFilm

_saved_figures: WeakSet[Figure] = WeakSet()


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save each film that was animated since the last block; leave other figures to the next scraper."""
    rst = ""
    for film in block_vars["example_globals"].values():
        figure = getattr(film, "figure_", None)
        if isinstance(film, LearningFilm) and figure is not None and figure not in _saved_figures:
            _saved_figures.add(figure)
            path = film.save(Path(next(block_vars["image_path_iterator"])).with_suffix(".gif"), progress=False)
            plt.close(figure)
            rst += figure_rst([str(path)], gallery_conf["src_dir"], "Animation of the decision regions over the epochs")
    return rst


def _get_sg_image_scraper() -> Any:
    """Return the scraper; sphinx-gallery looks for a function of this name."""
    return scrape
