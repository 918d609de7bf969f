"""Compressed gradients: probabilities counted in words, no bias, the bounds of the papers, wires and back."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numfmt
from numfmt.quantizers import (
    COMPRESSORS,
    NormedGradient,
    SignGradient,
    TernaryGradient,
    compression_statistics,
    qsgd,
    rises,
    sign_compression,
    terngrad,
)
from numfmt.quantizers.compression import _limit

RNG = np.random.default_rng(9)
with np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz") as _data:
    REAL = _data["gradient"]
HARD = {
    "real": REAL[:40],
    "normal": RNG.standard_normal((30, 50)),
    "heavy tails": RNG.standard_cauchy(2000),
    "one large": np.concatenate([[1000.0], RNG.uniform(-1, 1, 999)]),
    "mostly zero": np.where(RNG.uniform(size=3000) < 0.02, RNG.standard_normal(3000), 0.0),
    "equal sizes": np.where(RNG.uniform(size=500) < 0.5, -0.25, 0.25),
    "tiny": 1e-40 * RNG.standard_normal(600),
    "one": np.array([-3.7]),
    "zero": np.zeros(10),
}
SEEDS = range(400)


@pytest.mark.parametrize("fraction", [0.0, 2**-33, 2**-32, 1 / 3, 0.5, 1 - 2**-32, 1 - 2**-53, 1.0])
def test_exactly_so_many_words_round_up(fraction):
    """Words that round up are the largest ones: as many as floor(fraction 2**32)."""
    count = math.floor(Fraction(fraction) * 2**32)
    first = 2**32 - count
    words = [w for w in (0, first - 1, first, 2**32 - 1) if 0 <= w < 2**32]
    assert rises(np.full(len(words), fraction), np.array(words, np.uint32)).tolist() == [
        w >= first for w in words
    ]


def test_elements_take_words_in_c_order():
    g = np.full((6, 50), 0.25)
    g[0, 0] = 1.0
    words = numfmt.noise.words(5, 0, 300).reshape(6, 50).astype(np.uint64)
    expected = (words >= 3 * 2**30).astype(int)
    expected[0, 0] = 1
    assert terngrad(g, 5, clip=None).codes.tolist() == expected.tolist()
    assert terngrad(np.asfortranarray(g), 5, clip=None).codes.tolist() == expected.tolist()


STOCHASTIC = {
    "TernGrad": lambda g, seed: terngrad(g, seed, clip=None),
    "QSGD 1": lambda g, seed: qsgd(g, seed, levels=1),
    "QSGD 4": lambda g, seed: qsgd(g, seed, levels=4, bucket=128),
    "QSGD 255": lambda g, seed: qsgd(g, seed, levels=255, bucket=100),
}


def deviations(g, sent):
    """Of each element, from the formula: step sqrt(p (1 - p))."""
    if isinstance(sent, TernaryGradient):
        step = np.full(g.shape, sent.scale)
    else:
        step = np.repeat(sent.norms / sent.levels, sent.bucket)[: g.size].reshape(g.shape)
    p = np.abs(g) / np.where(step, step, 1) % 1
    return step * np.sqrt(p * (1 - p))


@pytest.mark.parametrize("method", STOCHASTIC)
@pytest.mark.parametrize("case", HARD)
def test_without_bias(case, method):
    """The mean over seeds, along fixed directions, lies within five of its deviations of the truth."""
    g = HARD[case].astype(float)
    sent = [STOCHASTIC[method](g, seed) for seed in SEEDS]
    mean, deviation = (
        np.mean([s.decode() for s in sent], axis=0),
        deviations(g, sent[0]) / math.sqrt(len(SEEDS)),
    )
    for direction in (g, np.sign(g), np.random.default_rng(1).standard_normal(g.shape)):
        bound = 5 * float(np.linalg.norm(deviation * direction)) + 1e-12 * float(np.abs(g * direction).sum())
        assert abs(float(((mean - g) * direction).sum())) <= bound


def test_without_bias_element_by_element():
    g = REAL[:8]
    decoded = np.stack([terngrad(g, seed, clip=None).decode() for seed in range(2000)])
    s = np.abs(g).max()
    p = np.abs(g) / s
    likely = (p > 0.05) & (p < 0.95)
    z = (decoded.mean(axis=0) - g)[likely] / (s * np.sqrt((p * (1 - p))[likely] / 2000))
    assert likely.sum() > 100
    assert abs((z * z).mean() - 1) < 5 * math.sqrt(2 / z.size)
    assert np.abs(z).max() < 5


def test_clipping_is_the_bias_of_terngrad():
    g = HARD["heavy tails"]
    clipped = np.clip(g, -2.5 * g.std(), 2.5 * g.std())
    for profile in ("paper", "code"):
        decoded = np.stack([terngrad(g, seed, profile=profile).decode() for seed in SEEDS])
        along = ((decoded - clipped) * np.sign(g)).sum(axis=1)
        assert abs(along.mean()) <= 5 * along.std(ddof=1) / math.sqrt(len(SEEDS))


def test_the_scale_of_each_profile():
    g = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 0.25])
    limit = 2.5 * g.std()
    assert limit > 3.0
    assert terngrad(g, 0).scale == 3.0
    assert terngrad(g, 0, profile="code").scale == pytest.approx(limit, rel=1e-6)
    assert terngrad(g, 0, profile="code", clip=None).scale == 3.0
    assert terngrad(g, 0, clip=0.5).scale == pytest.approx(limit / 5, rel=1e-6)
    assert terngrad(g, 0, scale=8.0).scale == 8.0


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-44, 3.4e38])
def test_the_scale_is_the_least_float32_from_the_largest_on(value):
    s = terngrad([value], 0, clip=None).scale
    assert float(np.float32(s)) == s >= value
    assert float(np.nextafter(np.float32(s), np.float32(0))) < value
    assert qsgd([value], 0).norms[0] == s


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 1000, 1001])
def test_the_wire_of_terngrad(n):
    g = np.random.default_rng(n).standard_normal(n)
    sent = terngrad(g, 1, clip=None)
    wire = sent.to_bytes()
    assert len(wire) == n // 4 + 1
    assert sent.bits == 8 * len(wire) + 32
    back = TernaryGradient.from_bytes(wire, sent.scale, g.shape)
    assert np.array_equal(back.codes, sent.codes)
    assert back.codes.dtype == np.int8


def test_the_quarters_of_terngrad_by_hand():
    """Twelve places: nine elements and the fill 0, 1, 2; byte k holds places k, k + 3, k + 6, k + 9."""
    codes = np.array([1, 0, -1, 1, 1, 0, -1, -1, 1], np.int8)
    two_bits = [2, 1, 0, 2, 2, 1, 0, 0, 2, 0, 1, 2]
    expected = [sum(two_bits[k + 3 * q] << 2 * q for q in range(4)) for k in range(3)]
    assert list(TernaryGradient(codes, 1.0).to_bytes()) == expected


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize(("levels", "bucket"), [(1, None), (4, 64), (16, 7), (300, 512)])
def test_the_wire_of_qsgd(case, levels, bucket):
    g = HARD[case]
    sent = qsgd(g, 2, levels=levels, bucket=bucket)
    wire = sent.to_bits()
    assert len(wire) == sent.bits
    back = NormedGradient.from_bits(wire, levels, sent.bucket, g.shape)
    assert np.array_equal(back.codes, sent.codes)
    assert np.array_equal(back.norms, sent.norms)
    assert np.array_equal(back.decode(), sent.decode())


def test_both_layouts_of_qsgd_are_chosen():
    chosen = {
        qsgd(HARD[c], 2, levels=s, bucket=64).to_bits()[0] for c in ("normal", "mostly zero") for s in (1, 16)
    }
    assert chosen == {"0", "1"}


@pytest.mark.parametrize("case", ["real", "normal", "heavy tails", "one large", "mostly zero", "equal sizes"])
@pytest.mark.parametrize("levels", [1, 4, 16, 64])
def test_the_variance_bound_of_qsgd(case, levels):
    """The bound of the paper, with the variance as the formula gives it, and as seeds show it."""
    g = HARD[case].reshape(-1).astype(float)
    norm = float(np.linalg.norm(g))
    place = np.abs(g) / norm * levels
    p = place - np.floor(place)
    exact = float((p * (1 - p)).sum()) * (norm / levels) ** 2
    bound = min(g.size / levels**2, math.sqrt(g.size) / levels) * norm**2
    assert exact <= bound
    seen = np.array([((qsgd(g, seed, levels=levels).decode() - g) ** 2).sum() for seed in range(100)])
    assert abs(seen.mean() - exact) <= 5 * seen.std(ddof=1) / 10 + 1e-6 * norm**2


def test_elements_of_qsgd_are_neighbouring_levels():
    g = HARD["normal"]
    sent = qsgd(g, 3, levels=7, bucket=100)
    assert (np.abs(sent.decode() - g) < np.repeat(sent.norms, 100).reshape(g.shape) / 7).all()
    assert np.array_equal(np.sign(sent.codes) * np.sign(g) >= 0, np.ones(g.shape, bool))


def test_numbers_near_the_ends_of_float32():
    assert qsgd([3e37, 4e37], 0, levels=5).codes.tolist() == [3, 4]
    with pytest.raises(ValueError, match="cannot hold"):
        qsgd([1e200, 1.0], 0)
    with pytest.raises(ValueError, match="cannot hold"):
        terngrad([1e39], 0, clip=None)


def test_signs():
    g = HARD["normal"]
    sent = sign_compression(g)
    assert sent.scale == np.float32(np.abs(g).mean())
    assert np.array_equal(sent.codes, np.where(g < 0, -1, 1))
    assert sent.bits == 1500 + 32
    back = SignGradient.from_bytes(sent.to_bytes(), sent.scale, g.shape)
    assert np.array_equal(back.codes, sent.codes)
    assert sign_compression([0.0, -0.0]).codes.tolist() == [1, 1]


@pytest.mark.parametrize("name", COMPRESSORS)
def test_same_seed_same_gradient(name):
    first, again, other = (COMPRESSORS[name](REAL, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.codes, again.codes)
    assert np.array_equal(first.codes, other.codes) == (name == "sign")


def test_statistics_of_the_real_gradient():
    rows = {row.method: row for row in compression_statistics(REAL[:64], seeds=range(16))}
    for name in (
        "TernGrad, not clipped",
        "QSGD s=1, bucket 512",
        "QSGD s=4, bucket 512",
        "QSGD s=16, bucket 512",
    ):
        assert rows[name].bias == pytest.approx(rows[name].by_chance, rel=0.2)
    for name in ("TernGrad", "TernGrad, code", "sign"):
        assert rows[name].bias > 1.2 * rows[name].by_chance
    assert rows["sign"].variance == 0.0
    assert rows["sign"].error == pytest.approx(
        1 - np.abs(REAL[:64]).sum(dtype=float) ** 2 / REAL[:64].size / (REAL[:64].astype(float) ** 2).sum(),
        rel=1e-6,
    )
    bits = [rows[name].bits for name in ("sign", "TernGrad")]
    assert bits == [1 + 32 / REAL[:64].size, 2 + 40 / REAL[:64].size]


def test_statistics_beside_numpy():
    g = HARD["normal"]
    (row,) = compression_statistics(g, {"QSGD": qsgd}, range(7))
    decoded = np.stack([qsgd(g, seed).decode() for seed in range(7)])
    norm = (g * g).sum()
    assert row.variance == pytest.approx(decoded.var(axis=0, ddof=1).sum() / norm, rel=1e-12)
    assert row.bias == pytest.approx(math.sqrt(((decoded.mean(axis=0) - g) ** 2).sum() / norm), rel=1e-12)
    assert row.error == pytest.approx(((decoded - g) ** 2).sum() / 7 / norm, rel=1e-12)
    assert row.by_chance == pytest.approx(math.sqrt(row.variance / 7), rel=1e-12)


def test_the_table_of_statistics():
    table = compression_statistics(HARD["normal"], {"QSGD": qsgd, "sign": sign_compression}, range(2))
    assert [row["method"] for row in table.to_dicts()] == ["QSGD", "sign"]
    assert "variance" in str(table)


@pytest.mark.parametrize("size", [-600, -1000, 60])
def test_clipping_does_not_depend_on_the_unit(size):
    """Squares of such gradients leave float64, or were near it."""
    g = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -3.0, 0.5])
    assert _limit(np.ldexp(g, size), 1.5) == math.ldexp(1.5 * g.std(), size)


BAD = [
    (lambda: terngrad([], 0), "without elements"),
    (lambda: qsgd([np.nan], 0), "element 0 of 1 is nan"),
    (lambda: sign_compression([np.inf]), "element 0 of 1 is inf"),
    (lambda: terngrad([0.5, 0.5], 0), "all 2 elements are 0.5"),
    (lambda: terngrad([0.5, 0.1], 0, clip=-1.0), "more than 0 standard deviations"),
    (lambda: terngrad([0.5, 0.1], 0, profile="tensorflow"), "paper, code, got 'tensorflow'"),
    (lambda: terngrad([0.5, 0.1], 0, clip=None, scale=0.25), "at least the largest magnitude 0.5"),
    (lambda: qsgd([0.5], 0, levels=0), "levels is an integer from 1 to 65535, got 0"),
    (lambda: qsgd([0.5], 0, bucket=0), "bucket is an integer from 1 on, got 0"),
    (lambda: qsgd([0.5], 0, levels=1.5), "from 1 to 65535, got 1.5"),
    (lambda: qsgd([0.5], 0, bucket=2.5), "from 1 on, got 2.5"),
    (lambda: NormedGradient.from_bits("0", 1, 0, (1,)), "bucket is an integer from 1 on, got 0"),
    (lambda: terngrad(np.full(1000, 0.1), 0), "all 1000 elements are 0.1"),  # a deviation of 1e-17 in float64
    (lambda: TernaryGradient.from_bytes(b"a", 1.0, (9,)), "sent in 3 bytes, got 1"),
    (lambda: SignGradient.from_bytes(b"a", 1.0, (9,)), "sent in 2 bytes, got 1"),
    (lambda: compression_statistics([0.0], seeds=range(3)), "not all 0"),
    (lambda: compression_statistics([1.0], seeds=[3]), "got 1 seeds"),
    (lambda: terngrad([1.0, 2.0], -1), "0 <= seed"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
