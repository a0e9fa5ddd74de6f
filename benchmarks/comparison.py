"""Compare moonnet with Keras, SciKeras, keras.wrappers, skorch and scikit-learn's networks.

Each rival runs in its own process, and the rivals take turns within each round. Jobs that measure imports, compilation
or memory start a new process for each measurement. Every result is checked before its time counts. Prints medians and
ratios, and records them in ``docs/results`` unless ``--rounds`` overrides the number of rounds; ``--quick`` compares a
short run of some jobs with the records.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import results
from jobs import JOBS, Measurement
from rivals import MOONNET, backend_of, import_libraries
from subprocesses import Worker, serve

# Short jobs for a check after each change, and their rounds
QUICK_ROUNDS = {
    "lecture fit": 9,
    "regressor fit": 9,
    "predict 16,384 samples": 9,
    "predict 1 sample": 9,
    "partial_fit stream": 1,
    "grid search, architectures": 2,
    "wide fit, float32": 4,
}


class RivalProcesses:
    """One process per rival, started at its first measurement and reused by later jobs."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._workers: dict[str, Worker] = {}

    def measure(self, name: str, rival: str) -> Measurement:
        """Measure a job once, in a new process if the job is isolated."""
        if JOBS[name].isolated:
            with Worker(__file__, "--serve", rival, backend=backend_of(rival)) as worker:
                return worker.measure(name)
        if rival not in self._workers:
            worker = Worker(__file__, "--serve", rival, backend=backend_of(rival))
            self._workers[rival] = self._stack.enter_context(worker)
        return self._workers[rival].measure(name)

    def compare(self, name: str, rivals: tuple[str, ...], rounds: int) -> dict[str, Measurement]:
        """Measure a job with moonnet and its rivals in turn, and return their medians."""
        job = JOBS[name]
        measurements: dict[str, list[Measurement]] = {rival: [] for rival in (*MOONNET, *rivals)}
        if job.warm_up and not job.isolated:
            for rival in measurements:
                self.measure(name, rival)
        for _ in range(rounds):
            for rival, collected in measurements.items():
                collected += [self.measure(name, rival) for _ in range(job.repeats.get(rival, 1))]
        return {
            rival: {key: statistics.median(each[key] for each in collected) for key in collected[0]}
            for rival, collected in measurements.items()
        }


def make_measure(rival: str) -> Callable[[str], Measurement]:
    """Return a function that measures jobs with one rival in this process."""
    import_libraries(rival)

    def measure(name: str) -> Measurement:
        measured = JOBS[name].measure(rival)
        return measured if isinstance(measured, dict) else {"seconds": measured}

    return measure


def format_lines(name: str, medians: dict[str, Measurement]) -> Iterator[str]:
    """Yield the printed lines of a job."""
    yield JOBS[name].title
    for rival, measured in medians.items():
        line = f"    {rival:<22}{1000 * measured['seconds']:>11.3g} ms"
        for ours in MOONNET:
            line += f"{measured['seconds'] / medians[ours]['seconds']:>12.3g}"
        yield line + "".join(f", {key}: {value:.4g}" for key, value in measured.items() if key != "seconds")


def run_jobs(processes: RivalProcesses, names: list[str], rounds: int | None) -> dict[str, Any]:
    """Run jobs, print their times relative to moonnet on either engine, and return what is recorded."""
    print(f"{'time, and relative to moonnet on':<40}{'TensorFlow':>12}{'JAX':>12}")
    jobs = {}
    for name in names:
        job = JOBS[name]
        medians = processes.compare(name, job.rivals, rounds or job.rounds)
        jobs[name] = {"title": job.title, "medians": medians}
        print("\n".join(format_lines(name, medians)), flush=True)
    return jobs


def run_quick_jobs(
    processes: RivalProcesses, recorded: dict[str, dict[str, float]] | None
) -> dict[str, dict[str, float]]:
    """Run the short jobs, print and return moonnet's speed-ups over scikit-learn; they vary less than times do."""
    print(f"{'speed-up over scikit-learn':<50}{'recorded':>10}{'now':>8}{'change':>9}")
    speedups: dict[str, dict[str, float]] = {}
    for name, rounds in QUICK_ROUNDS.items():
        sklearn = JOBS[name].rivals[-1]
        medians = processes.compare(name, (sklearn,), rounds)
        speedups[name] = {ours: medians[sklearn]["seconds"] / medians[ours]["seconds"] for ours in MOONNET}
        for ours, now in speedups[name].items():
            before = recorded[name][ours] if recorded and name in recorded else None
            columns = f"{before:>10.3g}{now:>8.3g}{now / before - 1:>+9.0%}" if before else f"{now:>18.3g}"
            print(f"{name + ours.removeprefix('moonnet'):<50}{columns}", flush=True)
    return speedups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"one of {', '.join(map(repr, JOBS))} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each job; nothing is recorded (default: the job's own)")
    parser.add_argument("--quick", action="store_true", help="compare short jobs with their recorded speed-ups")
    parser.add_argument("--record-quick", action="store_true", help="record the speed-ups of the short jobs")
    parser.add_argument("--serve", metavar="RIVAL", help="measure jobs on request (used for child processes)")
    options = parser.parse_args()
    for name in options.jobs:
        if name not in JOBS:
            parser.error(f"unknown job {name!r}; must be one of {', '.join(map(repr, JOBS))}")
    if options.serve:
        serve(make_measure(options.serve))
        return
    with ExitStack() as stack:
        processes = RivalProcesses(stack)
        if options.record_quick:
            results.write("quick", {"speed-ups": run_quick_jobs(processes, None)})
        elif options.quick:
            run_quick_jobs(processes, results.read("quick")["speed-ups"])
            print("On a busy machine single results vary by half: repeat a job before you trust it.")
        else:
            jobs = run_jobs(processes, options.jobs or list(JOBS), options.rounds)
            if options.jobs and not options.rounds:
                recorded = results.read("comparison")["jobs"] | jobs
                jobs = {name: recorded[name] for name in JOBS if name in recorded}
            if not options.rounds:
                results.write("comparison", {"jobs": jobs})


if __name__ == "__main__":
    main()
