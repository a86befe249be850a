"""The stages together: order, errors, threads, memory."""

import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from vidgan.frame import Frame
from vidgan.pipeline import background, stylize
from vidgan.temporal.meter import SteadinessMeter
from vidgan.temporal.smoother import Smoother
from vidgan.temporal.still import StillDetector

TIME_BASE = Fraction(1, 25)


def frames(count, *, fail_at=None):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
    for index in range(count):
        if index == fail_at:
            raise RuntimeError("the source broke")
        yield Frame(image=np.roll(picture, index, axis=1), pts=index * 3, time_base=TIME_BASE)


def tensors(frames):
    """The same frames as tensors."""
    torch = pytest.importorskip("torch")
    for frame in frames:
        yield replace(frame, image=torch.from_numpy(frame.image.copy()))


def picture_smoother():
    pytest.importorskip("kornia")
    from vidgan.temporal.smoother_tensor import PictureSmoother

    return PictureSmoother()


class Inverse:
    """A stylizer that inverts pictures, slowly and out of order."""

    depth = 3

    def __init__(self, *, fail_at=None):
        self.count = self.in_flight = self.most_in_flight = 0
        self.fail_at = fail_at
        self.lock = threading.Lock()

    def submit(self, image):
        index, self.count = self.count, self.count + 1
        future = Future()
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

        def work():
            time.sleep(0.004 if index % 2 else 0.001)
            with self.lock:
                self.in_flight -= 1
            if index == self.fail_at:
                future.set_exception(RuntimeError("the network broke"))
            else:
                future.set_result(255 - image)

        threading.Thread(target=work).start()
        return future


class BrokenSmoother(Smoother):
    def __call__(self, styled, motion):
        raise RuntimeError("the smoother broke")


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and set(threading.enumerate()) - before:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()


def test_frames_come_in_order_with_their_own_times():
    source = list(frames(20))
    result = list(stylize(iter(source), Inverse()))
    assert [frame.pts for frame in result] == [frame.pts for frame in source]
    assert all(np.array_equal(255 - a.image, b.image) for a, b in zip(source, result, strict=True))


def test_few_frames_are_in_flight():
    stylizer = Inverse()
    taken = 0
    for _ in stylize(frames(60), stylizer):
        taken += 1
        assert stylizer.count - taken <= 4 + 2 * stylizer.depth
    assert taken == 60


def test_no_frames_give_no_frames():
    assert list(stylize(iter(()), Inverse(), Smoother())) == []


def test_compare_puts_the_source_at_the_left():
    first = next(frames(1))
    (result,) = stylize(iter([first]), Inverse(), compare=True)
    assert np.array_equal(result.image, np.hstack((first.image, 255 - first.image)))


def test_a_meter_sees_source_per_frame_result_and_result():
    meter = SteadinessMeter(every=1)
    list(stylize(frames(6), Inverse(), Smoother(), meter=meter))
    report = meter.report()
    assert report.pairs == 5
    assert report.per_frame_error == pytest.approx(report.source_error, rel=0.01)  # inverting moves nothing
    assert report.result_error != report.per_frame_error


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"source": frames(10, fail_at=4)}, "the source broke"),
        ({"stylizer": Inverse(fail_at=4)}, "the network broke"),
        ({"smoother": BrokenSmoother()}, "the smoother broke"),
        ({"source": iter([next(frames(1)), Frame(image=np.zeros((2, 2), np.uint8), pts=1, time_base=TIME_BASE)])},
         r"expected \(H, W, 3\)"),
    ],
    ids=["decode", "network", "smooth", "motion"],
)  # fmt: skip
def test_an_error_in_any_stage_ends_the_run_with_its_own_traceback(broken, message):
    with pytest.raises((RuntimeError, ValueError), match=message) as caught:
        list(
            stylize(
                broken.get("source", frames(10)), broken.get("stylizer", Inverse()), broken.get("smoother", Smoother())
            )
        )
    names = [entry.name for entry in caught.traceback]
    assert len(names) > 2


def test_an_error_of_the_consumer_ends_every_stage():
    def consume():
        for _ in stylize(frames(50), Inverse(), Smoother()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()


def test_the_traceback_reaches_into_the_broken_stage():
    with pytest.raises(RuntimeError) as caught:
        list(background(frames(3, fail_at=1)))
    assert caught.traceback[-1].name == "frames"


def test_background_runs_ahead_only_so_far():
    made = []

    def items():
        for index in range(100):
            made.append(index)
            yield index

    ahead = background(items(), length=2)
    assert next(ahead) == 0
    time.sleep(0.3)
    assert len(made) <= 5
    ahead.close()


def test_closing_closes_the_iterator_in_its_thread():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    ahead = background(items())
    next(ahead)
    ahead.close()
    assert closed.wait(2)


def with_stretches(pictures, lengths):
    """Each picture shown as often as `lengths` says, with a little noise that counts as still."""
    rng = np.random.default_rng(0)
    pts = 0
    for picture, length in zip(pictures, lengths, strict=True):
        for number in range(length):
            noise = rng.integers(-1, 2, picture.shape) if number else 0
            image = (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)
            yield Frame(image=image, pts=pts, time_base=TIME_BASE)
            pts += 7


def test_still_frames_get_the_last_result_with_their_own_time():
    pictures = [frame.image for frame in frames(5)]
    lengths = (3, 1, 4, 1, 2)
    stylizer, detector = Inverse(), StillDetector()
    result = list(stylize(with_stretches(pictures, lengths), stylizer, Smoother(), still=detector))
    assert [frame.pts for frame in result] == [7 * n for n in range(sum(lengths))]
    assert stylizer.count == 5
    assert detector.num_still == 6
    # To motion and smoothing the film is the five pictures alone.
    alone = [frame.image for frame in stylize(frames(5), Inverse(), Smoother())]
    expected = [image for image, length in zip(alone, lengths, strict=True) for _ in range(length)]
    assert all(np.array_equal(frame.image, image) for frame, image in zip(result, expected, strict=True))


def test_the_pictures_of_the_test_are_smoothed():
    """What makes the comparison above say something: smoothing changes these pictures."""
    first, *rest = (frame.image for frame in stylize(frames(5), Inverse(), Smoother()))
    assert np.array_equal(first, 255 - next(frames(1)).image)
    assert not any(np.array_equal(image, 255 - f.image) for image, f in zip(rest, list(frames(5))[1:], strict=True))


def test_without_a_detector_every_frame_is_restyled():
    stylizer = Inverse()
    shown = list(with_stretches([next(frames(1)).image], [5]))
    result = list(stylize(iter(shown), stylizer))
    assert stylizer.count == 5
    assert all(np.array_equal(255 - a.image, b.image) for a, b in zip(shown, result, strict=True))


def test_compare_shows_the_still_frame_itself():
    shown = list(with_stretches([next(frames(1)).image], [3]))
    result = list(stylize(iter(shown), Inverse(), compare=True, still=StillDetector()))
    assert not np.array_equal(shown[0].image, shown[2].image)
    for before, after in zip(shown, result, strict=True):
        assert np.array_equal(after.image, np.hstack((before.image, 255 - shown[0].image)))


def test_a_meter_sees_still_frames_too():
    meter = SteadinessMeter(every=1)
    pictures = [frame.image for frame in frames(2)]
    list(stylize(with_stretches(pictures, [3, 3]), Inverse(), Smoother(), meter=meter, still=StillDetector()))
    assert meter.report().pairs == 5


def test_a_detector_that_has_seen_another_film_starts_anew():
    detector = StillDetector()
    for _ in range(2):
        (result,) = stylize(frames(1), Inverse(), still=detector)
        assert np.array_equal(result.image, 255 - next(frames(1)).image)


def test_tensors_go_the_way_of_arrays():
    """Motion, network, smoothing, stillness, measuring and the picture beside it: all as with arrays."""
    pictures = [frame.image for frame in frames(4)]
    results = {}
    for kind, smoother in (("arrays", Smoother()), ("tensors", picture_smoother())):
        source = with_stretches(pictures, (2, 1, 3, 1))
        meter, still = SteadinessMeter(every=1), StillDetector()
        shown = source if kind == "arrays" else tensors(source)
        styled = list(stylize(shown, Inverse(), smoother, meter=meter, still=still, compare=True))
        results[kind] = styled, meter.report(), still.num_still
    arrays, on_tensors = results["arrays"], results["tensors"]
    assert on_tensors[2] == arrays[2] == 3
    assert on_tensors[1].pairs == arrays[1].pairs == 6
    assert on_tensors[1].result_error == pytest.approx(arrays[1].result_error, rel=0.01)
    for a, b in zip(arrays[0], on_tensors[0], strict=True):
        assert (a.pts, a.time_base) == (b.pts, b.time_base)
        assert b.image.shape == (48, 128, 3)
        # float32 in another order of adding, then rounded; the source at the left is untouched.
        np.testing.assert_allclose(b.image.numpy().astype(int), a.image, rtol=0, atol=1)
        np.testing.assert_array_equal(b.image[:, :64], a.image[:, :64])


@pytest.mark.parametrize("broken", ["source", "network", "smoother", "motion", "flow"])
def test_an_error_in_any_stage_ends_a_run_on_tensors(broken):
    def fail(luma, previous):
        raise RuntimeError("the flow broke")

    source = tensors(frames(10, fail_at=4 if broken == "source" else None))
    if broken == "motion":
        first = next(source)
        source = iter([first, replace(first, image=first.image[..., 0])])
    smoother = BrokenSmoother() if broken == "smoother" else picture_smoother()
    stylizer = Inverse(fail_at=4 if broken == "network" else None)
    message = r"expected \(H, W, 3\)" if broken == "motion" else f"the {broken} broke"
    with pytest.raises((RuntimeError, ValueError), match=message):
        list(stylize(source, stylizer, smoother, flow=fail if broken == "flow" else None))


def test_another_flow_takes_the_place_of_dis():
    shapes = []

    def flow(luma, previous):
        shapes.append((luma.shape, previous.shape))
        return np.zeros((*luma.shape, 2), np.float32)

    list(stylize(frames(3), Inverse(), Smoother(), flow=flow))
    assert shapes[0] == ((48, 64), (48, 64))
