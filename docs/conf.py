"""How Sphinx builds the documentation; ``make docs`` does it."""

import doctest
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.append(str(Path(__file__).parent))

import _benchmark_results

import moonnet

project = "moonnet"
author = "the moonnet developers"
project_copyright = "the moonnet developers"
version = release = moonnet.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "_mathml",
]
exclude_patterns = ["_build", "gallery"]
templates_path = ["_templates"]

# Inventories list the objects of other projects that these pages link to, a line each, in the readable first format of
# Sphinx. They are kept here because a build must not need the network.
intersphinx_mapping = {
    name: (address, f"inventories/{name}.txt")
    for name, address in {
        "joblib": "https://joblib.readthedocs.io/en/stable/",
        "matplotlib": "https://matplotlib.org/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "python": "https://docs.python.org/3/",
        "sklearn": "https://scikit-learn.org/stable/",
    }.items()
}

# A link to an object of moonnet or of these projects must lead there.
nitpicky = True
nitpick_ignore_regex = [("py:.*", rf"(?!(moonnet|{'|'.join(intersphinx_mapping)})\b).*")]

myst_enable_extensions = ["colon_fence", "substitution"]
myst_substitutions = _benchmark_results.substitutions()
myst_heading_anchors = 3

# The members on an object's page: its own, and those inherited that one calls. The rest is scikit-learn's.
# Below them, the pages of the user guide and the examples of the gallery.
autosummary_context = {
    "guides": {
        "KerasMoonClassifier": [
            "classification",
            "own_layers",
            "model_selection",
            "stopping_and_resuming",
            "saving",
            "engines",
        ],
        "KerasMoonRegressor": [
            "regression",
            "own_layers",
            "model_selection",
            "stopping_and_resuming",
            "saving",
            "engines",
        ],
        "HiddenLayers": ["own_layers"],
        "DecisionRegionDisplay": ["plotting", "uncertainty"],
        "RegressionDisplay": ["regression", "plotting", "uncertainty"],
        "TrainingCurveDisplay": ["plotting", "stopping_and_resuming"],
        "LearningFilm": ["plotting"],
        "plot_data": ["plotting"],
        "plot_search": ["plotting", "model_selection"],
        "plot_learning_curve": ["plotting", "model_selection"],
        "plot_validation_curve": ["plotting", "model_selection"],
        "DateEncoder": ["csv_files"],
        "NumberEncoder": ["csv_files"],
        "Explorer": ["explorer"],
        "tabular_pipeline": ["tables"],
        "DeepEnsembleClassifier": ["uncertainty", "tables"],
        "DeepEnsembleRegressor": ["uncertainty", "tables"],
        "SmoothClipScaler": ["tables"],
        "PiecewiseLinearEncoder": ["tables"],
    },
    "documented": {
        "KerasMoonClassifier": [
            "fit",
            "partial_fit",
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "score",
            "set_callbacks",
            "model_",
        ],
        "KerasMoonRegressor": [
            "fit",
            "partial_fit",
            "predict",
            "predict_quantiles",
            "score",
            "set_callbacks",
            "model_",
        ],
        "HiddenLayers": ["get_params", "set_params"],
        "RegressionDisplay": ["from_estimator", "plot"],
        "DecisionRegionDisplay": ["from_estimator", "plot"],
        "TrainingCurveDisplay": ["from_estimator", "from_cv_results", "plot", "best_epochs"],
        "LearningFilm": ["animate", "save"],
        "DeepEnsembleClassifier": ["fit", "predict", "predict_proba", "predict_log_proba", "score"],
        "DeepEnsembleRegressor": ["fit", "predict", "predict_quantiles", "score"],
        "ColumnsToFloat": ["fit", "transform"],
        "ColumnsToText": ["fit", "transform"],
        "SmoothClipScaler": ["fit", "transform", "inverse_transform"],
        "PiecewiseLinearEncoder": ["fit", "transform", "get_feature_names_out"],
        "DateEncoder": ["fit", "transform"],
        "NumberEncoder": ["fit", "transform"],
        "Explorer": ["estimator_", "close"],
    },
}
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Examples are exact, and quiet about what is not asked.
doctest_default_flags = doctest.ELLIPSIS
doctest_show_successes = False
doctest_global_setup = """
import matplotlib
matplotlib.use("Agg")
"""
doctest_global_cleanup = """
from matplotlib import pyplot
pyplot.close("all")
"""

plot_formats = [("png", 160)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_pre_code = ""
plot_rcparams = {"figure.figsize": (6, 4), "savefig.bbox": "tight"}
plot_apply_rcparams = True

# sphinx-gallery fails the build at its end where an example raised.
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "backreferences_dir": "auto_gallery/backreferences",
    "doc_module": ("moonnet",),
    "reference_url": {"moonnet": None},  # names in the code link to the API
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "min_reported_time": 3600,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # that page would load scripts from elsewhere
    "show_signature": False,
    "image_scrapers": ("_film_scraper", "matplotlib"),
    "image_srcset": ["2x"],
    "thumbnail_size": (400, 280),
    "capture_repr": (),  # an example prints what it wants to be read
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"moonnet {version}"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars: dict[str, list[str]] = {
    page: []
    for page in ("index", "installation", "lecture", "faq", "benchmarks", "design", "changelog", "contributing")
}
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is; without it the theme complains
html_theme_options = {
    "logo": {"text": "moonnet"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"


def unlink(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep the text of links into scikit-learn's own pages, in docstrings that are inherited."""
    lines[:] = [re.sub(r":ref:`([^<`]+?) *<[^`]*>`", r"\1", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Mend docstrings."""
    app.connect("autodoc-process-docstring", unlink)
