"""What the benchmarks left in ``results``: as tables and numbers for the text, and as pictures."""

import json
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).parent / "results"
COLORS = {
    "moonnet": "black",
    "moonnet on JAX": "0.45",
    "Keras on JAX": "tab:pink",
    "plain Keras": "tab:red",
    "SciKeras": "tab:orange",
    "keras.wrappers": "tab:brown",
    "skorch": "tab:purple",
    "MLPClassifier": "tab:blue",
    "MLPRegressor": "tab:cyan",
}
WAYS = ("threads", "processes", "Dask")  # beside one process
ENGINES = {"tensorflow": "TensorFlow", "jax": "JAX"}
NBSP = "\N{NO-BREAK SPACE}"
MARKERS = dict(zip(COLORS, "oodDs^vPX", strict=True))


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def substitutions() -> dict[str, str]:
    """Return what pages may write as ``{{ name }}``."""
    limit = read("hardware_limit")
    seconds, rates = limit["seconds"], limit["operations a second"]
    return plan() | {
        "blocks_table": blocks_table(),
        "blocks_gigabytes": f"{read('data_on_disk')['ways']['NumPy memmap']['gigabytes']:.0f} GB",
        "blocks_machine": machine("data_on_disk"),
        "exploring_sentence": exploring_sentence(),
        "scaling_table": scaling_table(),
        "scaling_machine": machine("parallel_search"),
        "scaling_workers": str(read("parallel_search")["workers"]),
        "serving_machine": machine("serving"),
        "serving_table": serving_table(),
        "race_table": race_table(),
        "watching_machine": machine("callback_overhead"),
        "watching_table": watching_table(),
        "machine": machine("comparison"),
        "limit_operations": f"{limit['operations'] / 1e6:.0f} million",
        "limit_rate": f"{rates['1 thread'] / 1e9:.0f} thousand million",
        "limit_ms": f"{1000 * seconds['limit']:.1f} ms",
        "limit_times": f"{limit['times the limit']:.1f}",
        "fit_ms": f"{1000 * seconds['fit']:.1f} ms",
        "program_ms": f"{1000 * seconds['compiled program']:.1f} ms",
        "around_ms": f"{1000 * (seconds['fit'] - seconds['compiled program']):.1f} ms",
        "first_fit_s": f"{seconds['first fit']:.2f} s",
        "step_operations": str(limit["operations of a step"]),
        "products_ms": f"{1000 * seconds['matrix products alone']:.1f} ms",
    }


def machine(name: str) -> str:
    """Return what a benchmark ran on."""
    figures = read(name)
    versions = ", ".join(f"{package} {number}" for package, number in figures["versions"].items())
    on = figures["machine"]
    return f"{on['cores']} cores of an {on['processor']}, Python {on['python']}, {versions}"


def blocks_table() -> str:
    """Return a row for each way of training on data that stay on disk."""
    figures = read("data_on_disk")
    rows = [
        "| data | disk | rows a second | memory | mapped |",
        "| --- | --: | --: | --: | --: |",
    ]
    for way, of_way in figures["ways"].items():
        beyond = of_way["megabytes"]
        rate = float(f"{figures['rows'] / of_way['seconds']:.2g}")
        rows.append(
            f"| {way} | {of_way['gigabytes']:.1f}{NBSP}GB | {rate:,.0f} | {beyond['RssAnon']:.0f}{NBSP}MB "
            f"| {beyond['RssFile']:,.0f}{NBSP}MB |"
        )
    return "\n".join(rows)


def exploring_sentence() -> str:
    """Return how fast the explorer is, in words."""
    figures = read("explorer")
    of_engines = []
    for engine, name in ENGINES.items():
        median, percentile, pictures = (
            f"{figures[engine][key]:.0f}" for key in ("median", "percentile_95", "pictures_a_second")
        )
        of_engines.append(
            f"on {name} {median}{NBSP}ms (95th percentile {percentile}{NBSP}ms; {pictures} pictures a second in a drag)"
        )
    return (
        f"From a slider's movement to the plane's new pixels it takes {' and '.join(of_engines)}. These are medians of "
        f"{figures['jax']['movements']} movements with the lecture's data and network, in Chromium on "
        f"{machine('explorer')}. The pictures of the units follow a frame later."
    )


def scaling_table() -> str:
    """Return a row for each engine and way of making many fits."""
    rows = [
        "| engine | way | lecture's fits a second | start | larger fits a second | start |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for backend, engine in read("parallel_search")["engines"].items():
        for way in next(iter(engine["searches"].values())):
            cells = [
                f"{three_digits(search[way]['fits a second'])} | {search[way]['start']:.0f}{NBSP}s"
                for search in engine["searches"].values()
            ]
            rows.append(f"| {ENGINES[backend]} | {way} | {' | '.join(cells)} |")
    return "\n".join(rows)


def watching_table() -> str:
    """Return a row for each way of watching a fit."""
    seconds = read("callback_overhead")["seconds"]
    rows = [
        f"| who watches | {' | | '.join(ENGINES[backend] for backend in seconds)} | |",
        "| --- | --: | --: | --: | --: |",
    ]
    for who in next(iter(seconds.values())):
        cells = [
            f"{duration(medians[who])} | {three_digits(medians[who] / medians['nobody'])}{NBSP}x"
            for medians in seconds.values()
        ]
        rows.append(f"| {who} | {' | '.join(cells)} |")
    return "\n".join(rows)


def serving_table() -> str:
    """Return a row for each way of serving."""
    rows = [
        "| way | disk | 1 row | 1,000 | 100,000 | start | memory |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for way, figures in read("serving")["ways"].items():
        new = figures["new process"]
        cells = [
            f"{figures['bytes'] / 1e3:.0f}{NBSP}kB",
            *map(duration, figures["seconds"].values()),
            duration(new["seconds"]),
        ]
        rows.append(f"| {way} | {' | '.join(cells)} | {new['megabytes']:.0f}{NBSP}MB |")
    return "\n".join(rows)


def plan() -> dict[str, str]:
    """Return the arithmetic of many fits and many rows, from what was measured."""
    scaling, blocks = read("parallel_search"), read("data_on_disk")
    on_tensorflow, on_jax = (scaling["engines"][backend] for backend in ENGINES)
    lecture, cluster = on_tensorflow["searches"]["the lecture's fit"], on_tensorflow["cluster"]
    lecture_on_jax = on_jax["searches"]["the lecture's fit"]
    alone, on_dask = lecture["one process"], lecture["Dask"]
    a_worker = on_dask["fits a second"] / scaling["workers"]
    after = cluster["megabytes after candidates"]
    memmap, parquet = blocks["ways"]["NumPy memmap"], blocks["ways"]["Parquet"]
    bytes_a_row = 1e6 * memmap["megabytes"]["RssAnon"] / blocks["rows"]
    predicted = blocks["predicted a second"]
    return {
        **{f"even_{way}": break_even(alone, lecture[way]) for way in WAYS},
        **{f"even_{way}_jax": break_even(lecture_on_jax["one process"], lecture_on_jax[way]) for way in WAYS},
        "worker_tensorflow": f"{alone['megabytes']:.0f} MB",
        "worker_jax": f"{lecture_on_jax['one process']['megabytes']:.0f} MB",
        "fits_alone": f"{alone['fits a second']:.0f}",
        "fits_a_worker": f"{a_worker:.0f}",
        "million_alone": f"{1e6 / alone['fits a second'] / 3600:.1f} hours",
        "million_on_64": f"{(1e6 / (64 * a_worker) + on_dask['start']) / 60:.1f} minutes",
        "dask_start": f"{on_dask['start']:.0f} s",
        "dask_tasks": f"{cluster['tasks a second']:.0f}",
        "worker_first": f"{after['600'] - after['100']:.0f} MB",
        "worker_later": f"{after['3100'] - after['1100']:.0f} MB",
        "billion_read_rate": f"{blocks['rows'] / parquet['seconds'] / 1e6:.1f} million",
        "billion_epoch": f"{1e9 * parquet['seconds'] / blocks['rows'] / 60:.0f} minutes",
        "mapped_bytes": f"{bytes_a_row:.0f} bytes",
        "mapped_billion": f"{bytes_a_row:.0f} GB",
        "predict_rate": f"{predicted / 1e6:.1f} million",
        "predict_billion": f"{1e9 / predicted / 60:.1f} minutes",
        "predict_on_64": f"{1e9 / predicted / 64:.0f} s",
    }


def break_even(alone: dict[str, float], beside: dict[str, float]) -> str:
    """Return the seconds of a search, start included, from which on the second way is ahead of the first.

    Both are done with n fits at start + n / rate.
    """
    if beside["fits a second"] <= alone["fits a second"]:
        return "no time"
    n_fits = (beside["start"] - alone["start"]) / (1 / alone["fits a second"] - 1 / beside["fits a second"])
    return f"{max(0, alone['start'] + n_fits / alone['fits a second']):.0f} s"


def race_table() -> str:
    """Return a row for each job and rival: medians, and how many times as long as moonnet it took on either engine."""
    rows = [
        "| job | who | median | times as long as moonnet on TensorFlow | as moonnet on JAX | also measured |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for job in read("comparison")["jobs"].values():
        title = job["title"]
        for who, figures in job["medians"].items():
            seconds = figures["seconds"]
            times = [three_digits(seconds / job["medians"][ours]["seconds"]) for ours in ("moonnet", "moonnet on JAX")]
            others = ", ".join(other_figure(what, value) for what, value in figures.items() if what != "seconds")
            name = "moonnet on TensorFlow" if who == "moonnet" else who
            rows.append(f"| {title} | {name} | {duration(seconds)} | {times[0]} | {times[1]} | {others} |")
            title = ""
    return "\n".join(rows)


def other_figure(what: str, value: float) -> str:
    """Return what else was measured, with its unit."""
    return f"{three_digits(value)}{NBSP}MB" if what == "megabytes" else f"{what} {three_digits(value)}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    if seconds >= 1:
        return f"{three_digits(seconds)}{NBSP}s"
    return f"{three_digits(1e3 * seconds)}{NBSP}ms" if seconds >= 1e-3 else f"{three_digits(1e6 * seconds)}{NBSP}µs"


def three_digits(value: float) -> str:
    """Return a number with three digits, or all that a larger one has before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def draw_race() -> Figure:
    """Draw how many times as long as moonnet on TensorFlow the others take, a line for each job."""
    jobs = read("comparison")["jobs"]
    figure, ax = plt.subplots(figsize=(8, 0.42 * len(jobs) + 1.2), layout="constrained")
    for row, job in enumerate(jobs.values()):
        ours = job["medians"]["moonnet"]["seconds"]
        ax.axhline(row, color="0.9", zorder=0)
        for rival, figures in job["medians"].items():
            if rival != "moonnet":
                ax.plot(figures["seconds"] / ours, row, MARKERS[rival], color=COLORS[rival], label=rival)
    ax.axvline(1, color=COLORS["moonnet"], linewidth=1)
    ax.set(xscale="log", xlabel="times as long as moonnet on TensorFlow")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(range(len(jobs)), list(jobs))
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    shown = [rival for rival in COLORS if rival in entries]
    figure.legend([entries[rival] for rival in shown], shown, ncols=4, loc="outside upper center", frameon=False)
    return figure


def draw_growth() -> Figure:
    """Draw how the time of a fit grows, a panel for each thing that grows."""
    axes = read("fit_time")["axes"]
    figure, panels = plt.subplots(2, 3, figsize=(9, 6), layout="constrained", sharey=True)
    for ax, (name, axis) in zip(panels.flat, axes.items(), strict=False):
        _draw_axis(ax, name, axis)
    for ax in panels[:, 0]:
        ax.set_ylabel("seconds of a fit")
    for ax in panels.flat[len(axes) :]:
        ax.set_axis_off()
        ax.legend(*panels.flat[0].get_legend_handles_labels(), loc="center", frameon=False)
    return figure


def _draw_axis(ax: Axes, name: str, axis: dict[str, Any]) -> None:
    for rival, seconds in axis["seconds"].items():
        style = {
            "color": COLORS[rival],
            "marker": MARKERS[rival],
            "linewidth": 2.2 if rival.startswith("moonnet") else 1.2,
        }
        ax.plot(axis["values"], seconds, markersize=4, label=rival, **style)
    ax.set(xscale="log", yscale="log", xlabel=name)
    ax.set_xticks(axis["values"], [f"{value / 1000:g}k" if value >= 1000 else str(value) for value in axis["values"]])
    ax.minorticks_off()
    ax.grid(color="0.92")
    ax.spines[["top", "right"]].set_visible(False)
