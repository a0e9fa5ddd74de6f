"""For sphinx-gallery: the films that an example made, as GIFs on its page."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from moonnet.plotting import LearningFilm

_shown: WeakSet[Figure] = WeakSet()


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Write each film that was animated since the last block; other figures are left to the next scraper."""
    shown = ""
    for film in block_vars["example_globals"].values():
        figure = getattr(film, "figure_", None)
        if isinstance(film, LearningFilm) and figure is not None and figure not in _shown:
            _shown.add(figure)
            path = film.save(Path(next(block_vars["image_path_iterator"])).with_suffix(".gif"), progress=False)
            plt.close(figure)
            shown += figure_rst([str(path)], gallery_conf["src_dir"], "How the decision regions come to be")
    return shown


def _get_sg_image_scraper() -> Any:
    """Tell sphinx-gallery, which asks for this name."""
    return scrape
