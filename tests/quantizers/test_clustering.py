"""k-means, Lloyd-Max and the optimum against all partitions, plain loops and exact sums."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from numfmt.quantizers import kmeans, lloyd_max, optimal_levels
from numfmt.quantizers.ordered import Ordered, ordered

W0 = (0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0)
LEARNERS = {"kmeans": kmeans, "lloyd_max": lloyd_max, "optimal_levels": optimal_levels}
WAYS = {
    "linear": lambda x, k: kmeans(x, k),
    "density": lambda x, k: kmeans(x, k, init="density"),
    "random": lambda x, k: kmeans(x, k, init="random", seed=7),
    "lloyd_max": lloyd_max,
    "optimal": optimal_levels,
}
ways = pytest.mark.parametrize("way", WAYS)


def least_error(x, k):
    """Of all ways to cut the numbers, in rising order, into k runs."""
    x = sorted(map(Fraction, x))
    return min(
        sum(about_mean(x[i:j]) for i, j in itertools.pairwise((0, *cuts, len(x))))
        for cuts in itertools.combinations(range(1, len(x)), k - 1)
    )


def about_mean(run):
    mean = sum(run) / len(run)
    return sum((v - mean) ** 2 for v in run)


def plain_kmeans(x, levels):
    """Lloyd's alternation in fractions: the nearest level, a tie to the lower, until nothing changes."""
    x, levels, codes = [Fraction(v) for v in x], [Fraction(v) for v in levels], None
    while True:
        new = [min(range(len(levels)), key=lambda i: (abs(v - levels[i]), i)) for v in x]
        if new == codes:
            return levels, [new.count(i) for i in range(len(levels))]
        codes = new
        for i in set(codes):
            members = [v for v, code in zip(x, codes, strict=True) if code == i]
            levels[i] = sum(members) / len(members)


def small_cases():
    rng = np.random.default_rng(11)
    for digits in (0, 1, 3):
        for n in range(2, 10):
            x = (rng.normal(size=n) * 4).round(digits)
            for k in range(2, len(set(x.tolist())) + 1):
                yield x, k


def test_the_optimum_is_that_of_all_partitions():
    for x, k in small_cases():
        found = optimal_levels(x, k)
        assert found.mse * x.size == pytest.approx(float(least_error(x, k)), rel=1e-6, abs=1e-11)


def test_the_optimum_bears_numbers_far_from_zero():
    x = np.sort(np.random.default_rng(3).choice(1 << 12, 1000, replace=False)) * 0.7
    near, far = optimal_levels(x, 400), optimal_levels(x + (1 << 22), 400)
    runs = np.split(x, np.cumsum(far.counts)[:-1])
    assert float(sum(about_mean(list(map(Fraction, run.tolist()))) for run in runs)) == pytest.approx(
        near.mse * x.size
    )


@ways
def test_no_way_beats_the_optimum(way):
    rng = np.random.default_rng(2)
    for x in (
        rng.normal(size=300),
        rng.laplace(size=301),
        rng.integers(0, 40, 500),
        rng.normal(size=64) ** 5,
    ):
        for k in (2, 3, 8, 19):
            least, found = optimal_levels(x, k), WAYS[way](x, k)
            assert least.mse <= found.mse * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("law", ["normal", "laplace"])
def test_lloyd_max_comes_near_to_the_optimum(law):
    x = getattr(np.random.default_rng(1), law)(size=20_000)
    for k in (2, 4, 16, 64):
        assert lloyd_max(x, k).mse <= 1.05 * optimal_levels(x, k).mse


def test_kmeans_is_the_plain_alternation():
    for x, k in small_cases():
        levels, counts = plain_kmeans(x, np.linspace(x.min(), x.max(), k))
        found = kmeans(x, k)
        assert found.converged
        assert found.counts.tolist() == counts
        assert found.levels.values == pytest.approx([float(v) for v in levels], rel=1e-7, abs=1e-15)


def test_kmeans_is_that_of_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    x = np.random.default_rng(21).laplace(size=3000)
    start = np.sort(x)[(2 * np.arange(11) + 1) * 3000 // 22, None]
    peer = cluster.KMeans(11, init=start, n_init=1, max_iter=1000, tol=0).fit(x[:, None])
    found = kmeans(x, 11, init="density")
    assert found.levels.values == pytest.approx(peer.cluster_centers_.ravel(), abs=1e-6)
    assert found.mse == pytest.approx(peer.inertia_ / x.size, rel=1e-6)


def test_published_examples():
    assert kmeans(W0, 4).levels.values == pytest.approx([-0.7, -0.002428571, 0.411666667, 0.9], abs=3e-8)
    shared = kmeans([[1.2, 1.3, 6.1], [0.9, 0.7, 6.9], [-1.0, -0.9, 1.0]], 3)
    assert shared.levels.values == pytest.approx([-0.95, 1.02, 6.5], abs=1e-6)


def test_where_the_search_starts():
    """At 0, 4, 8, 12, of which 8 is nobody's nearest; at the numbers in places 0, 1, 3 and 4 of five."""
    first = {init: kmeans([0, 1, 2, 3, 12], 4, init=init, iterations=1) for init in ("linear", "density")}
    assert first["linear"].levels.values.tolist() == [1.0, 3.0, 8.0, 12.0]
    assert first["density"].levels.values.tolist() == [0.0, 1.5, 3.0, 12.0]


def test_an_empty_centroid_stays():
    found = kmeans([0.0, 0.0, 0.5, 10.0], 3)
    assert found.levels.values.tolist() == [np.float32(0.5 / 3), 5.0, 10.0]
    assert found.counts.tolist() == [3, 0, 1]


def test_a_tie_is_the_lower_ones():
    assert kmeans([0.0, 1.0, 2.0], 2, iterations=1).counts.tolist() == [2, 1]
    found = lloyd_max([0.0, 2.0, 2.0, 4.0], 3)
    assert found.levels.codes([1.0, 3.0]).tolist() == [0, 1]


@ways
def test_counts_and_error_are_those_of_the_levels(way):
    rng = np.random.default_rng(3)
    for x in (
        rng.normal(size=5000).astype(np.float32),
        rng.integers(-9, 9, 4000) / 8,
        rng.normal(size=999) + 1e6,
    ):
        found = WAYS[way](x, 9)
        codes = found.levels.codes(x)
        assert found.counts.tolist() == np.bincount(codes, minlength=9).tolist()
        pairs = zip(x.tolist(), found.levels.quantized(x).tolist(), strict=True)
        exact = sum((Fraction(v) - Fraction(level)) ** 2 for v, level in pairs)
        assert found.mse == pytest.approx(float(exact / x.size), rel=1e-12)
        assert (found.levels.values == found.levels.values.astype(np.float32)).all()
        assert (found.levels.numbers, found.levels.ties) == (9, "down")


def hard_numbers():
    """Far from 0, of mixed size, and of sizes that swamp each other in one sum."""
    rng = np.random.default_rng(4)
    yield rng.normal(size=3000) + 1e7
    yield rng.normal(size=3001) * 10.0 ** rng.integers(-30, 30, 3001)
    yield np.concatenate([[-1e30] * 700, np.arange(1, 900) * 1e-30, [1e30] * 300])


@pytest.mark.parametrize("block", [1, 2, 8, 64, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_and_errors_of_runs_are_exact_but_for_their_last_digits(block, dtype):
    for x in hard_numbers():
        numbers = np.sort(x.astype(dtype))
        data, n = Ordered(numbers, block), numbers.size
        cuts = np.array([0, 0, 1, 5, 64, 64, 128, 700, 1024, 1200, n - 1, n])
        levels = np.linspace(numbers[0], numbers[-1], cuts.size - 1, dtype=np.float64)
        runs = [[Fraction(float(v)) for v in numbers[i:j]] for i, j in itertools.pairwise(cuts)]
        for run, total in zip(runs, data.run_sums(cuts), strict=True):
            assert abs(Fraction(float(total)) - sum(run)) <= Fraction(1, 1 << 48) * sum(map(abs, run))
        pairs = zip(runs, levels.tolist(), strict=True)
        exact = sum((v - Fraction(level)) ** 2 for run, level in pairs for v in run)
        assert data.squared_errors(cuts, levels) == pytest.approx(float(exact), rel=1e-11)


def test_a_cluster_of_small_numbers_keeps_its_mean():
    found = kmeans([-1e30] * 40 + [1e-30] * 50 + [1e30] * 60, 3)
    assert found.levels.values.tolist() == np.float32([-1e30, 1e-30, 1e30]).astype(float).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cuts_are_exact_at_ties_and_one_ulp_beside(dtype):
    """Levels of float32, whose middles float64 holds, and float32 mostly does not."""
    levels = np.sort(np.random.default_rng(5).normal(size=40).astype(np.float32)).astype(np.float64)
    middles = [(Fraction(a) + Fraction(b)) / 2 for a, b in itertools.pairwise(levels)]
    near = np.array(middles, np.float64).astype(dtype)
    x = np.sort(np.concatenate([near, np.nextafter(near, dtype(9)), np.nextafter(near, dtype(-9))]))
    wanted = [sum(Fraction(float(v)) <= middle for v in x) for middle in middles]
    assert Ordered(x, 8).cuts(levels).tolist() == [0, *wanted, x.size]


def same(a, b):
    return all(
        np.array_equal(p, q)
        for p, q in zip((a.levels.values, *a[1:]), (b.levels.values, *b[1:]), strict=True)
    )


@ways
def test_order_layout_and_width_do_not_matter(way):
    x = np.random.default_rng(5).normal(size=(60, 50)).astype(np.float32)
    found = WAYS[way](x, 6)
    for other in (
        x.T,
        x[::-1, ::-1],
        np.asfortranarray(x),
        x.astype(np.float64),
        x.astype(">f4"),
        x.tolist(),
    ):
        assert same(WAYS[way](other, 6), found)
    spread = np.full((120, 100), np.nan)
    spread[::2, ::2] = x
    assert same(WAYS[way](spread[::2, ::2], 6), found)
    wide = np.random.default_rng(5).normal(size=(60, 50))
    assert same(WAYS[way](wide.T, 6), WAYS[way](wide, 6))


@pytest.mark.parametrize("way", ["linear", "lloyd_max"])
def test_threads_do_not_matter(way, monkeypatch):
    x = np.random.default_rng(6).normal(size=3_000_001).astype(np.float32)
    found = []
    for threads in "123":
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        found.append(WAYS[way](x, 16))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_the_data_stay_as_they_are():
    x = np.array([3.0, 1.0, 2.0])
    kmeans(x, 2)
    assert x.tolist() == [3.0, 1.0, 2.0]


def test_random_starts_are_a_function_of_the_seed():
    x = np.random.default_rng(8).normal(size=1000)
    found = [kmeans(x, 12, init="random", seed=seed, iterations=1) for seed in (1, 1, 2, 1 << 63)]
    assert same(found[0], found[1])
    assert len({tuple(f.levels.values) for f in found}) == 3


@pytest.mark.parametrize("seed", range(20))
def test_starts_from_the_data_are_different_numbers(seed):
    """Most elements are twins, and one start needs every number there is."""
    x = np.concatenate([np.zeros(500), np.ones(500), np.arange(2, 9), [-1.0]])
    for k in (2, 3, 7, 10):
        for found in (kmeans(x, k, init="random", seed=seed), kmeans(x, k, init="density"), lloyd_max(x, k)):
            assert (found.counts > 0).all()
    assert kmeans(x, 10, init="random", seed=seed).mse == 0


@ways
def test_as_many_levels_as_numbers_cost_nothing(way):
    x = [4.0, -1.0, 4.0, 0.5, 2.0, 0.5]
    found = WAYS[way](x, 4)
    if way != "linear":
        assert (found.levels.values.tolist(), found.mse) == ([-1.0, 0.5, 2.0, 4.0], 0.0)


def test_a_bound_of_iterations_is_told():
    x = np.random.default_rng(9).normal(size=4000)
    short, whole = kmeans(x, 16, iterations=3), kmeans(x, 16)
    assert (short.iterations, short.converged) == (3, False)
    assert whole.converged
    assert kmeans(x, 16, iterations=whole.iterations - 1).converged is False
    assert lloyd_max(x, 16, iterations=2)[2::2] == (2, False)
    assert lloyd_max(x, 16, tolerance=1e-3).iterations < lloyd_max(x, 16, tolerance=1e-9).iterations


def test_the_optimum_of_many_numbers_is_refused():
    with pytest.raises(
        ValueError, match=r"up to 131072 different numbers for 256 levels, got 140000.*lloyd_max"
    ):
        optimal_levels(np.arange(140_000), 256)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("x", "k", "error"),
    [
        ([], 2, "without elements"),
        ([1.0, np.nan, 2.0], 2, "element 1 of 3 is nan"),
        ([[1.0, 2.0], [3.0, np.inf]], 2, "element 3 of 4 is inf"),
        ([1.0, -np.inf], 2, "element 1 of 2 is -inf"),
        ([5.0] * 9, 2, "hold 1 different number\\."),
        ([1.0, 2.0, 2.0], 3, "3 levels to place, and the data hold 2 different numbers"),
        ([0.0, -0.0, 1.0], 3, "hold 2 different numbers"),
        ([1.0, 2.0], 1, "2 to 65536 levels, an integer; got 1"),
        ([1.0, 2.0], 65537, "got 65537"),
        ([1.0, 2.0], 2.0, "got 2.0"),
        ([1.0, 2.0], True, "got True"),
        ([1.0, 1e39], 2, "float32, and .* got 1e\\+39"),
        ([1.0, 1.0 + 1e-12], 2, "equal in float32"),
    ],
)
def test_bad_input(name, x, k, error):
    with pytest.raises(ValueError, match=error):
        LEARNERS[name](x, k)


def test_bad_choices():
    with pytest.raises(ValueError, match="one of linear, density, random; got 'kmeans\\+\\+'"):
        kmeans([1, 2], 2, init="kmeans++")
    with pytest.raises(ValueError, match="give it a seed="):
        kmeans([1, 2], 2, init="random")
    with pytest.raises(ValueError, match="0 <= seed"):
        kmeans([1, 2], 2, init="random", seed=-1)
    with pytest.raises(ValueError, match="iterations"):
        kmeans([1, 2], 2, iterations=0)
    with pytest.raises(ValueError, match="tolerance"):
        lloyd_max([1, 2], 2, tolerance=-1.0)
    with pytest.raises(TypeError, match="real numbers"):
        kmeans(np.array([1j, 2]), 2)


def test_one_copy_as_narrow_as_the_data():
    assert ordered(np.float32([2, 1]), 2, "x").numbers.dtype == np.float32
    assert ordered(np.float16([2, 1]), 2, "x").numbers.dtype == np.float32
    assert ordered([2.5, 1], 2, "x").numbers.dtype == np.float64
    assert ordered(np.array([2**53 - 1, 1]), 2, "x").numbers.tolist() == [1, 2**53 - 1]
