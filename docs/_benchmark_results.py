"""Tables, figures and plots of the documentation, made from the records of the benchmarks in ``results``."""

import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).parent / "results"
ENGINES = {"tensorflow": "TensorFlow", "jax": "JAX"}  # by Keras's names for its backends
MOONNET = {backend: f"moonnet ({name})" for backend, name in ENGINES.items()}
PARALLEL_MODES = ("threads", "processes", "Dask")
COLORS = {
    MOONNET["tensorflow"]: "black",
    MOONNET["jax"]: "0.45",
    "moonnet (PyTorch)": "tab:green",
    "Keras (PyTorch)": "tab:olive",
    "Keras (JAX)": "tab:pink",
    "Keras (TensorFlow)": "tab:red",
    "SciKeras": "tab:orange",
    "keras.wrappers": "tab:brown",
    "skorch": "tab:purple",
    "MLPClassifier": "tab:blue",
    "MLPRegressor": "tab:cyan",
}
MARKERS = dict(zip(COLORS, "oooDdDs^vPX", strict=True))
# Methods of the accuracy benchmark
BOOSTING = "HistGradientBoosting"
PIPELINE = "moonnet, tabular_pipeline"
RECIPE_METRICS = ("log loss", "error", "RMSE")
CLASS_METRICS = ("log loss", "error", "1 - AUC")
PARTS = {"reported": "reported tables", "chosen with": "tables for choosing"}
ACCURACY_STYLES = {
    PIPELINE: ("black", "o"),
    "moonnet, lecture's defaults": ("0.55", "o"),
    "RealMLP-TD": ("tab:purple", "D"),
    "MLP": ("tab:blue", "P"),
    "random forest": ("tab:green", "^"),
    "linear model": ("tab:orange", "X"),
}
# Methods of the benchmark of quantiles
QUANTILE_METHODS = {
    "one network, defaults": "Defaults",
    "one network": "One network",
    "one network, calibrated": "Calibrated",
    "five networks": "Five networks",
    "three HistGradientBoosting": "Boosting",
}
AXIS_LABELS = {"width": "width (units per hidden layer)", "depth": "depth (hidden layers)"}
NBSP = "\N{NO-BREAK SPACE}"


def substitutions() -> dict[str, str]:
    """Return the values that pages insert with ``{{ name }}``."""
    return {
        "machine": machine("comparison"),
        "comparison_table": comparison_table(),
        "slower_table": slower_table(),
        "on_disk_table": data_on_disk_table(),
        "on_disk_gigabytes": f"{read('data_on_disk')['formats']['NumPy file, memory-mapped']['gigabytes']:.0f} GB",
        "on_disk_machine": machine("data_on_disk"),
        "explorer_sentence": explorer_sentence(),
        "parallel_search_table": parallel_search_table(),
        "parallel_search_machine": machine("parallel_search"),
        "parallel_search_workers": str(read("parallel_search")["workers"]),
        "serving_machine": machine("serving"),
        "serving_table": serving_table(),
        "callback_machine": machine("callback_overhead"),
        "callback_table": callback_table(),
        "quantiles_coverage_table": quantiles_table("coverage"),
        "quantiles_loss_table": quantiles_table("loss"),
        "quantiles_splits": str(read("quantiles")["splits"]),
        **fit_time_figures(),
        "first_result_table": first_result_table(),
        **first_result_figures(),
        **hardware_limit_figures(),
        **search_estimates(),
        **large_data_estimates(),
        **accuracy_figures(),
        **uncertainty_figures(),
    }


def read(name: str) -> dict[str, Any]:
    """Return the record of a benchmark."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def machine(name: str) -> str:
    """Return the machine and the versions that a benchmark ran on."""
    record = read(name)
    versions = ", ".join(f"{package} {number}" for package, number in record["versions"].items())
    hardware = record["machine"]
    return f"{hardware['cores']} cores of an {hardware['processor']}, Python {hardware['python']}, {versions}"


# Tables


def markdown_table(alignment: str, header: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown; ``alignment`` has one character per column: "l" for text, "r" for numbers."""
    rule = ["---" if side == "l" else "--:" for side in alignment]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def comparison_table() -> str:
    """Return a row for each job and library, with its time relative to moonnet on either engine."""
    rows = []
    for job in read("comparison")["jobs"].values():
        title, medians = job["title"], job["medians"]
        for library, measured in medians.items():
            seconds = measured["seconds"]
            ratios = [format_number(seconds / medians[ours]["seconds"]) for ours in MOONNET.values()]
            others = ", ".join(format_measurement(name, value) for name, value in measured.items() if name != "seconds")
            name = library.replace(" ", NBSP)
            rows.append([title, name, format_duration(seconds), *ratios, others])
            title = ""
    relative = [f"Relative to {ours}" for ours in MOONNET.values()]
    return markdown_table("llrrrl", ["Job", "Library", "Time", *relative, "Other measurements"], rows)


def slower_table() -> str:
    """Return a row for each job and library that takes less time than moonnet on TensorFlow or JAX."""
    rows = []
    for job in read("comparison")["jobs"].values():
        title = job["title"]
        moonnet = [job["medians"][ours]["seconds"] for ours in MOONNET.values()]
        for library, measured in job["medians"].items():
            if library not in MOONNET.values() and measured["seconds"] < max(moonnet):
                times = map(format_duration, (measured["seconds"], *moonnet))
                rows.append([title, library.replace(" ", NBSP), *times])
                title = ""
    return markdown_table("llrrr", ["Job", "Library", "Time", *MOONNET.values()], rows)


def data_on_disk_table() -> str:
    """Return a row for each format of training data on disk."""
    record = read("data_on_disk")
    rows = []
    for name, measured in record["formats"].items():
        memory = measured["megabytes"]
        rate = float(f"{record['samples'] / measured['seconds']:.2g}")
        rows.append(
            [
                name,
                f"{measured['gigabytes']:.1f}{NBSP}GB",
                f"{rate:,.0f}",
                f"{memory['RssAnon']:.0f}{NBSP}MB",
                f"{memory['RssFile']:,.0f}{NBSP}MB",
            ]
        )
    return markdown_table("lrrrr", ["Format", "File size", "Samples per second", "Memory", "Mapped"], rows)


def parallel_search_table() -> str:
    """Return a row for each engine and way of running the fits of a grid search."""
    rows = []
    for backend, engine in read("parallel_search")["engines"].items():
        searches = engine["searches"].values()
        for mode in next(iter(searches)):
            row = [ENGINES[backend], mode]
            for search in searches:
                row.append(format_number(search[mode]["fits per second"]))
                row.append(f"{search[mode]['start-up seconds']:.0f}{NBSP}s")
            rows.append(row)
    header = ["Engine", "Execution", "Lecture fits per second", "Start-up", "Larger fits per second", "Start-up"]
    return markdown_table("llrrrr", header, rows)


def callback_table() -> str:
    """Return a row for each kind of callback or progress output."""
    seconds = read("callback_overhead")["seconds"]
    header = ["Callback or output"]
    for backend in seconds:
        header += [ENGINES[backend], "Ratio"]
    rows = []
    for name in next(iter(seconds.values())):
        row = [name]
        for medians in seconds.values():
            row += [format_duration(medians[name]), format_number(medians[name] / medians["none"])]
        rows.append(row)
    return markdown_table("lrrrr", header, rows)


def serving_table() -> str:
    """Return a row for each method of prediction in production."""
    rows = []
    for method, measured in read("serving")["methods"].items():
        new_process = measured["new process"]
        rows.append(
            [
                method,
                f"{measured['bytes'] / 1e3:.0f}{NBSP}kB",
                *map(format_duration, measured["seconds"].values()),
                format_duration(new_process["seconds"]),
                f"{new_process['megabytes']:.0f}{NBSP}MB",
            ]
        )
    header = ["Method", "File size", "1 sample", "1,000 samples", "100,000 samples", "Start", "Memory"]
    return markdown_table("lrrrrrr", header, rows)


def accuracy_table(part: str, metrics: tuple[str, ...]) -> str:
    """Return a row for each method with its ratio to gradient boosting and its rank in each metric, best first."""
    summary = read("accuracy")["summary"][part]
    first = summary[metrics[0]]
    rows = []
    for method in sorted(first, key=lambda name: first[name]["rank"]):
        row = [method.replace(" ", NBSP)]
        for metric in metrics:
            measured = summary[metric][method]
            interval = f"({measured['low']:.2f} to {measured['high']:.2f})".replace(" ", NBSP)
            row += [f"{measured['ratio']:.2f}{NBSP}{interval}", f"{measured['rank']:.1f}"]
        rows.append(row)
    header = ["Method", *(name for metric in metrics for name in (metric, "Rank"))]
    return markdown_table("l" + "r" * (len(header) - 1), header, rows)


def accuracy_candidates_table(round_: str) -> str:
    """Return a row for each candidate of a round of comparisons."""
    rows = []
    for look in read("accuracy_looks")[round_]:
        ratios = look["ratio to HistGradientBoosting"]
        rows.append([look["candidate"], *(f"{ratios[name]:.3f}" if name in ratios else "" for name in RECIPE_METRICS)])
    return markdown_table("lrrr", ["Candidate", *RECIPE_METRICS], rows)


def accuracy_time_table() -> str:
    """Return a row for each method with the times of its fits and, for 1,000 samples, of predictions, and its size."""
    record = read("accuracy")
    rows = []
    for method, measured in record["1,000 x 20"].items():
        rows.append(
            [
                method.replace(" ", NBSP),
                format_duration(record["seconds"][method]["fit"]),
                format_duration(measured["fit"]),
                format_duration(measured["predict"]),
                f"{measured['bytes'] / 1e3:,.0f}{NBSP}kB",
            ]
        )
    header = ["Method", "Fit, median of all tables", "Fit, 1,000 rows", "Predict 10,000 rows", "Pickled"]
    return markdown_table("lrrrr", header, rows)


def accuracy_tables_table() -> str:
    """Return a row for each table of the accuracy benchmark."""
    rows = []
    for part, tables in read("accuracy")["tables"].items():
        for name, table in tables.items():
            target = f"{table['classes']} classes" if table["classes"] else "numbers"
            sizes = [f"{table[key]:,}" for key in ("rows", "numbers", "categories")]
            rows.append([name, "reported" if part == "reported" else "for choosing", target, *sizes])
    return markdown_table("lllrrr", ["Table", "Use", "Target", "Rows", "Numbers", "Categories"], rows)


def quantiles_table(score: str) -> str:
    """Return a row for each table with a score of each method: "coverage", or "loss" relative to three networks."""
    rows = []
    for name, table in read("quantiles")["tables"].items():
        means = {method: statistics.mean(measured[score]) for method, measured in table["scores"].items()}
        if score == "coverage":
            cells = [f"{100 * means[method]:.1f}%" for method in QUANTILE_METHODS]
        else:
            cells = [f"{means[method] / means['three networks']:.3f}" for method in QUANTILE_METHODS]
        rows.append([name, f"{table['rows']:,}", *cells])
    header = ["Table", "Rows", *QUANTILE_METHODS.values()]
    return markdown_table("l" + "r" * (len(header) - 1), header, rows)


# Sentences and single figures


def first_result_table() -> str:
    """Return a row for each job of a new process, with its times with and without programs on disk."""
    seconds = read("first_result")["seconds"]
    sklearn, keras = seconds["script, MLPClassifier"], seconds["script, Keras"]
    titles = {
        "script": "A script, from nothing to the lecture's fitted network",
        "command": "`moonnet`, to the accuracy that it prints",
        "explorer": "`moonnet explore`, to the first picture",
        "two workers": "Two workers of joblib (`loky`), to a fit each",
    }
    rows = []
    for job, title in titles.items():
        ours = [seconds[f"{job}, {how}"] for how in ("with programs on disk", "with an empty folder", "without")]
        others = [format_duration(keras), format_duration(sklearn)] if job == "script" else ["", ""]
        rows.append([title, *map(format_duration, ours), *others])
    header = ["New process on JAX", "On disk", "Empty folder", "`MOONNET_CACHE=off`", "Keras", "`MLPClassifier`"]
    return markdown_table("lrrrrr", header, rows)


def first_result_figures() -> dict[str, str]:
    """Return the times of scripts with and without programs on disk, and the size of a program."""
    record = read("first_result")
    seconds = record["seconds"]
    kept, sklearn = seconds["script, with programs on disk"], seconds["script, MLPClassifier"]
    sizes = {name: f"{n_bytes / 1000:.0f}{NBSP}kB" for name, n_bytes in record["bytes"].items()}
    return {
        "first_kept_s": format_duration(kept),
        "first_off_s": format_duration(seconds["script, without"]),
        "first_sklearn_s": format_duration(sklearn),
        "first_times": format_number(kept / sklearn),
        "first_rounds": str(record["rounds"]),
        "first_traced": sizes["stablehlo"],
        "first_compiled": sizes["compiled"],
    }


def explorer_sentence() -> str:
    """Return the latency and update rate of the explorer, in words."""
    record = read("explorer")
    latencies, rates = [], []
    for backend, name in ENGINES.items():
        measured = record[backend]
        latencies.append(
            f"{measured['median']:.0f}{NBSP}ms on {name} (95th percentile {measured['percentile_95']:.0f}{NBSP}ms)"
        )
        rates.append(f"{measured['updates_per_second']:.0f} times per second on {name}")
    return (
        f"When a slider moves, the plane shows the new result after {' and '.join(latencies)}. While a slider is "
        f"dragged, the plane is updated {' and '.join(rates)}. The pictures of the units follow a frame later. These "
        f"are medians of {record['jax']['movements']} movements with the lecture's data and network, in Chromium on "
        f"{machine('explorer')}."
    )


def fit_time_figures() -> dict[str, str]:
    """Return the ranges of moonnet's speed-up over Keras, and over the fastest alternative at each problem size."""
    over_keras, over_fastest = [], []
    for axis in read("fit_time")["axes"].values():
        for index, ours in enumerate(axis["seconds"][MOONNET["tensorflow"]]):
            speedups = {library: seconds[index] / ours for library, seconds in axis["seconds"].items()}
            over_keras.append(speedups["Keras (TensorFlow)"])
            over_fastest.append(
                min(speedup for library, speedup in speedups.items() if library not in MOONNET.values())
            )
    return {
        name: " to ".join(
            f"{speedup:.2g}" if speedup < 10 else f"{speedup:.0f}" for speedup in (min(speedups), max(speedups))
        )
        for name, speedups in (("fit_time_keras", over_keras), ("fit_time_fastest", over_fastest))
    }


def hardware_limit_figures() -> dict[str, str]:
    """Return the times and rates of the lecture's fit beside those of its matrix products alone."""
    record = read("hardware_limit")
    seconds = record["seconds"]
    return {
        "limit_operations": f"{record['operations'] / 1e6:.0f} million",
        "limit_rate": f"{record['operations per second']['1 thread'] / 1e9:.0f} billion",
        "limit_ms": f"{1000 * seconds['limit']:.1f} ms",
        "limit_times": f"{record['fit / limit']:.1f}",
        "fit_ms": f"{1000 * seconds['fit']:.1f} ms",
        "program_ms": f"{1000 * seconds['compiled program']:.1f} ms",
        "around_ms": f"{1000 * (seconds['fit'] - seconds['compiled program']):.1f} ms",
        "first_fit_s": f"{seconds['first fit']:.2f} s",
        "step_operations": str(record["operations per step"]),
        "products_ms": f"{1000 * seconds['matrix products alone']:.1f} ms",
    }


def search_estimates() -> dict[str, str]:
    """Return break-even times of parallel searches, and estimates for a million fits on a cluster."""
    record = read("parallel_search")
    on_tensorflow, on_jax = (record["engines"][backend] for backend in ENGINES)
    lecture, lecture_on_jax = (engine["searches"]["lecture fit"] for engine in (on_tensorflow, on_jax))
    one_process, on_dask, cluster = lecture["one process"], lecture["Dask"], on_tensorflow["cluster"]
    per_worker = on_dask["fits per second"] / record["workers"]
    megabytes = cluster["megabytes after candidates"]
    return {
        **{f"even_{mode}": break_even(one_process, lecture[mode]) for mode in PARALLEL_MODES},
        **{
            f"even_{mode}_jax": break_even(lecture_on_jax["one process"], lecture_on_jax[mode])
            for mode in PARALLEL_MODES
        },
        "worker_tensorflow": f"{one_process['megabytes']:.0f} MB",
        "worker_jax": f"{lecture_on_jax['one process']['megabytes']:.0f} MB",
        "fits_alone": f"{one_process['fits per second']:.0f}",
        "fits_a_worker": f"{per_worker:.0f}",
        "million_alone": f"{1e6 / one_process['fits per second'] / 3600:.1f} hours",
        "million_on_64": f"{(1e6 / (64 * per_worker) + on_dask['start-up seconds']) / 60:.1f} minutes",
        "dask_start": f"{on_dask['start-up seconds']:.0f} s",
        "dask_tasks": f"{cluster['tasks per second']:.0f}",
        "worker_first": f"{megabytes['600'] - megabytes['100']:.0f} MB",
        "worker_later": f"{megabytes['3100'] - megabytes['1100']:.0f} MB",
    }


def large_data_estimates() -> dict[str, str]:
    """Return estimates for training and prediction on a billion samples."""
    record = read("data_on_disk")
    memory_mapped, parquet = record["formats"]["NumPy file, memory-mapped"], record["formats"]["Parquet"]
    bytes_per_sample = 1e6 * memory_mapped["megabytes"]["RssAnon"] / record["samples"]
    predicted = record["predicted samples per second"]
    return {
        "billion_read_rate": f"{record['samples'] / parquet['seconds'] / 1e6:.1f} million",
        "billion_epoch": f"{1e9 * parquet['seconds'] / record['samples'] / 60:.0f} minutes",
        "mapped_bytes": f"{bytes_per_sample:.0f} bytes",
        "mapped_billion": f"{bytes_per_sample:.0f} GB",
        "predict_rate": f"{predicted / 1e6:.1f} million",
        "predict_billion": f"{1e9 / predicted / 60:.1f} minutes",
        "predict_on_64": f"{1e9 / predicted / 64:.0f} s",
    }


def break_even(baseline: dict[str, float], parallel: dict[str, float]) -> str:
    """Return the duration of a search, start-up included, beyond which the parallel one finishes first.

    Either finishes n fits after start-up + n / rate.
    """
    rate, parallel_rate = baseline["fits per second"], parallel["fits per second"]
    if parallel_rate <= rate:
        return "never"
    n_fits = (parallel["start-up seconds"] - baseline["start-up seconds"]) / (1 / rate - 1 / parallel_rate)
    return f"{max(0, baseline['start-up seconds'] + n_fits / rate):.0f} s"


def format_measurement(name: str, value: float) -> str:
    """Return a measurement other than the time; its name may end in a unit: "peak memory (MB)"."""
    name, _, unit = name.removesuffix(")").partition(" (")
    return f"{name} {format_number(value)}{NBSP}{unit}".rstrip(NBSP)


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, milliseconds or microseconds."""
    if seconds >= 1:
        return f"{format_number(seconds)}{NBSP}s"
    if seconds >= 1e-3:
        return f"{format_number(1e3 * seconds)}{NBSP}ms"
    return f"{format_number(1e6 * seconds)}{NBSP}µs"


def format_number(value: float) -> str:
    """Return a number with three significant digits; one above 100 is rounded to an integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def uncertainty_figures() -> dict[str, str]:
    """Return the tables and figures of the page on uncertainty."""
    record = read("uncertainty")
    classes = {name: table["methods"] for name, table in record["classes"].items()}
    numbers = {name: table["methods"] for name, table in record["numbers"].items()}

    def fits(tables: dict[str, Any], *methods: str) -> str:
        medians = sorted(statistics.median(table[method]["fits"] for table in tables.values()) for method in methods)
        return " to ".join(dict.fromkeys(f"{value:.1f}" for value in (medians[0], medians[-1])))

    sets = [table["split conformal"] for table in classes.values()]
    coverages, sizes = [score["coverage"] for score in sets], [score["set size"] for score in sets]
    worst = max(classes, key=lambda name: classes[name]["network"]["ECE"])
    before, after = classes[worst]["network"], classes[worst]["sigmoid"]
    return {
        "ensemble_cost": fits(classes, "bagging", "deep ensemble"),
        "calibration_cost": fits(classes, "sigmoid", "isotonic", "temperature"),
        "quantile_cost": fits(numbers, "quantile network"),
        "split_cost": fits(numbers, "split conformal"),
        "cross_cost": fits(numbers, "cross conformal"),
        "n_class_tables": str(len(classes)),
        "n_number_tables": str(len(numbers)),
        "n_splits": str(record["splits"]),
        "calibration_table": calibration_table(classes),
        "calibrated_log_loss_table": calibrated_table(record["classes"], "log loss"),
        "calibrated_ece_table": calibrated_table(record["classes"], "ECE"),
        "calibration_sentence": (
            f"On `{worst}`, where the ECE is highest, `sigmoid` takes it from {before['ECE']:.2f} to "
            f"{after['ECE']:.2f} and the log loss from {before['log loss']:.2f} to {after['log loss']:.2f}."
        ),
        "interval_table": interval_table(numbers),
        "set_coverage": f"{100 * statistics.mean(coverages):.0f}%",
        "set_coverage_range": f"{100 * min(coverages):.0f}% to {100 * max(coverages):.0f}%",
        "set_size_range": f"{min(sizes):.1f} to {max(sizes):.1f}",
        "most_fits": f"{max(max(job['fits'].values()) for job in record['cost'].values()):.1f}",
        "cost_rounds": str(record["cost rounds"]),
        "member_cost_table": member_cost_table(record["cost"]),
        "uncertainty_tables": "; ".join(
            f"{task}: {', '.join(f'`{name}`' for name in record[task])}" for task in ("classes", "numbers")
        ),
        "uncertainty_machine": machine("uncertainty"),
    }


def calibration_table(classes: dict[str, Any]) -> str:
    """Return a row for each method with its mean scores over the tables and its median cost."""
    titles = {
        "network": "one network",
        "sigmoid": "calibrated, sigmoid",
        "temperature": "calibrated, temperature",
        "isotonic": "calibrated, isotonic",
        "bagging": "bagging, 5 members",
        "deep ensemble": "deep ensemble, 5 members",
    }
    rows = []
    for method, title in titles.items():
        scores = [table[method] for table in classes.values()]
        means = [statistics.mean(score[metric] for score in scores) for metric in ("log loss", "Brier", "ECE")]
        error = 100 * statistics.mean(score["error"] for score in scores)
        cost = statistics.median(score["fits"] for score in scores)
        rows.append([title, *(f"{value:.3f}" for value in means), f"{error:.1f}%", f"{cost:.1f}"])
    return markdown_table("lrrrrr", ["Method", "Log loss", "Brier", "ECE", "Error", "Fits"], rows)


def calibrated_table(classes: dict[str, Any], metric: str) -> str:
    """Return a row for each table with a score of the network, and after each calibration."""
    methods = ("network", "sigmoid", "temperature", "isotonic")
    rows = []
    for name, table in classes.items():
        scores = [f"{table['methods'][method][metric]:.2f}" for method in methods]
        rows.append([name, f"{table['rows']:,}", str(table["classes"]), *scores])
    return markdown_table("lrrrrrr", [f"{metric[0].upper()}{metric[1:]}", "Rows", "Classes", *methods], rows)


def interval_table(numbers: dict[str, Any]) -> str:
    """Return a row for each method with the coverage and the width of its intervals."""
    titles = {
        "deep ensemble": "deep ensemble, 5 members",
        "bagging": "bagging, 5 members",
        "quantile network": "quantile network, defaults",
        "split conformal": "MAPIE, split conformal",
        "cross conformal": "MAPIE, cross conformal, 5 folds",
        "conformalized quantiles": "MAPIE, conformalized quantiles",
    }
    rows = []
    for method, title in titles.items():
        scores = [table[method] for table in numbers.values()]
        coverages = [score["coverage"] for score in scores]
        percents = [f"{100 * value:.0f}%" for value in (statistics.mean(coverages), min(coverages), max(coverages))]
        width = statistics.mean(score["width"] for score in scores)
        cost = statistics.median(score["fits"] for score in scores)
        rows.append([title, *percents, f"{width:.2f}", f"{cost:.1f}"])
    return markdown_table("lrrrrr", ["Method", "Coverage", "Lowest", "Highest", "Width", "Fits"], rows)


def member_cost_table(jobs: dict[str, Any]) -> str:
    """Return a row for each job with the time of one network and the cost of five members."""
    rows = []
    for name, job in jobs.items():
        shape = " \N{MULTIPLICATION SIGN} ".join(f"{size:,}" for size in job["shape"])
        fits = [f"{job['fits'][method]:.1f}" for method in ("bagging", "voting", "deep ensemble")]
        rows.append([f"{name} ({shape})", format_duration(job["seconds"]), *fits])
    return markdown_table("lrrrr", ["Data", "One network", "Bagging", "Voting", "Deep ensemble"], rows)


def accuracy_figures() -> dict[str, str]:
    """Return the tables and figures of the page on accuracy."""
    record, looks = read("accuracy"), read("accuracy_looks")
    reported = "reported"
    preprocessing = record["1,000 x 20"][PIPELINE]
    return {
        "accuracy_machine": machine("accuracy"),
        "accuracy_classes_table": accuracy_table(reported, CLASS_METRICS),
        "accuracy_numbers_table": accuracy_table(reported, ("RMSE",)),
        "accuracy_chosen_classes_table": accuracy_table("chosen with", CLASS_METRICS),
        "accuracy_chosen_numbers_table": accuracy_table("chosen with", ("RMSE",)),
        "accuracy_time_table": accuracy_time_table(),
        "accuracy_tables_table": accuracy_tables_table(),
        "accuracy_first_candidates_table": accuracy_candidates_table("first round"),
        "accuracy_second_candidates_table": accuracy_candidates_table("second round"),
        "accuracy_losses": accuracy_losses(),
        "accuracy_preprocessing": f"{100 * preprocessing['preprocess'] / preprocessing['fit']:.0f}%",
        "accuracy_first_candidates": str(len(looks["first round"])),
        "accuracy_second_candidates": str(len(looks["second round"])),
    }


def accuracy_losses() -> str:
    """Return a list of the reported tables on which gradient boosting is better than ``tabular_pipeline``."""
    lines = []
    for metric in RECIPE_METRICS:
        ratios = _ratios(metric, "reported", PIPELINE)
        worse = {name: ratio for name, ratio in ratios.items() if ratio > 1}
        names = ", ".join(f"{name} ({ratio:.2f})" for name, ratio in worse.items()) or "none"
        lines.append(f"- {metric}: {len(worse)} of {len(ratios)} tables: {names}")
    return "\n".join(lines)


def _ratios(metric: str, part: str, method: str) -> dict[str, float]:
    """Return a method's score divided by that of gradient boosting, by table, largest first."""
    record = read("accuracy")
    scores = {name: row for name, row in record["scores"][metric].items() if name in record["tables"][part]}
    ratios = {name: row[method] / row[BOOSTING] for name, row in scores.items()}
    return dict(sorted(ratios.items(), key=lambda item: -item[1]))


# Plots


def draw_accuracy() -> Figure:
    """Draw each method's log loss or RMSE relative to gradient boosting, one line per table.

    The reported tables are on the left, those for choosing on the right.
    """
    heights = [max(len(_ratios(metric, part, PIPELINE)) for part in PARTS) + 2 for metric in ("log loss", "RMSE")]
    figure, panels = plt.subplots(
        2, 2, figsize=(10, 0.3 * sum(heights) + 1.2), layout="constrained", sharex=True, height_ratios=heights
    )
    for row, metric in zip(panels, ("log loss", "RMSE"), strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            _draw_accuracy_of(ax, metric, part)
    for ax in panels[1]:
        ax.set_xlabel(f"relative to {BOOSTING}; left of the line: better")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), ncols=4, loc="outside upper center", frameon=False)
    return figure


def _draw_accuracy_of(ax: Axes, metric: str, part: str) -> None:
    order = list(_ratios(metric, part, PIPELINE))
    for line in range(len(order)):
        ax.axhline(line, color="0.92", zorder=0)
    ax.axvline(1, color="0.4", linewidth=1, zorder=1)
    for method, (color, marker) in ACCURACY_STYLES.items():
        ratios = _ratios(metric, part, method)
        is_ours = method == PIPELINE
        ax.plot(
            [min(ratios[name], 4) for name in order],  # a worse one is drawn at the edge
            range(len(order)),
            marker,
            color=color,
            markersize=9 if is_ours else 6,
            fillstyle="none" if is_ours else "full",  # a ring does not hide the others
            markeredgewidth=2 if is_ours else 1,
            zorder=4 if is_ours else 3,
            clip_on=False,
            label=method,
        )
    ax.set(xscale="log", xlim=(0.15, 4), ylim=(len(order) - 0.5, -0.5), title=f"{metric}, {PARTS[part]}")
    ax.set_xticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "≥ 4"])
    ax.minorticks_off()
    ax.set_yticks(range(len(order)), order)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def draw_comparison() -> Figure:
    """Draw each library's time relative to moonnet on TensorFlow, one line per job."""
    jobs = read("comparison")["jobs"]
    baseline = MOONNET["tensorflow"]
    figure, ax = plt.subplots(figsize=(8, 0.42 * len(jobs) + 1.2), layout="constrained")
    for row, job in enumerate(jobs.values()):
        baseline_seconds = job["medians"][baseline]["seconds"]
        ax.axhline(row, color="0.9", zorder=0)
        for library, measured in job["medians"].items():
            if library != baseline:
                ratio = measured["seconds"] / baseline_seconds
                ax.plot(ratio, row, MARKERS[library], color=COLORS[library], label=library)
    ax.axvline(1, color=COLORS[baseline], linewidth=1)
    ax.set(xscale="log", xlabel=f"time relative to {baseline}; right of the line: slower than moonnet")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(range(len(jobs)), list(jobs))
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    labels = [library for library in COLORS if library in handles]
    figure.legend([handles[label] for label in labels], labels, ncols=4, loc="outside upper center", frameon=False)
    return figure


def draw_fit_times() -> Figure:
    """Draw the time of a fit over the size of the problem, one panel per dimension."""
    axes = read("fit_time")["axes"]
    figure, panels = plt.subplots(2, 3, figsize=(9, 6), layout="constrained", sharey=True)
    for ax, (name, axis) in zip(panels.flat, axes.items(), strict=False):
        _draw_fit_times_over(ax, name, axis)
    for ax in panels[:, 0]:
        ax.set_ylabel("time of a fit (s)")
    for ax in panels.flat[len(axes) :]:
        ax.set_axis_off()
        ax.legend(*panels.flat[0].get_legend_handles_labels(), loc="center", frameon=False)
    return figure


def _draw_fit_times_over(ax: Axes, name: str, axis: dict[str, Any]) -> None:
    for library, seconds in axis["seconds"].items():
        style = {
            "color": COLORS[library],
            "marker": MARKERS[library],
            "linewidth": 2.2 if library in MOONNET.values() else 1.2,
        }
        ax.plot(axis["values"], seconds, markersize=4, label=library, **style)
    ax.set(xscale="log", yscale="log", xlabel=AXIS_LABELS.get(name, name))
    ax.set_xticks(axis["values"], [f"{value / 1000:g}k" if value >= 1000 else str(value) for value in axis["values"]])
    ax.minorticks_off()
    ax.grid(color="0.92")
    ax.spines[["top", "right"]].set_visible(False)
