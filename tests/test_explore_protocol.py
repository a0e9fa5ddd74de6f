"""Messages are unpacked as they were packed, and the queue stores the newest message of each kind."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers import unpack_message
from moonnet.explore._protocol import LatestMessageQueue, pack_message

TYPES = ("uint8", "int32", "int64", "float32", "float64", "bool")
ARRAYS = st.sampled_from(TYPES).flatmap(lambda name: arrays(name, array_shapes(min_dims=0, max_side=5, min_side=0)))
HEADERS = st.dictionaries(
    st.text(max_size=10).filter(lambda name: name != "arrays"),
    st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=10) | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)


@given(HEADERS, st.dictionaries(st.text(max_size=10), ARRAYS, max_size=4))
def test_unpacked_message_equals_packed_message(header, content):
    message = pack_message(header, content)
    read, read_arrays = unpack_message(message)
    assert {name: value for name, value in read.items() if name != "arrays"} == header
    assert read_arrays.keys() == content.keys()
    for name, array in content.items():
        assert read_arrays[name].dtype == array.dtype
        assert read_arrays[name].shape == array.shape
        assert read_arrays[name].tobytes() == array.tobytes()
    # The page reads arrays in place, so their offsets must be multiples of the item size
    n_header = int.from_bytes(message[:4], "little")
    assert len(message) % 8 == 0
    assert (4 + n_header) % 8 == 0
    assert all(offset % 8 == 0 for *_, offset in read["arrays"])


def test_pack_message_sends_arrays_in_row_major_order():
    array = np.arange(12.0).reshape(3, 4)
    _, read = unpack_message(pack_message({}, {"transposed": array.T, "slice": array[::2, 1]}))
    assert read["transposed"].tolist() == array.T.tolist()
    assert read["slice"].tolist() == [1, 9]


def test_pack_message_accepts_header_without_arrays():
    assert unpack_message(pack_message({"kind": "hello", "text": "größe \ud800 \0"})) == (
        {"kind": "hello", "text": "größe \ud800 \0", "arrays": []},
        {},
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_pack_message_rejects_non_finite_numbers(value):
    with pytest.raises(ValueError, match="Out of range float"):
        pack_message({"loss": [value]})


def test_queue_replaces_message_of_same_kind_and_moves_it_to_the_end():
    queue = LatestMessageQueue()
    for kind, message in [("train", 1), ("frame", 2), ("train", 3), ("script", 4), ("frame", 5)]:
        queue.put(kind, message)
    assert [queue.get() for _ in range(3)] == [3, 4, 5]
    assert not queue.wait_for_message(0)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers())))
def test_queue_returns_last_message_of_each_kind_in_order_of_arrival(puts):
    queue = LatestMessageQueue()
    for kind, message in puts:
        queue.put(kind, (kind, message))
    expected = []
    for kind, message in reversed(puts):
        if kind not in [known for known, _ in expected]:
            expected.insert(0, (kind, message))
    for kind, _ in expected:
        assert queue.contains(kind)
    assert queue.contains("abcd") is False
    assert [queue.get() for _ in expected] == expected
    assert not queue.contains("a", "b", "c", "d")


def test_message_that_is_put_again_neither_replaces_nor_overtakes_a_newer_one():
    queue = LatestMessageQueue()
    queue.put("seeds", 1)
    queue.put("train", 2)
    queue.put_again("seeds", 0)
    assert [queue.get(), queue.get()] == [1, 2]
    queue.put("train", 3)
    queue.put_again("seeds", 0)
    assert [queue.get(), queue.get()] == [3, 0]
    queue.close()
    queue.put_again("seeds", 0)
    assert queue.get() is None


def test_queue_contains_checks_for_waiting_kinds():
    queue = LatestMessageQueue()
    assert not queue.contains("train", "upload")
    queue.put("upload", 1)
    assert queue.contains("train", "upload")
    assert not queue.contains("train")
    queue.get()
    assert not queue.contains("upload")


def test_closed_queue_returns_none():
    queue = LatestMessageQueue()
    queue.put("train", 1)
    queue.close()
    assert queue.get() is None
    assert queue.get() is None
    assert queue.contains("train")
    assert queue.contains()  # so that work in progress stops
    assert queue.wait_for_message(1000)
    queue.put("train", 8)
    assert not queue._messages


def start_thread(work):
    """Start a thread that calls ``work``; return the thread and the list that receives the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.parametrize("wake", [lambda queue: queue.put("train", 7), lambda queue: queue.close()])
def test_put_and_close_wake_waiting_threads(wake):
    queue = LatestMessageQueue()
    waiting, taken = start_thread(queue.get)
    waiting.join(0.05)
    assert waiting.is_alive()
    wake(queue)
    waiting.join(30)
    assert taken in ([7], [None])

    queue = LatestMessageQueue()
    waiting, has_message = start_thread(lambda: queue.wait_for_message(1000))
    waiting.join(0.05)
    assert waiting.is_alive()
    wake(queue)
    waiting.join(30)
    assert has_message == [True]


def test_wait_for_message_times_out_and_leaves_message_in_queue():
    queue = LatestMessageQueue()
    assert queue.wait_for_message(0.01) is False
    queue.put("train", 1)
    assert queue.wait_for_message(1000) is True
    assert queue.get() == 1  # still in the queue


def test_messages_of_many_threads_arrive_once_and_in_order():
    queue = LatestMessageQueue()
    kinds, n_messages = "abcd", 300

    def send(kind):
        for number in range(n_messages):
            queue.put(kind, (kind, number))

    def receive():
        taken = []
        while len(last := dict(taken)) < 4 or set(last.values()) != {n_messages - 1}:
            taken.append(queue.get())
        return taken

    receiver, received = start_thread(receive)
    senders = [start_thread(lambda kind=kind: send(kind))[0] for kind in kinds]
    for thread in [*senders, receiver]:
        thread.join(30)
        assert not thread.is_alive()
    for kind in kinds:
        numbers = [number for received_kind, number in received[0] if received_kind == kind]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == n_messages - 1
