"""Observers: any split, any order of merging, the same bits; moving averages as PyTorch has them."""

import math
import pickle
from itertools import permutations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt
from numfmt.calibration import (
    ACIQ,
    KL,
    L2,
    METHODS,
    MSE,
    STREAMED,
    MinMax,
    MovingAverage,
    Percentile,
    observer,
    threshold,
)
from numfmt.calibration.methods import WHOLE

NUMBERS = st.floats(width=64, allow_subnormal=True) | st.integers(-100, 100).map(float) | st.just(-0.0)
BATCHES = st.lists(st.lists(NUMBERS, max_size=6), max_size=6)


def state(o):
    """All that an observer knows."""
    seen = vars(o.seen).copy()
    return {
        **seen,
        "bins": seen["bins"].tolist() if "bins" in seen else None,
        "signs": math.copysign(1, o.seen.low),
    }


def answers(o):
    found = []
    for ask in (o.threshold, o.range):
        for bits in (2, 8):
            try:
                found.append(ask(bits))
            except ValueError as error:
                found.append(str(error))
    return found


@given(BATCHES, st.randoms(use_true_random=False))
def test_any_split_and_order_gives_the_same_counts(batches, random):
    whole = observer("kl").update([v for batch in batches for v in batch])
    by_one = observer("kl")
    for batch in batches:
        by_one.update(batch)
    parts = [observer("kl").update(batch) for batch in batches]
    random.shuffle(parts)
    while len(parts) > 1:
        one, other = (parts.pop(random.randrange(len(parts))) for _ in range(2))
        parts.append(one.merge(other))
    merged = parts[0] if parts else observer("kl")
    assert state(by_one) == state(whole)
    assert state(merged) == state(whole)
    assert int(whole.seen.bins.sum()) + whole.seen.zeros == whole.count


def test_every_method_is_streamed_or_wants_the_whole_array():
    assert tuple(m for m in METHODS if m not in WHOLE) == STREAMED
    assert set(WHOLE) < set(METHODS)


@pytest.mark.parametrize("method", STREAMED)
def test_the_answers_too(method):
    rng = np.random.default_rng(4)
    batches = [rng.normal(size=300) * 10.0**e for e in (-3, 2, 0, 1)] + [np.zeros(3), [np.nan, np.inf], []]
    wanted = answers(observer(method).update(np.concatenate(batches)))
    for order in list(permutations(batches))[::1700]:
        merged = observer(method)
        for batch in order:
            merged.merge(observer(method).update(batch))
        assert answers(merged) == wanted


@given(st.lists(NUMBERS, min_size=1, max_size=30))
@settings(max_examples=200)
def test_each_element_is_in_its_bin(values):
    counts = observer("kl").update(values).seen
    w, finite = counts.width, [v for v in values if math.isfinite(v)]
    for v in finite:
        row, place = int(v < 0), math.floor(math.ldexp(abs(v), 12 - counts.exponent))
        assert v == 0 or counts.bins[row, place] > 0
    if counts.largest > 0:
        assert counts.largest / 2 < 2048 * w
        assert counts.largest >= 2048 * w or w == 2.0**-1074
    assert (counts.count, counts.ignored) == (len(finite), len(values) - len(finite))


@pytest.mark.parametrize("kind", [KL, MinMax])
@pytest.mark.parametrize("batches", list(permutations([[0.0], [-0.0], [0.0, -0.0]])))
def test_there_is_one_zero(kind, batches):
    o = kind()
    for batch in batches:
        o.update(batch)
    assert math.copysign(1, o.seen.low) == math.copysign(1, o.seen.high) == 1


def test_growing_joins_pairs():
    o = KL().update(np.arange(-4096.0, 4096) / 4096 + 0.5 / 4096)
    assert (o.seen.width, set(o.seen.bins.ravel().tolist())) == (2.0**-12, {1})
    o.update([3.0])
    assert o.seen.width == 2.0**-10
    assert o.seen.bins[0, :1025].tolist() == [4] * 1024 + [0]
    assert o.seen.bins[1, :1025].tolist() == [4] * 1024 + [0]
    o.update([2.0**40])
    assert o.seen.bins[:, 0].tolist() == [4097, 4096]


@pytest.mark.parametrize("method", STREAMED)
@pytest.mark.parametrize("bits", [4, 8])
def test_batches_give_nearly_what_the_array_gives(method, bits):
    x = np.random.default_rng(3).normal(size=200_000)
    streamed, whole = observer(method).update(x).threshold(bits), threshold(x, method, bits)
    if "kl" in method:  # a flat minimum, looked for in other bins
        assert streamed == pytest.approx(whole, rel=0.2)
    else:
        assert streamed == pytest.approx(whole, rel=0.02)


DTYPES = [
    np.float16,
    np.float32,
    np.float64,
    np.int8,
    np.int64,
    np.uint16,
    ml_dtypes.bfloat16,
    ml_dtypes.float8_e4m3fn,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_every_dtype_and_layout(dtype):
    x = np.array([[0, 1, 3], [5, 100, 7]]).astype(dtype)
    wanted = state(KL().update(x.astype(np.float64)))
    wide = np.repeat(x, 2, axis=1)[:, ::2]
    for same in (
        x,
        x[::-1],
        np.asfortranarray(x),
        wide,
        x.ravel(),
        list(x),
        x.astype(x.dtype.newbyteorder()),
    ):
        assert state(KL().update(same)) == wanted
    one = KL()
    for v in x.ravel():
        one.update(np.array(v))  # 0-d
    assert state(one) == wanted


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.5, -3.0], dtype=torch.bfloat16, requires_grad=True)
    assert state(KL().update(x)) == state(KL().update([0.5, -3.0]))


@pytest.mark.parametrize("method", STREAMED)
def test_an_empty_batch_changes_nothing(method):
    o = observer(method).update([1.0, 2.0])
    before = state(o)
    assert state(o.update([]).update(np.zeros((0, 3))).merge(observer(method))) == before


@pytest.mark.parametrize("method", STREAMED)
@pytest.mark.parametrize("batch", [[], [np.nan], [np.inf, -np.inf]])
def test_nothing_seen(method, batch):
    o = observer(method).update(batch)
    assert (o.count, o.ignored) == (0, len(batch))
    for ask in (o.threshold, o.range, lambda: getattr(o, "histogram", None) or o.range()):
        with pytest.raises(ValueError, match="no finite element"):
            ask()
    with pytest.raises(ValueError, match="no finite element"):
        threshold(batch, method)


@pytest.mark.parametrize("method", STREAMED)
def test_specials_are_left_out_and_counted(method):
    x = np.random.default_rng(0).normal(size=1000)
    y = np.concatenate((x[:500], [np.nan, np.inf], x[500:], [-np.inf]))
    one, other = observer(method).update(y), observer(method).update(x)
    assert (one.ignored, one.count) == (3, 1000)
    assert answers(one) == answers(other)
    assert threshold(y, method) == threshold(x, method)


@pytest.mark.parametrize("method", STREAMED)
@pytest.mark.parametrize("value", [3.0, -0.1, 5e-324, 1e-310, 1.7e308, -1.7e308])
@pytest.mark.parametrize("count", [1, 5])
def test_one_value(method, value, count):
    x = [value] * count
    for t in (observer(method).update(x).threshold(), threshold(x, method)):
        assert 0 < t <= abs(value)
        assert t >= abs(value) * 0.99 or abs(value) < 1e-300 or method == "kl_ncnn"  # all its D are alike


@pytest.mark.parametrize("method", STREAMED)
def test_all_zeros(method):
    o = observer(method).update(np.zeros(7)).update([-0.0])
    assert (o.threshold(), threshold(np.zeros(3), method), o.range()) == (0.0, 0.0, (0.0, 0.0))
    assert numfmt.calibration.scale(o.threshold()) == 1.0


@pytest.mark.parametrize("method", STREAMED)
def test_numbers_of_every_size(method):
    x = np.array([1e-300, 5e-324, 1e300, -1.5e308, 1.0, 0.0])
    for t in (observer(method).update(x).threshold(), threshold(x, method)):
        assert 0 < t <= 1.5e308


def test_ranges():
    x = np.random.default_rng(0).gamma(2, size=10_000) - 0.5
    assert MinMax().update(x).range() == (x.min(), x.max())
    t = Percentile(percentile=99).update(x).threshold()
    assert Percentile(percentile=99).update(x).range() == (x.min(), t)
    low, high = L2().update(x).range(4)
    assert x.min() <= low < high < x.max()
    assert L2().update(x).threshold(4) == max(-low, high)


def test_a_percentile_is_within_a_bin_of_the_elements():
    x = np.random.default_rng(0).normal(size=100_000)
    for p in (1, 50, 99, 99.99, 100):
        o = Percentile(percentile=p).update(x)
        assert abs(o.threshold() - np.percentile(abs(x), p)) < 2 * o.histogram.width


def test_merging_takes_the_same_kind():
    for one, other in [
        (KL(), MSE()),
        (KL(), KL("kl_ncnn")),
        (Percentile(), Percentile(percentile=99)),
        (ACIQ(), ACIQ(signed=False)),
        (MinMax(), None),
    ]:
        with pytest.raises(TypeError, match=r"cannot merge .* same method and options"):
            one.merge(other)


def test_merging_with_itself_doubles():
    o = KL().update([1.0, 0.0, np.nan])
    assert state(o.merge(o)) == state(KL().update([1.0, 0.0, np.nan] * 2))


def test_observers_can_be_sent_to_another_process():
    o = KL("kl_ncnn").update([1.0, -2.0])
    assert state(pickle.loads(pickle.dumps(o))) == state(o)


def test_what_cannot_be_observed_changes_nothing():
    o = KL().update([1.0])
    before = state(o)
    for bad in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError, match="expected real numbers"):
            o.update(bad)
    assert state(o) == before


@pytest.mark.parametrize("constant", [0.01, 0.5, 1.0])
def test_moving_average_is_that_of_pytorch(constant):
    torch = pytest.importorskip("torch")
    theirs = torch.ao.quantization.MovingAverageMinMaxObserver(
        averaging_constant=constant, factory_kwargs={"dtype": torch.float64}
    )
    mine, rng = MovingAverage(constant), np.random.default_rng(1)
    for _ in range(20):
        batch = rng.normal(rng.normal(), 2, 50)
        theirs(torch.from_numpy(batch))
        low, high = mine.update(batch).range()
        assert (low, high) == (float(theirs.min_val), float(theirs.max_val))
        assert mine.threshold() == max(-low, high)


def test_moving_average_is_a_sequence():
    one = MovingAverage().update([1.0]).update([]).update([np.nan]).update([np.inf, 3.0])
    assert (one.range(), one.count, one.ignored) == ((1.02, 1.02), 2, 2)
    with pytest.raises(TypeError, match="order of its batches"):
        one.merge(MovingAverage())
    with pytest.raises(ValueError, match="no finite element"):
        MovingAverage().update([np.nan]).range()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: observer("kll"), numfmt.SpecError, "Did you mean 'kl'"),
        (lambda: KL("mse"), numfmt.SpecError, "unknown method 'mse'. Choose one of: kl,"),
        (lambda: KL().update([1.0]).threshold(1), ValueError, "from 2 to 16, got 1"),
        (lambda: KL().update([1.0]).threshold(8.5), ValueError, "got 8.5"),
        (lambda: Percentile(percentile=0), ValueError, "above 0 and at most 100"),
        (lambda: Percentile(percentile=101), ValueError, "got 101"),
        (lambda: MovingAverage(0), ValueError, "above 0 and at most 1"),
        (lambda: MovingAverage().update([1.0]).range(0), ValueError, "from 2 to 16"),
        (lambda: KL(signed=False).update([-1.0]).threshold(), ValueError, "takes no negative elements"),
    ],
)
def test_bad_requests(call, error, text):
    with pytest.raises(error, match=text):
        call()
