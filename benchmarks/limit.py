"""How far the lecture's fit is from what the machine could do, and where the rest of the time goes.

The limit is the time that the fit's floating-point operations would take at the rate of a large matrix product.
"""

import argparse
import os
import statistics
import tempfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import results
from race import X, Y, seconds_of
from rivals import RIVALS, SETTINGS
from threadpoolctl import threadpool_limits


def operations(layer_sizes: tuple[int, ...], n_samples: int, epochs: int) -> int:
    """Return the floating-point operations of a fit's matrix products, two for each multiplication and addition.

    Each layer's product is needed forward, for its kernel's gradient and, but for the first, for its input's gradient.
    """
    products = [fan_in * fan_out for fan_in, fan_out in pairwise(layer_sizes)]
    return 2 * n_samples * epochs * (3 * sum(products) - products[0])


def rate(n_threads: int, size: int = 768) -> float:
    """Return the operations a second of NumPy's matrix product in float64, median of 20."""
    matrix = np.random.default_rng(0).normal(size=(size, size))
    with threadpool_limits(n_threads):
        seconds = [seconds_of(lambda: matrix @ matrix)[0] for _ in range(20)]
    return 2 * size**3 / statistics.median(seconds)


def profile() -> dict[str, float]:
    """Return the seconds of each operation of the compiled loop in a fit, slowed by the profiler."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    from moonnet._keras import tf

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=3))
        RIVALS["moonnet"]().fit(X, Y)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    n_steps = SETTINGS["epochs"] * -(-len(X) // SETTINGS["batch_size"])
    found: dict[str, list[float]] = defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                found[plane.event_metadata[event.metadata_id].name].append(event.duration_ps / 1e12)
    return {
        name: sum(seconds)
        for name, seconds in found.items()
        if n_steps <= len(seconds) <= n_steps + 1 and not name.startswith("end: ")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=100)
    options = parser.parse_args()
    from moonnet._program import Program

    first, _ = seconds_of(lambda: RIVALS["moonnet"]().fit(X, Y))
    in_program = []
    run = Program.run

    def timed_run(*block: Any) -> Any:
        seconds, answer = seconds_of(lambda: run(*block))
        in_program.append(seconds)
        return answer

    Program.run = timed_run
    fits = [seconds_of(lambda: RIVALS["moonnet"]().fit(X, Y))[0] for _ in range(options.fits)]
    Program.run = run
    assert len(in_program) == len(fits)  # a fit is one block
    fit, program = statistics.median(fits), statistics.median(in_program)

    n_operations = operations((2, *SETTINGS["hidden"], 1), len(X), SETTINGS["epochs"])
    rates = {"1 thread": rate(1), "all threads": rate(os.cpu_count() or 1)}
    limit = n_operations / rates["1 thread"]
    loop = profile()
    products = sum(seconds for name, seconds in loop.items() if "MatMul" in name)
    whole = sum(loop.values())
    figures = {
        "operations": n_operations,
        "operations a second": rates,
        "seconds": {"first fit": first, "limit": limit, "fit": fit, "compiled program": program},
        "times the limit": fit / limit,
        "operations of a step": len(loop),
        "share of matrix products": products / whole,
    }
    print(f"first fit, compilation included: {first:.2f} s")
    print(f"a fit's matrix products: {n_operations / 1e6:.0f} million operations")
    for threads, value in rates.items():
        print(f"a large matrix product, {threads}: {value / 1e9:.1f} thousand million operations a second")
    print(f"limit {1000 * limit:.2f} ms, a fit {1000 * fit:.2f} ms: {fit / limit:.1f} times the limit")
    print(f"of the fit {1000 * program:.2f} ms in the compiled program, {1000 * (fit - program):.2f} ms around it")
    print(f"of the program's step, {len(loop)} operations, {products / whole:.0%} in matrix products (as profiled)")
    results.write("limit", figures)


if __name__ == "__main__":
    main()
