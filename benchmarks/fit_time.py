"""How the time of a fit grows with samples, features, width, depth and batch size, by moonnet and its rivals.

One number changes at a time. Everyone has a process of its own, trains in float32, which is what Keras takes whatever
it is given, and has done the same fit once before where that saves anything.
"""

import argparse
import statistics
from contextlib import ExitStack
from functools import partial
from typing import Any

import results
from comparison import check_learned, problem, seconds_of
from rivals import RIVALS, backend_of
from subprocesses import Worker, serve

USUAL = {"samples": 2000, "features": 20, "width": 50, "depth": 2, "batch size": 50}
VALUES = {
    "samples": [200, 1000, 5000, 25_000, 100_000],
    "features": [2, 10, 50, 250, 1000],
    "width": [10, 50, 200, 500, 1000],
    "depth": [1, 2, 4, 8, 16],
    "batch size": [10, 50, 200, 1000],
}
EPOCHS = 5
BUILD_ANEW = (
    "Keras on JAX",
    "plain Keras",
    "SciKeras",
    "keras.wrappers",
)  # each fit traces and compiles: none of them is warm


def seconds_of_fit(rival: str, sizes: dict[str, int], rounds: int) -> float:
    samples, labels = problem(sizes["samples"], sizes["features"], "float32")
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": min(sizes["batch size"], sizes["samples"])}
    settings["hidden"] = (sizes["width"],) * sizes["depth"]
    taken = []
    for _ in range(1 if rival in BUILD_ANEW else rounds + 1):
        seconds, network = seconds_of(lambda: RIVALS[rival](0, **settings).fit(samples, labels))
        taken.append(seconds)
    check_learned(network, samples[:2000], labels[:2000], 0.4)  # five epochs teach a deep network little
    return statistics.median(taken[1:] or taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(VALUES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="fits of those that have something to warm up")
    parser.add_argument("--serve", metavar="RIVAL", help="measure fits as they are asked for")
    options = parser.parse_args()
    if options.serve:
        serve(partial(seconds_of_fit, options.serve))
        return
    for name in options.axes:
        if name not in VALUES:
            parser.error(f"no axis {name!r}, but {', '.join(map(repr, VALUES))}")
    axes: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {
            rival: stack.enter_context(Worker(__file__, "--serve", rival, backend=backend_of(rival)))
            for rival in RIVALS
        }
        for worker in workers.values():  # imports
            worker.measure(USUAL, 1)
        for axis in options.axes or VALUES:
            seconds: dict[str, list[float]] = {rival: [] for rival in RIVALS}
            print(f"{axis:>12}" + "".join(f"{rival:>16}" for rival in RIVALS))
            for value in VALUES[axis]:
                for rival, taken in seconds.items():
                    taken.append(workers[rival].measure({**USUAL, axis: value}, options.rounds))
                columns = "".join(f"{1000 * taken[-1]:>13.1f} ms" for taken in seconds.values())
                print(f"{value:>12,}{columns}", flush=True)
            axes[axis] = {"values": VALUES[axis], "seconds": seconds}
    if not options.axes:
        results.write("fit_time", {"usual": USUAL, "epochs": EPOCHS, "axes": axes})


if __name__ == "__main__":
    main()
