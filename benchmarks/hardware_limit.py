"""Measure the distance of the lecture's fit from the hardware limit, and where the rest of the time goes.

The limit is the time that the fit's floating-point operations would take at the rate of a large matrix product.
"""

import argparse
import os
import statistics
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import results
from jobs import X, Y, time_call
from rivals import SETTINGS, build_moonnet_classifier
from threadpoolctl import threadpool_limits

from moonnet.training._program_state import ProgramState  # imports the engine, which the first fit must not include


def count_product_operations(layer_sizes: tuple[int, ...], n_samples: int, epochs: int) -> int:
    """Return the floating-point operations of a fit's matrix products; a multiply-add counts as two.

    Each layer has one product in the forward pass, one for the gradient of its kernel and, except for the first layer,
    one for the gradient of its input.
    """
    products = [fan_in * fan_out for fan_in, fan_out in pairwise(layer_sizes)]
    return 2 * n_samples * epochs * (3 * sum(products) - products[0])


def measure_rate(n_threads: int, size: int = 768) -> float:
    """Return the operations per second of a matrix product in NumPy in float64, the median of 20."""
    matrix = np.random.default_rng(0).normal(size=(size, size))
    with threadpool_limits(n_threads):
        seconds = [time_call(lambda: matrix @ matrix)[0] for _ in range(20)]
    return 2 * size**3 / statistics.median(seconds)


def time_products_alone(layer_sizes: tuple[int, ...], batch_size: int, n_steps: int, n_repeats: int) -> float:
    """Return the median seconds of a compiled loop of a fit's matrix products, without the rest of a training step.

    One addition to each kernel remains, so that each step depends on the one before.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    X = tf.constant(rng.normal(size=(batch_size, layer_sizes[0])))
    initial_kernels = [tf.constant(rng.normal(size=shape) / shape[0]) for shape in pairwise(layer_sizes)]

    def step(i: Any, *kernels: Any) -> tuple[Any, ...]:
        inputs = [X]
        for kernel in kernels:
            inputs.append(inputs[-1] @ kernel)
        gradient, updated = inputs.pop(), []
        for kernel, values in zip(reversed(kernels), reversed(inputs), strict=True):
            updated.append(kernel - 1e-9 * tf.matmul(values, gradient, transpose_a=True))
            gradient = tf.matmul(gradient, kernel, transpose_b=True)
        return i + 1, *reversed(updated)

    @tf.function(autograph=False, jit_compile=True)
    def loop() -> Any:
        return tf.while_loop(lambda i, *_: i < n_steps, step, [0, *initial_kernels])

    loop()
    return statistics.median(time_call(lambda: loop()[-1].numpy())[0] for _ in range(n_repeats))


def count_step_operations(n_steps: int) -> int:
    """Return the number of operations in a step of the compiled program: those that the profiler sees once per step."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=3))
        build_moonnet_classifier().fit(X, Y)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    counts = Counter(
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    )
    return sum(n_steps <= n <= n_steps + 1 and not name.startswith("end: ") for name, n in counts.items())


def time_fits(n_fits: int) -> tuple[float, float]:
    """Return the median seconds of a fit, and those that it spends in the compiled program."""
    program_seconds = []
    original = ProgramState.run

    def timed_run(*arguments: Any) -> Any:
        seconds, result = time_call(lambda: original(*arguments))
        program_seconds.append(seconds)
        return result

    ProgramState.run = timed_run
    fit_seconds = [time_call(lambda: build_moonnet_classifier().fit(X, Y))[0] for _ in range(n_fits)]
    ProgramState.run = original
    assert len(program_seconds) == n_fits  # one block per fit
    return statistics.median(fit_seconds), statistics.median(program_seconds)


def print_figures(figures: dict[str, Any]) -> None:
    seconds = figures["seconds"]
    fit, program, limit = seconds["fit"], seconds["compiled program"], seconds["limit"]
    print(f"first fit, compilation included: {seconds['first fit']:.2f} s")
    print(f"matrix products of a fit: {figures['operations'] / 1e6:.0f} million operations")
    for threads, rate in figures["operations per second"].items():
        print(f"large matrix product, {threads}: {rate / 1e9:.1f} billion operations per second")
    print(f"limit {1000 * limit:.2f} ms, fit {1000 * fit:.2f} ms: {fit / limit:.1f} times the limit")
    print(f"of the fit, {1000 * program:.2f} ms in the compiled program and {1000 * (fit - program):.2f} ms outside it")
    print(f"matrix products alone, in a compiled loop: {1000 * seconds['matrix products alone']:.2f} ms")
    print(f"operations per step of the program: {figures['operations per step']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=100)
    options = parser.parse_args()
    first_fit, _ = time_call(lambda: build_moonnet_classifier().fit(X, Y))
    fit, program = time_fits(options.fits)
    layer_sizes, batch_size = (2, *SETTINGS["hidden"], 1), SETTINGS["batch_size"]
    n_steps = SETTINGS["epochs"] * -(-len(X) // batch_size)
    n_operations = count_product_operations(layer_sizes, len(X), SETTINGS["epochs"])
    rates = {"1 thread": measure_rate(1), "all threads": measure_rate(os.cpu_count() or 1)}
    limit = n_operations / rates["1 thread"]
    figures = {
        "operations": n_operations,
        "operations per second": rates,
        "seconds": {
            "first fit": first_fit,
            "limit": limit,
            "fit": fit,
            "compiled program": program,
            "matrix products alone": time_products_alone(layer_sizes, batch_size, n_steps, options.fits),
        },
        "fit / limit": fit / limit,
        "operations per step": count_step_operations(n_steps),
    }
    print_figures(figures)
    results.write("hardware_limit", figures)


if __name__ == "__main__":
    main()
