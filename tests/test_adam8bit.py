"""Steps of Adam with 8-bit states: element by element as the kernel's source reads, the library's CPU code, clipping."""

import math
from dataclasses import replace

import numpy as np
import pytest

import numfmt
from numfmt import adam8bit
from numfmt.blocks import BlockArray

F4 = np.float32
SIGNED, UNSIGNED = (F4(numfmt.parse(of).table) for of in ("dyn8", "dyn8u"))
OPTIONS = {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.02}


def searched(code, x):
    """csrc/kernels.cu, quantize_2D, which ends as dQuantize does."""
    pivot, lower, upper = 127, 0, 255
    for width in (64, 32, 16, 8, 4, 2, 1):
        if x > code[pivot]:
            lower, pivot = pivot, pivot + width
        else:
            upper, pivot = pivot, pivot - width
    if x > code[pivot]:
        return upper if x > (code[upper] + code[pivot]) * F4(0.5) else pivot
    return lower if x < (code[lower] + code[pivot]) * F4(0.5) else pivot


def kernel(p, g, c1, c2, absmax1, absmax2, t, lr, betas, eps, weight_decay):
    """csrc/kernels.cu, kOptimizerStatic8bit2StateBlockwise, for one block of flat arrays; p, codes and absmax change."""
    beta1, beta2, lr, eps, decay = map(F4, (*betas, lr, eps, weight_decay))
    correction1 = F4(1) - F4(float(beta1) ** t)
    correction2 = np.sqrt(F4(1) - F4(float(beta2) ** t))
    step_size = -lr * correction2 / correction1
    s1, s2 = np.zeros_like(g), np.zeros_like(g)
    for j in range(g.size):
        if math.isfinite(g[j]):
            s2[j] = UNSIGNED[c2[j]] * absmax2 * beta2 + (F4(1) - beta2) * g[j] * g[j]
            s1[j] = SIGNED[c1[j]] * absmax1 * beta1 + (F4(1) - beta1) * g[j]
            p[j] = p[j] + step_size * (s1[j] / (np.sqrt(s2[j]) + correction2 * eps))
            if decay > 0:
                p[j] = p[j] * (F4(1) - lr * decay)
    absmax1, absmax2 = np.abs(s1).max(), np.abs(s2).max()
    for j in range(g.size):
        c1[j], c2[j] = searched(SIGNED, s1[j] / absmax1), searched(UNSIGNED, s2[j] / absmax2)
        if np.signbit(SIGNED[c1[j]]) != np.signbit(s1[j]):
            c1[j] = (int(c1[j]) + (1 if s1[j] > 0 else -1)) % 256
    return absmax1, absmax2


def gradients(count, n, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        g = F4(rng.standard_normal(n) * 10.0 ** rng.integers(-6, 2, n))
        g[rng.random(n) < 0.05] = 0
        yield g


def test_the_kernel_element_by_element():
    """Blocks of 256, a shorter one, one of zeros; gradients that are not finite."""
    n = 256 * 3 + 40
    rng = np.random.default_rng(1)
    params = F4(rng.standard_normal(n))
    state = adam8bit.start(params)
    p, c1, c2 = params.copy(), np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    absmax = np.zeros((2, 4), F4)
    for t, g in enumerate(gradients(6, n), 1):
        g[256:512] = 0 if t < 3 else g[256:512]
        g[rng.integers(0, n, 4)] = [np.nan, np.inf, -np.inf, -0.0]
        with np.errstate(all="ignore"):
            for b in range(4):
                at = slice(b * 256, (b + 1) * 256)
                absmax[:, b] = kernel(p[at], g[at], c1[at], c2[at], *absmax[:, b], t, **OPTIONS)
        params, state = adam8bit.step(params, g, state, **OPTIONS)
        assert state.steps == t
        assert np.array_equal(params, p)
        assert np.array_equal(state.m.codes, c1)
        assert np.array_equal(state.v.codes, c2)
        assert np.array_equal(np.stack([state.m.scales, state.v.scales]), absmax)


def test_codes_of_m_keep_its_sign():
    g = np.zeros(256, F4)
    g[:4] = [1, -1e-9, 1e-9, -0.0]
    _, state = adam8bit.step(np.zeros(256, F4), g, adam8bit.start(g))
    assert state.m.codes[:5].tolist() == [255, 126, 127, 126, 127]
    _, state = adam8bit.step(np.zeros(256, F4), np.zeros(256, F4), adam8bit.start(g))
    assert set(state.m.codes.tolist()) == {255}  # NaN compares as less than all: 0, and 0 - 1 as a byte
    assert not state.m.decode().any()


def test_a_gradient_that_is_not_finite_changes_nothing_but_its_moments():
    params = np.full(4, 2, F4)
    _, state = adam8bit.step(params, np.ones(4), adam8bit.start(params))
    moved, state = adam8bit.step(params, F4([1, np.nan, np.inf, -np.inf]), state, weight_decay=0.1)
    assert moved[1:].tolist() == [2, 2, 2]
    assert moved[0] < 2
    assert state.v.decode()[1:].tolist() == [0, 0, 0]
    assert np.abs(state.m.decode()[1:]).tolist() == [0, 0, 0]


def test_weight_decay_comes_last_or_first():
    params, g = F4([1.0]), F4([1.0])
    first = F4(F4(1) * F4(1 - 0.5 * 0.5)) - F4(0.5)
    last = (F4(1) - F4(0.5)) * F4(1 - 0.5 * 0.5)
    for profile, wanted in (("bitsandbytes_cpu", first), ("bitsandbytes_cuda", last)):
        moved, _ = adam8bit.step(
            params, g, adam8bit.start(params, profile), lr=0.5, weight_decay=0.5, eps=0.0
        )
        assert moved[0] == pytest.approx(wanted, rel=1e-6)


def test_half_precision_is_rounded_where_the_kernel_stores_it():
    params = np.random.default_rng(2).standard_normal(64).astype(np.float16)
    g = F4(np.random.default_rng(3).standard_normal(64))
    moved, _ = adam8bit.step(params, g, adam8bit.start(params), lr=0.3)
    single, _ = adam8bit.step(params.astype(F4), g, adam8bit.start(params), lr=0.3)
    assert moved.dtype == np.float16
    assert np.array_equal(moved, single.astype(np.float16))
    decayed, _ = adam8bit.step(params, g, adam8bit.start(params), lr=0.3, weight_decay=0.1)
    factor = F4(1) - F4(0.3) * F4(0.1)
    assert np.array_equal(decayed, (moved.astype(F4) * factor).astype(np.float16))


# The library's CPU code


def test_the_library_on_a_cpu():
    """The same codes; largest magnitudes to an ulp, which fused operations may be off, parameters to two."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes", minversion="0.50")
    n = 256 * 17 + 100
    rng = np.random.default_rng(4)
    params = F4(rng.standard_normal(n))
    state, p = adam8bit.start(params, "bitsandbytes_cpu"), torch.from_numpy(params.copy())
    codes = [torch.zeros(n, dtype=torch.uint8) for _ in range(2)]
    absmax = [torch.zeros(-(-n // 256)) for _ in range(2)]
    maps = [torch.from_numpy(table) for table in (SIGNED, UNSIGNED)]
    for t, g in enumerate(gradients(6, n, 5), 1):
        torch.ops.bitsandbytes.optimizer_update_8bit_blockwise(
            "adam", torch.from_numpy(g), p, *codes, *OPTIONS["betas"], 0.0, 0.0, OPTIONS["eps"], t, OPTIONS["lr"],
            *maps, *absmax, OPTIONS["weight_decay"], 1.0, False,
        )  # fmt: skip
        found, state = adam8bit.step(params, g, state, **OPTIONS)
        held = zip((state.m, state.v), codes, absmax, strict=True)
        for array, theirs, scales in held:
            assert ulps(array.scales, scales.numpy()) <= 1
            assert (array.codes != theirs.numpy()).mean() < 1e-3
        assert ulps(found, p.numpy()) <= 2
        params = p.numpy().copy()  # go on from theirs
        state = replace(state, **{
            name: BlockArray(theirs.numpy().copy(), scales.numpy().copy(), None, array.format)
            for name, array, theirs, scales in zip("mv", (state.m, state.v), codes, absmax, strict=True)
        })  # fmt: skip


def ulps(a, b):
    """The most float32 numbers between two of the same sign."""
    same = np.sign(a) == np.sign(b)
    assert (same | (np.abs(a - b) < 1e-7)).all()
    return np.abs(a[same].view(np.int32) - b[same].view(np.int32)).max()


# Clipping


def test_the_ring_of_norms():
    norms, squares, ring = None, [], []
    for t in range(1, 205):
        g = np.full(4, float(t % 17 + 1))
        squares.append(F4(4 * (t % 17 + 1) ** 2))
        found = adam8bit.clip(g, norms, t, percentile=5)
        norms = found.norms
        ring = [squares[0]] * 100 if t == 1 else ring
        ring[t % 100] = squares[-1]
        assert norms.tolist() == ring
        limit = np.sqrt(F4(sorted(ring)[5]))
        assert found.limit == limit
        assert found.norm == np.sqrt(squares[-1])
        assert found.scale == (limit / F4(found.norm) if found.norm > limit else 1)


def test_a_clipped_step():
    params = np.ones(3, F4)
    _, state = adam8bit.step(params, [3, 4, 0], adam8bit.start(params), percentile=10)
    assert state.norms.tolist() == [25] * 100
    clipped, after = adam8bit.step(params, [300, 400, 0], state, percentile=10)
    plain, other = adam8bit.step(params, F4([300, 400, 0]) * F4(0.01), replace(state, norms=None))
    assert np.array_equal(clipped, plain)
    assert np.array_equal(after.v.decode(), other.v.decode())
    assert other.norms is None


# Whole runs


@pytest.mark.parametrize("profile", adam8bit.PROFILES)
def test_a_run_ends_where_float32_states_do(profile):
    """Least squares in 64 unknowns: the loss falls as with Adam in float64, but for a thousandth."""
    rng = np.random.default_rng(6)
    a, x = rng.standard_normal((256, 64)), rng.standard_normal(64)
    b = a @ x + 0.1 * rng.standard_normal(256)

    def loss_and_gradient(w):
        r = a @ w - b
        return float(r @ r) / 256, 2 * a.T @ r / 256

    w8, state = np.zeros(64, F4), adam8bit.start(np.zeros(64), profile)
    w64, m, v = np.zeros(64), np.zeros(64), np.zeros(64)
    for t in range(1, 401):
        w8, state = adam8bit.step(w8, loss_and_gradient(w8)[1], state, lr=0.02)
        g = loss_and_gradient(w64)[1]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w64 -= 0.02 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    first, wide, narrow = (loss_and_gradient(w)[0] for w in (np.zeros(64), w64, w8))
    assert abs(narrow - wide) < 1e-3 * first


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adam8bit.start(np.zeros(3), "bitsandbytes"), numfmt.SpecError, "profile"),
        (lambda: step_of(np.zeros(3), np.zeros(3)), TypeError, "params are float32 or float16, got float64"),
        (lambda: step_of(np.zeros(4, F4), np.zeros(4, F4)), ValueError, r"shapes \(4,\), \(4,\) and \(3,\)"),
        (
            lambda: step_of(np.zeros(3, F4), np.zeros((3, 1), F4)),
            ValueError,
            r"shapes \(3,\), \(3, 1\) and \(3,\)",
        ),
        (
            lambda: step_of(np.zeros(3, F4), np.zeros(3, complex)),
            TypeError,
            "grad takes .* real numbers, got one of complex",
        ),
        (lambda: step_of(np.zeros(3, F4), ["a"] * 3), TypeError, "grad takes an array of real numbers"),
        (lambda: adam8bit.start("abc"), TypeError, "params takes an array of real numbers"),
        (lambda: adam8bit.start(None), TypeError, "params takes an array of real numbers, got one of object"),
        (lambda: adam8bit.step(ONES, ONES, ONES), TypeError, "state is that of `start`.*got ndarray"),
        (lambda: step_with(lr=-1), ValueError, "lr= takes a finite number from 0 on, got -1"),
        (lambda: step_with(lr="1"), ValueError, "lr= takes a finite number from 0 on, got '1'"),
        (lambda: step_with(lr=math.nan), ValueError, "lr= takes a finite number"),
        (lambda: step_with(eps=-1e-8), ValueError, "eps= takes a finite number"),
        (lambda: step_with(weight_decay=math.inf), ValueError, "weight_decay= takes a finite number"),
        (lambda: step_with(betas=(0.9, 1.0)), ValueError, "betas= takes numbers from 0 on and below 1"),
        (lambda: step_with(betas=(0.9,)), ValueError, "betas= takes two numbers"),
        (lambda: step_with(betas=0.9), ValueError, "betas= takes two numbers, got 0.9"),
        (lambda: step_with(percentile=2.5), ValueError, "percentile= takes 0 to 99, got 2.5"),
        (lambda: step_with(percentile=True), ValueError, "percentile= takes 0 to 99, got True"),
        (lambda: adam8bit.clip([1.0], None, 1, 100), ValueError, "percentile= takes 0 to 99, got 100"),
        (lambda: adam8bit.clip([1.0], None, 0), ValueError, "step_number= counts from 1, got 0"),
        (lambda: adam8bit.clip([1.0], ONES, 2), ValueError, r"norms= takes 100 squared norms.*shape \(3,\)"),
    ],
)
def test_what_cannot_be_served(call, error, message):
    with pytest.raises(error, match=message):
        call()


ONES = np.ones(3, F4)


def step_with(**keywords):
    return adam8bit.step(ONES, ONES, adam8bit.start(ONES), **keywords)


def test_numbers_past_float32_are_infinite():
    """A gradient of which, as any that is not finite, moves nothing."""
    moved, state = adam8bit.step(ONES, [1e300, 1.0, -1e300], adam8bit.start(ONES))
    assert moved.tolist() == [1, F4(1) - F4(1e-3), 1]
    assert np.isfinite(state.v.decode()).all()
    assert adam8bit.clip([1e30] * 4, None, 1)[:3] == (math.inf, math.inf, 1.0)


def step_of(params, grad):
    return adam8bit.step(params, grad, adam8bit.start(np.zeros(3)))


def test_no_elements():
    params = np.zeros((0, 3), F4)
    moved, state = adam8bit.step(params, params, adam8bit.start(params))
    assert moved.shape == (0, 3)
    assert state.m.scales.shape == (0,)
