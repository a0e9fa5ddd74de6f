"""Pictures are computed with one thread of BLAS, whose number of threads is then what it was."""

import json

import pytest

from helpers import run_python

# In a process with several threads of BLAS; those of the tests have one
PROGRAM = """\
import json, threading
from concurrent.futures import ThreadPoolExecutor
import numpy
from threadpoolctl import ThreadpoolController
from moonnet.explore._blas import SingleBlasThread

def blas_threads():
    return [pool.num_threads for pool in ThreadpoolController().select(user_api="blas").lib_controllers]

single, start, numbers = SingleBlasThread(), threading.Barrier(4), {"before": blas_threads(), "within": []}

def compute(_):
    start.wait()
    for _ in range(20):
        with single():
            numbers["within"] += blas_threads()

with ThreadPoolExecutor(4) as pool:
    list(pool.map(compute, range(4)))
numbers["after"] = blas_threads()
try:
    with single():
        raise ZeroDivisionError
except ZeroDivisionError:
    numbers["after an error"] = blas_threads()
print(json.dumps(numbers))
"""


def test_number_of_threads_is_one_within_the_context_and_restored_after_it():
    numbers = json.loads(run_python(PROGRAM, OPENBLAS_NUM_THREADS="2", MKL_NUM_THREADS="2", OMP_NUM_THREADS="2"))
    if set(numbers["before"]) != {2}:
        pytest.skip("BLAS has a single thread")
    assert set(numbers["within"]) == {1}
    assert numbers["after"] == numbers["after an error"] == numbers["before"]
