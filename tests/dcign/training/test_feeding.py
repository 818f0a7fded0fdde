"""Whatever way mini-batches reach the device, they are those asked for, whole and in order."""

import threading
import time
import warnings
from itertools import count, islice

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.training import feeding
from dcign.training.feeding import AHEAD, BUFFERS, Prefetch, open_feed, resident_bytes, upload
from render.errors import ShardError
from render.shards.data_set import DataSet, open_data_set

CPU = torch.device("cpu")
COUNTS = {"azimuth": 5, "intrinsic": 7}
EVERY = [(factor, index) for factor in COUNTS for index in range(COUNTS[factor])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("feeding") / "shards", size=54, counts=COUNTS, batch_size=3)


@pytest.fixture
def data(folder):
    return open_data_set(folder)


def shuffled(length, seed=0):
    rng = np.random.default_rng(seed)
    return [EVERY[k] for k in rng.integers(len(EVERY), size=length)]


def assert_same(data, places, tensors):
    for (factor, index), images in zip(places, tensors, strict=True):
        assert images.dtype == torch.uint8
        np.testing.assert_array_equal(images.numpy(), data.minibatch(factor, index).images)


class Slow:
    """Stands in for a device: a copy leaves its buffer when asked for the `asked`th time, or waited for."""

    pinned = False

    def __init__(self, asked):
        self.asked, self.under_way, self.received = asked, [], []
        self.sent = self.most = self.waits = 0

    def send(self, buffer):
        copy = Copy(self, buffer)
        self.under_way.append(copy)
        self.sent += 1
        self.most = max(self.most, len(self.under_way))
        return copy.images, copy

    def receive(self, images, copied):
        assert images is copied.images
        self.received.append(images)

    def finish(self):
        for copy in list(self.under_way):
            copy.land()


class Copy:
    def __init__(self, device, buffer):
        self.device, self.buffer, self.left = device, buffer, device.asked
        self.images = torch.zeros_like(buffer)

    def land(self):
        if self.buffer is not None:
            self.images.copy_(self.buffer)
            self.buffer = None
            self.device.under_way.remove(self)

    def query(self):
        self.left -= 1
        if self.left <= 0:
            self.land()
        return self.buffer is None

    def synchronize(self):
        self.device.waits += 1
        self.land()


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_on_the_cpu_a_mini_batch_is_read_without_a_warning(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_feed(data, [("intrinsic", 4)], CPU) as feed:
            images = next(feed)
    assert feed.kind == "read"
    assert_same(data, [("intrinsic", 4)], [images])


def test_a_mini_batch_outlives_feed_and_data_set(folder):
    expected = open_data_set(folder).minibatch("azimuth", 2).images.copy()
    with open_feed(open_data_set(folder), [("azimuth", 2)], CPU) as feed:
        images = next(feed)
    del feed
    np.testing.assert_array_equal(images.numpy(), expected)


def test_a_feed_gives_every_place_in_order_and_ends(data):
    places = shuffled(30)
    with open_feed(data, iter(places), CPU) as feed:
        assert_same(data, places, feed)
        assert next(feed, None) is None


def test_places_may_be_endless_and_are_drawn_lazily(data):
    drawn = []
    endless = (drawn.append(k) or EVERY[k % len(EVERY)] for k in count())
    with open_feed(data, endless, CPU) as feed:
        assert_same(data, EVERY[:4], islice(feed, 4))
    assert len(drawn) == 4


@pytest.mark.parametrize("asked", [1, 2, 5, 10**9])
def test_a_buffer_is_not_filled_again_before_its_copy_has_left_it(data, asked):
    places, device = shuffled(60), Slow(asked)
    tensors = list(Prefetch(data, places, device))
    device.finish()
    assert_same(data, places, tensors)
    assert all(a is b for a, b in zip(tensors, device.received, strict=True))
    assert device.most <= BUFFERS
    assert bool(device.waits) == (asked > BUFFERS)  # the host waits for copies only when it has no other buffer


@pytest.mark.parametrize("length", [0, 1, AHEAD, BUFFERS, BUFFERS + 1])
def test_places_may_be_fewer_than_the_ring_holds(data, length):
    places, device = shuffled(length), Slow(1)
    prefetch = Prefetch(data, places, device)
    tensors = list(prefetch)
    device.finish()
    assert_same(data, places, tensors)
    assert next(prefetch, None) is None
    prefetch.close()


def test_a_mini_batch_handed_out_is_never_touched_again(data):
    device = Slow(1)
    prefetch = Prefetch(data, (EVERY[k % len(EVERY)] for k in count()), device)
    first = next(prefetch)
    device.finish()
    kept = first.clone()
    list(islice(prefetch, 20))
    prefetch.close()
    assert torch.equal(first, kept)


def test_the_next_mini_batch_is_under_way_while_one_is_used(data):
    device = Slow(1)
    prefetch = Prefetch(data, (EVERY[k % len(EVERY)] for k in count()), device)
    deadline = time.monotonic() + 5
    while device.sent == len(device.received) and time.monotonic() < deadline:
        next(prefetch)
        time.sleep(0.005)  # the step
    assert len(device.received) < device.sent <= len(device.received) + AHEAD
    prefetch.close()


def test_only_so_much_is_read_ahead(data):
    drawn = []
    prefetch = Prefetch(data, (drawn.append(k) or EVERY[k % len(EVERY)] for k in count()), Slow(1))
    next(prefetch)
    time.sleep(0.1)
    assert len(drawn) <= 1 + AHEAD + BUFFERS + 1
    prefetch.close()


def test_closing_early_ends_the_thread(data):
    before = len(prefetch_threads())
    prefetch = Prefetch(data, (EVERY[k % len(EVERY)] for k in count()), Slow(3))
    next(prefetch)
    assert len(prefetch_threads()) == before + 1
    prefetch.close()
    assert len(prefetch_threads()) == before
    assert next(prefetch, None) is None
    prefetch.close()


def test_a_vanished_shard_is_named_after_the_mini_batches_before_it(tmp_path):
    folder = write_synthetic(tmp_path / "shards", size=18, counts={"azimuth": 2, "light": 2}, batch_size=2)
    data = open_data_set(folder)
    (folder / "light-train-00000.npz").unlink()
    prefetch = Prefetch(data, [("azimuth", 0), ("azimuth", 1), ("light", 0), ("azimuth", 0)], Slow(1))
    assert len([next(prefetch), next(prefetch)]) == 2
    with pytest.raises(ShardError, match=r"light-train-00000\.npz.*found no file"):
        next(prefetch)
    assert next(prefetch, None) is None
    prefetch.close()
    fresh = DataSet(folder, "train", data.manifest)
    with open_feed(fresh, [("light", 0)], CPU) as feed, pytest.raises(ShardError, match=r"light-train-00000\.npz"):
        next(feed)


def test_a_shard_that_changes_is_named_by_every_feed(tmp_path):
    folder = write_synthetic(tmp_path / "shards", size=18, counts={"light": 2}, batch_size=2)
    data = open_data_set(folder)
    with open_feed(data, [("light", 0)] * 2, CPU) as feed:
        next(feed)
        path = folder / "light-train-00000.npz"
        path.write_bytes(bytes(reversed(path.read_bytes())))
        prefetch = Prefetch(data, [("light", 0)], Slow(1))
        for each in (feed, prefetch):
            with pytest.raises(ShardError, match=r"light-train-00000\.npz"):
                next(each)


def test_what_goes_wrong_in_drawing_places_reaches_the_consumer(data):
    def places():
        yield EVERY[0]
        raise ZeroDivisionError("in the order")

    prefetch = Prefetch(data, places(), Slow(1))
    next(prefetch)
    with pytest.raises(ZeroDivisionError, match="in the order"):
        next(prefetch)
    prefetch.close()


def test_an_uploaded_data_set_holds_every_mini_batch_at_its_place(data, capsys):
    class Prompt(Slow):
        def receive(self, images, copied):
            copied.land()  # what is queued after it sees it whole

    held = upload(data, Prompt(1), CPU, progress=True)
    assert list(held) == list(data.factors)
    assert all(held[factor].is_contiguous() for factor in held)
    assert_same(data, EVERY, [held[factor][index] for factor, index in EVERY])
    assert sum(images.nbytes for images in held.values()) == resident_bytes(data)
    assert "images to cpu" in capsys.readouterr().err
    assert not prefetch_threads()
    with feeding.Feed("resident", feeding._resident(held, EVERY)) as feed:
        assert next(feed).data_ptr() == held["azimuth"].data_ptr()  # a view


def test_time_spent_waiting_for_input_is_counted(data):
    def places():
        time.sleep(0.05)
        yield EVERY[0]

    with open_feed(data, places(), CPU) as feed:
        assert feed.waited == 0
        next(feed)
        assert 0.05 <= feed.waited < 5
        waited = feed.waited
        time.sleep(0.02)
        assert feed.waited == waited


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("limit", "kind"), [(None, "resident"), (0, "prefetch")])
def test_on_cuda_mini_batches_arrive_whole_while_the_device_is_busy(data, limit, kind):
    device = torch.device("cuda")
    places, work = shuffled(400), torch.randn(1024, 1024, device=device)
    tensors = []
    with open_feed(data, places, device, limit, progress=False) as feed:
        assert feed.kind == kind
        for images in feed:
            work = work @ work / 32  # keeps the computing stream behind the copies
            tensors.append(images + 0)
    assert_same(data, places, [images.cpu() for images in tensors])
