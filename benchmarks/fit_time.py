"""Measure the time of a fit by samples, features, width, depth and batch size, with moonnet and its rivals.

One dimension varies at a time. Each rival runs in its own process and trains in float32, Keras's default. Rivals that
reuse compiled programs or caches run each fit once before it is measured.
"""

import argparse
import statistics
from contextlib import ExitStack
from functools import partial
from typing import Any

import results
from jobs import check_learned, make_problem, time_call
from rivals import KERAS, RIVALS, backend_of
from subprocesses import Worker, serve

DEFAULTS = {"samples": 2000, "features": 20, "width": 50, "depth": 2, "batch size": 50}
VALUES = {
    "samples": [200, 1000, 5000, 25_000, 100_000],
    "features": [2, 10, 50, 250, 1000],
    "width": [10, 50, 200, 500, 1000],
    "depth": [1, 2, 4, 8, 16],
    "batch size": [10, 50, 200, 1000],
}
EPOCHS = 5
NEVER_WARM = (*KERAS, "SciKeras", "keras.wrappers")  # each fit builds, traces and compiles a new model


def measure_fit(rival: str, sizes: dict[str, int], rounds: int) -> float:
    """Return the seconds of a fit: the first for rivals that are never warm, the median of later ones for others."""
    samples, labels = make_problem(sizes["samples"], sizes["features"], "float32")
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": min(sizes["batch size"], sizes["samples"])}
    settings["hidden"] = (sizes["width"],) * sizes["depth"]
    seconds = []
    for _ in range(1 if rival in NEVER_WARM else rounds + 1):
        fit_seconds, classifier = time_call(lambda: RIVALS[rival](0, **settings).fit(samples, labels))
        seconds.append(fit_seconds)
    check_learned(classifier, samples[:2000], labels[:2000], 0.4)  # a deep network learns little in five epochs
    return statistics.median(seconds[1:] or seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"one of {', '.join(VALUES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="measured fits of each rival that can be warm")
    parser.add_argument("--serve", metavar="RIVAL", help="measure on request (used for child processes)")
    options = parser.parse_args()
    if options.serve:
        serve(partial(measure_fit, options.serve))
        return
    for name in options.axes:
        if name not in VALUES:
            parser.error(f"unknown axis {name!r}; must be one of {', '.join(map(repr, VALUES))}")
    axes: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {
            rival: stack.enter_context(Worker(__file__, "--serve", rival, backend=backend_of(rival)))
            for rival in RIVALS
        }
        for worker in workers.values():  # imports
            worker.measure(DEFAULTS, 1)
        for axis in options.axes or VALUES:
            seconds: dict[str, list[float]] = {rival: [] for rival in RIVALS}
            print(f"{axis:>12}" + "".join(f"{rival:>22}" for rival in RIVALS))
            for value in VALUES[axis]:
                for rival, measured in seconds.items():
                    measured.append(workers[rival].measure({**DEFAULTS, axis: value}, options.rounds))
                columns = "".join(f"{1000 * measured[-1]:>19.1f} ms" for measured in seconds.values())
                print(f"{value:>12,}{columns}", flush=True)
            axes[axis] = {"values": VALUES[axis], "seconds": seconds}
    if not options.axes:
        results.write("fit_time", {"defaults": DEFAULTS, "epochs": EPOCHS, "axes": axes})


if __name__ == "__main__":
    main()
