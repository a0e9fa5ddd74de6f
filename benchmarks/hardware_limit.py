"""How far the lecture's fit is from what the machine could do, and where the rest of the time goes.

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
from comparison import X, Y, seconds_of
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


def products_alone(layer_sizes: tuple[int, ...], n_rows: int, n_steps: int, n_times: int) -> float:
    """Return the seconds of a fit's matrix products in a compiled loop without the rest of a step, median.

    The rest but one addition to each kernel, so that a step needs what the one before it has computed.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    X = tf.constant(rng.normal(size=(n_rows, layer_sizes[0])))
    start = [tf.constant(rng.normal(size=shape) / shape[0]) for shape in pairwise(layer_sizes)]

    def step(i: Any, *kernels: Any) -> tuple[Any, ...]:
        inputs = [X]
        for kernel in kernels:
            inputs.append(inputs[-1] @ kernel)
        error, changed = inputs.pop(), []
        for kernel, values in zip(reversed(kernels), reversed(inputs), strict=True):
            changed.append(kernel - 1e-9 * tf.matmul(values, error, transpose_a=True))
            error = tf.matmul(error, kernel, transpose_b=True)
        return i + 1, *reversed(changed)

    @tf.function(autograph=False, jit_compile=True)
    def loop() -> Any:
        return tf.while_loop(lambda i, *_: i < n_steps, step, [0, *start])

    loop()
    return statistics.median(seconds_of(lambda: loop()[-1].numpy())[0] for _ in range(n_times))


def count_operations(n_steps: int) -> int:
    """Return how many operations a step of the compiled loop is: those that the profiler has seen that often."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=3))
        RIVALS["moonnet"]().fit(X, Y)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    times = Counter(
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    )
    return sum(n_steps <= n <= n_steps + 1 and not name.startswith("end: ") for name, n in times.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=100)
    options = parser.parse_args()
    from moonnet.training._compiled_program import Program

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

    layer_sizes, batch_size = (2, *SETTINGS["hidden"], 1), SETTINGS["batch_size"]
    n_steps = SETTINGS["epochs"] * -(-len(X) // batch_size)
    products = products_alone(layer_sizes, batch_size, n_steps, options.fits)
    n_operations = operations(layer_sizes, len(X), SETTINGS["epochs"])
    rates = {"1 thread": rate(1), "all threads": rate(os.cpu_count() or 1)}
    limit = n_operations / rates["1 thread"]
    in_a_step = count_operations(n_steps)
    figures = {
        "operations": n_operations,
        "operations a second": rates,
        "seconds": {
            "first fit": first,
            "limit": limit,
            "fit": fit,
            "compiled program": program,
            "matrix products alone": products,
        },
        "times the limit": fit / limit,
        "operations of a step": in_a_step,
    }
    print(f"first fit, compilation included: {first:.2f} s")
    print(f"a fit's matrix products: {n_operations / 1e6:.0f} million operations")
    for threads, value in rates.items():
        print(f"a large matrix product, {threads}: {value / 1e9:.1f} thousand million operations a second")
    print(f"limit {1000 * limit:.2f} ms, a fit {1000 * fit:.2f} ms: {fit / limit:.1f} times the limit")
    print(f"of the fit {1000 * program:.2f} ms in the compiled program, {1000 * (fit - program):.2f} ms around it")
    print(f"the same matrix products alone in a compiled loop: {1000 * products:.2f} ms")
    print(f"a step of the program: {in_a_step} operations")
    results.write("hardware_limit", figures)


if __name__ == "__main__":
    main()
