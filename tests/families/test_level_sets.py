"""Level sets of quantization networks: published sets, and each value found again by the source's own steps."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from laws.hard import hard_values

import numfmt
from numfmt import SpecError
from numfmt.formats.codebook import Codebook
from numfmt.registry import FAMILIES

W0 = [0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0]
RELATED = "binary|ternary|pot|apot|sp2|elb|log|shiftcnn|norm|pwl"
HALF = Fraction(1, 2)


def examples(start):
    return [e for f in FAMILIES for e in f.examples if e.lstrip("us").startswith(start)]


def values(spec):
    return [v for _, v in numfmt.parse(spec).values()]


def magnitudes(spec, over=1):
    return [float(v * over) for v in values(spec) if v >= 0]


# Sets as their sources have them

SETS = {
    "pot3": (1, [0, 0.25, 0.5, 1]),
    "pot4": (1, [0, *(2.0**-k for k in range(6, -1, -1))]),
    "pot2u": (1, [0, 0.25, 0.5, 1]),
    "pot3[variant=inq]": (1, [0, 0.5, 1]),
    "pot5[variant=inq]": (1, [0, *(2.0**-k for k in range(7, -1, -1))]),
    "apot4": (10, [0, 1, 2, 3, 4, 6, 8, 10]),
    "apot5": (48, [0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48]),
    "apot6": (
        100,
        [
            *range(9),
            10,
            12,
            14,
            16,
            17,
            20,
            21,
            24,
            28,
            32,
            34,
            36,
            38,
            48,
            52,
            64,
            65,
            68,
            69,
            72,
            76,
            96,
            100,
        ],
    ),
    "apot4u": (48, [0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48]),
    "sp2": (1, [0, 0.125, 0.25, 0.5, 0.625, 0.75, 1]),
    "elb5": (1, [0, 1, 2]),
    "elb7": (1, [0, 1, 2, 4]),
    "log3[fsr=1]": (256, [0, *(2.0**k for k in range(1, 10))]),
    "log3[fsr=1,clip=paper]": (256, [0, *(2.0**k for k in range(2, 9))]),
    "log2u[base=sqrt2]": (1, [0, 0.25, 0.35355, 0.5, 0.70711, 1]),
    "shiftcnn[n=1]": (64, [0, 1, 2, 4, 8, 16, 32, 64]),
    "unorm2": (3, [0, 1, 2, 3]),
    "snorm4": (7, range(8)),
    "pwl3[p=0.25]": (12, [0, 1, 2, 3, 6, 9, 12]),
}


@pytest.mark.parametrize("spec", SETS)
def test_sets(spec):
    over, wanted = SETS[spec]
    assert magnitudes(spec, over) == pytest.approx(list(wanted), rel=1e-4)
    signed = not spec.split("[")[0].endswith("u") and "unorm" not in spec
    assert len(values(spec)) == (2 * len(wanted) - 1 if signed else len(wanted))


def test_a_sum_of_one_term_is_a_power():
    assert numfmt.parse("apot3") == numfmt.parse("pot3")
    assert str(numfmt.parse("apot3u[k=3]")) == "pot3u"
    assert str(numfmt.parse("apot2")) == "ternary[ties=zero]"  # torch.round(0.5) is 0


def test_terms_of_one_bit_are_equal_steps():
    assert magnitudes("apot5[k=1]", 15) == pytest.approx(range(16))


def test_levels_are_over_the_largest_in_float32():
    """quant_layer.py: values.mul(1.0 / torch.max(values)), where a quotient would be another number."""
    sums = np.float32(SETS["apot6"][1]) * np.float32(2.0**-7)  # the largest is 25 / 32
    levels = np.float32([float(v) for v in values("apot6") if v >= 0])
    assert levels.tolist() == (sums * (np.float32(1) / sums.max())).tolist()
    assert levels.tolist() != (sums / sums.max()).tolist()


# The common vector

VECTORS = {
    "pot3[variant=inq]": [1, -0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0],
    "pot4[variant=inq]": [1, -0.5, 0.5, 0.5, 0.25, -0.25, 0.125, 0, 0, 0, 0, 0],
    "pot5[variant=inq]": [1, -0.5, 0.5, 0.5, 0.25, -0.25, 0.125, 0.0625, 0.015625, 0.0078125, 0, 0],
    "pot5[variant=inq,ties=zero]": [
        1, -0.5, 0.5, 0.25, 0.25, -0.25, 0.125, 0.0625, 0.015625, 0.0078125, 0, 0,
    ],
    "log3[fsr=1]": [
        1, -0.5, 0.5, 0.5, 0.5, -0.25, 0.125, 0.0625, 0.015625, 0.0078125, 0.0078125, 0,
    ],
    "log3[base=sqrt2,fsr=1]": [
        1, -0.70711, 0.5, 0.35355, 0.35355, -0.17678, 0.125, 0.125, 0.125, 0.125, 0.125, 0,
    ],
}  # fmt: skip


@pytest.mark.parametrize("spec", VECTORS)
def test_common_vector(spec):
    assert numfmt.cast(W0, spec) == pytest.approx(VECTORS[spec], abs=5e-6)


def test_wrpn_and_wage():
    """Weights of 3 and 4 bits in thirds and sevenths; WAGE's of 2 bits and activations of 8."""
    assert np.rint(numfmt.cast(W0, "snorm3") * 3).tolist() == [3, -2, 2, 1, 1, -1, 0, 0, 0, 0, 0, 0]
    assert np.rint(numfmt.cast(W0, "snorm4") * 7).tolist() == [6, -5, 4, 3, 3, -1, 1, 0, 0, 0, 0, 0]
    two = numfmt.cast(W0, "q0.1[symmetric]")
    assert two.tolist() == [0.5, -0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0]
    linear = numfmt.cast(W0, "q1.2")  # LinearQuant of 3 bits, full scale 2
    assert linear.tolist() == [1, -0.75, 0.5, 0.5, 0.25, -0.25, 0, 0, 0, 0, 0, 0]
    eight = numfmt.cast(W0, "q0.7[symmetric]") * 128
    assert eight.tolist() == [115, -90, 64, 48, 46, -26, 13, 6, 3, 1, 0, 0]


SHIFTCNN = {
    "shiftcnn[n=1]": [1, -1, 0.5, 0.5, 0.25, 0.125, 0.0625, 0.015625, 0, 0],
    "shiftcnn": [1, -0.75, 0.625, 0.4375, 0.3125, 0.109375, 0.046875, 0.015625, 0.0078125, 0],
    "shiftcnn[n=3]": [
        1, -0.8125, 0.59375, 0.453125, 0.296875, 0.109375, 0.05078125, 0.01953125, 0.0078125, 0.00390625,
    ],
    "shiftcnn[b=3]": [1, -0.75, 0.625, 0.5, 0.25, 0.125, 0, 0, 0, 0],
}  # fmt: skip


@pytest.mark.parametrize("spec", SHIFTCNN)
def test_shiftcnn_vector(spec):
    x = [1, -0.8, 0.6, 0.45, 0.3, 0.11, 0.05, 0.02, 0.01, 0.004]
    assert numfmt.cast(x, spec).tolist() == SHIFTCNN[spec]


def test_approximate_power_of_two():
    x = [0.1, 0.7, 0.71, 1.4142135, 1.4142136, 3, -5]
    assert numfmt.cast(x, "log6[fsr=8]").tolist() == [0.125, 0.5, 1, 1, 2, 4, -4]


# Each value again, by the steps of the source in fractions


def greedy(x, terms, bits):
    """ShiftCNN: of what is left the power of two at or above two thirds of it, 0 where that is too small."""
    total = Fraction(0)
    for n in range(1, terms + 1):
        r = x - total
        if r:
            e = math.frexp(abs(r))[1] - 1
            e += abs(r) > Fraction(3, 2) * Fraction(2) ** e
            kept = 2 - n - e <= 2 ** (bits - 1) - 1
            total += (1 if r > 0 else -1) * Fraction(2) ** e if kept else 0
    return total


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("b", [2, 3, 4])
def test_shiftcnn_by_its_steps(n, b):
    spec = f"shiftcnn[n={n},b={b}]"
    grid = np.arange(-(2**12), 2**12 + 1) / 2**12  # holds every boundary, all of them ties
    x = np.unique([grid, np.nextafter(grid, 2), np.nextafter(grid, -2)])
    x = x[np.abs(x) <= 1]
    found = numfmt.cast(x, spec)
    for value, got in zip(x.tolist(), found.tolist(), strict=True):
        assert got == greedy(Fraction(value), n, b), value


def log_rounded(x, spec):
    """The nearest exponent, by powers of fractions; `clip` as the format says it."""
    fmt = numfmt.parse(spec)
    parts = 2 if "sqrt2" in spec else 1
    sizes = [float(v) for v in values(spec) if v > 0]
    exponents = [round(parts * math.log2(v)) for v in sizes]
    size = abs(Fraction(x))
    if not size:
        return 0.0
    # |x| lies above the boundary of exponents k - 1 and k where |x|**(2 parts) > 2**(2k - 1)
    above = [k for k in exponents if size ** (2 * parts) > Fraction(2) ** (2 * k - 1)]
    if not above and "paper" in spec:
        return 0.0
    value = sizes[exponents.index(above[-1])] if above else sizes[0]
    return math.copysign(value, x) if fmt.signed or x > 0 else 0.0


@pytest.mark.parametrize(
    "spec",
    [
        *examples("log"),
        "log3",
        "log4u[base=sqrt2]",
        "log4[clip=paper]",
        "log2u[clip=paper,fsr=3]",
        "log5[fsr=-4]",
    ],
)
def test_logarithms_by_powers(spec):
    x = hard_values(spec)
    x = x[np.isfinite(x)][:3000]
    for value, got in zip(x.tolist(), numfmt.cast(x, spec).tolist(), strict=True):
        assert got == log_rounded(value, spec), value


def test_boundaries_of_logarithms_are_no_float64():
    fmt = numfmt.parse("log3[base=sqrt2]")
    low, high = fmt.span
    irrational = [fmt.split(r) for r in range(low, high) if fmt.split(r)]
    assert len(irrational) == 16
    assert all(Fraction(float(s)) != s for s in irrational)
    assert all(abs(2 * math.log2(abs(s)) % 1 - 0.5) < 1e-12 for s in irrational)


@pytest.mark.parametrize("spec", ["unorm1", "unorm2", "unorm8", "snorm3", "snorm8"])
def test_norms_round_the_integer_to_even(spec):
    bits, signed = int(spec[5:]), spec[0] == "s"
    last = 2 ** (bits - signed) - 1
    x = hard_values(spec)
    x = x[np.isfinite(x)]
    for value, got in zip(x.tolist(), numfmt.cast(x, spec).tolist(), strict=True):
        clipped = min(max(Fraction(value), Fraction(-1 if signed else 0)), Fraction(1))
        assert got == float(np.float32(float(Fraction(round(clipped * last), last)))), value


@pytest.mark.parametrize("spec", ["apot4", "apot6", "sp2", "pot5"])
def test_the_nearest_and_of_two_the_smaller(spec):
    sizes = sorted({abs(v) for v in values(spec)})
    x = hard_values(spec)
    x = x[np.isfinite(x)]
    for value, got in zip(x.tolist(), numfmt.cast(x, spec).tolist(), strict=True):
        best = min(sizes, key=lambda v: (abs(v - abs(Fraction(value))), v))
        assert abs(got) == best, value
        assert got * value >= 0


def test_pwl_regions():
    """|x| <= p in steps of p / 7, beyond in steps of (1 - p) / 7 from p."""
    p = Fraction(1, 4)
    for i in range(-4096, 4097):
        x = Fraction(i, 4096)
        low, step = (Fraction(0), p / 7) if abs(x) <= p else (p, (1 - p) / 7)
        t = (abs(x) - low) / step
        wanted = low + math.ceil(t - HALF) * step
        assert abs(numfmt.cast(float(x), "pwl4[p=0.25]")) == float(np.float32(float(wanted)))


# Signs, zeros, draws


def test_binary():
    assert numfmt.cast([0.0, -0.0, 1e-300, -1e-300], "binary").tolist() == [1, 1, 1, -1]
    assert numfmt.encode([-3.0, 3.0], "binary").tolist() == [0, 1]
    assert numfmt.cast(0.0, "binary[ties=down]") == -1


def test_stochastic_binary_is_the_hard_sigmoid():
    """BinaryConnect, equation 2: 1 with probability clip((x + 1) / 2, 0, 1)."""
    words = (np.arange(1024, dtype=np.uint64) << np.uint64(22)).astype(np.uint32)
    for x in (-2.0, -1.0, -0.75, 0.0, 0.125, 1.0, 1.5):
        drawn = numfmt.cast(np.full(1024, x), "binary", rounding="stochastic", noise=words)
        assert (drawn == 1).mean() == min(max((x + 1) / 2, 0), 1)


@pytest.mark.parametrize(
    "spec",
    [
        "binary",
        "ternary",
        "apot4",
        "log3",
        "shiftcnn",
        "unorm8",
        "pwl8[p=0.35]",
        "pot4[ties=even]",
        "log6",
        "pot4u",
        "apot5[k=1]",
        "shiftcnn[n=3]",
    ],
)
def test_a_value_stays_and_engines_agree(spec):
    held = np.array([float(v) for v in values(spec)])
    assert numfmt.cast(held, spec).tolist() == held.tolist()
    x = hard_values(spec)
    x = x[np.isfinite(x)][:2000]
    by = [numfmt.cast(x, spec, engine=engine).tobytes() for engine in ("reference", "numpy", "kernel")]
    assert by[0] == by[1] == by[2]


def test_boundaries_between_values():
    f = Codebook.of([-1, 0, 1], boundaries=[-0.125, 0.5], ties="up")
    assert numfmt.cast([-0.125, -0.126, 0.5, 0.49], f).tolist() == [0, -1, 1, 0]
    assert numfmt.cast([-0.126, 0.3], f, rounding="toward_zero").tolist() == [0, 0]
    assert str(f) == "codebook[values=[-1,0,1,1],boundaries=[-0.125,0.5],ties=up]".replace(",1,1]", ",1]")


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
@pytest.mark.parametrize("ties", ["even", "odd", "down", "up", "zero", "away"])
def test_a_value_on_its_own_boundary_stays(engine, ties):
    f = Codebook.of([-2, -1, 0, 1, 2], boundaries=[-2, -1, 1, 1], ties=ties)
    x = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    inside = {-1.5: -1, -0.5: 0, 0.5: 0, 1.5: 2}
    assert numfmt.cast(x, f, engine=engine).tolist() == [inside.get(v, v) for v in x]


def test_boundaries_equal_to_midpoints_are_none():
    assert Codebook.of([-1, 0, 1], boundaries=[-0.5, 0.5]) == Codebook.of([-1, 0, 1])
    assert Codebook.of([-1, 0, 1], boundaries=[-0.5, 0.25]) != Codebook.of([-1, 0, 1])


# Files and bad input


def test_load(tmp_path):
    np.save(tmp_path / "a.npy", np.float32([[-1, 0.1], [0.25, 1]]))
    (tmp_path / "a.txt").write_text("-1, 0.1 # four values\n0x1p-2\n\n1\n")
    a, b = Codebook.load(tmp_path / "a.npy"), Codebook.load(tmp_path / "a.txt", ties="zero")
    assert a.table == (-1, float(np.float32(0.1)), 0.25, 1)
    assert (b.table, b.ties) == ((-1, 0.1, 0.25, 1), "zero")
    (tmp_path / "bad.txt").write_text("1 x")
    with pytest.raises(SpecError, match=r"bad.txt: a codebook is a list of numbers: 'x'"):
        Codebook.load(tmp_path / "bad.txt")
    with pytest.raises(SpecError, match=r"none.txt: there is no file"):
        Codebook.load(tmp_path / "none.txt")


def test_a_spec_names_a_file(tmp_path):
    """In upper and lower case and with blanks, as paths are."""
    folder = tmp_path / "My Levels"
    folder.mkdir()
    (folder / "A=1.txt").write_text("-1 0.25 1")
    spec = f"codebook[file={folder}/A=1.txt, ties=up]"
    fmt = numfmt.parse(spec)
    assert fmt == Codebook.of([-1, 0.25, 1], ties="up")
    assert numfmt.parse(str(fmt)) == fmt
    assert numfmt.cast([0.3, -0.375], spec).tolist() == [0.25, 0.25]
    with pytest.raises(SpecError, match="there is no file"):
        numfmt.parse(f"codebook[file={folder}/a=2.txt]")
    with pytest.raises(SpecError, match="not both"):
        numfmt.parse(f"codebook[values=[0,1],file={folder}/A=1.txt]")


BAD = {
    "pot2": "3 to 8 bits, got 2",
    "pot5u[variant=inq]": "variant=inq is of signed weights",
    "apot8": "7 bits of a magnitude are no terms of k=2 bits",
    "apot5[k=3]": "4 bits of a magnitude are no terms of k=3 bits",
    "sp2[bits=3]": "4 to 8 bits",
    "elb4": "an odd number of values",
    "log7": r"2\*\*-128 to 2\*\*0 is more than float32 holds",
    "log3[fsr=200]": "more than float32 holds",
    "log3[base=e]": "base is 2 or sqrt2",
    "shiftcnn[n=9]": "n is 1 to 4 terms",
    "snorm1": "2 to 12 bits",
    "pwl4": "p= is needed",
    "pwl4[p=1]": "lies between 0 and 1",
    "pwl4[p=1/0]": "a number between 0 and 1",
    "pwl4[p=1e-999999999]": "a number between 0 and 1",
    "pwl4[p=1e-50]": "does not tell the values beside the break point 1e-50 apart",
    "shiftcnn[n=4,b=5]": "a codebook at most 4096: fewer terms",
}


@pytest.mark.parametrize("spec", BAD)
def test_bad_specs(spec):
    with pytest.raises(SpecError, match=BAD[spec]):
        numfmt.parse(spec)


def test_names_are_told_apart():
    """Equal formats have one name, of all small sets there are."""
    specs = {
        e
        for f in FAMILIES
        for e in f.examples
        if f.pattern.pattern.strip("r").startswith(tuple(RELATED.split("|")))
    }
    specs |= {f"{a}{b}" for a in ("apot", "pot", "unorm", "snorm") for b in range(2, 7)} - {"pot2"}
    formats = [numfmt.parse(s) for s in sorted(specs)]
    for f in formats:
        assert numfmt.parse(str(f)) == f
    for f, g in pairwise(sorted(formats, key=str)):
        assert (f == g) == (str(f) == str(g))
    assert len({*formats}) == len({str(f) for f in formats})


def test_whoever_gives_the_values_gets_the_name():
    for spec in ("unorm1", "binary", "ternary[ties=zero]", "pot4", "apot5", "elb7", "snorm4", "shiftcnn"):
        fmt = numfmt.parse(spec)
        plain = Codebook.of(fmt.table, ties=fmt.ties, boundaries=fmt.boundaries)
        assert plain == fmt
        assert str(plain) == spec
    with pytest.raises(numfmt.RangeError, match="'binary'"):
        numfmt.cast([np.nan], "codebook[values=[-1,1],ties=up]")


def test_one_break_point_has_one_name():
    assert str(numfmt.parse("pwl4[p=1/4]")) == "pwl4[p=0.25]"
    assert str(numfmt.parse("pwl4[p=3/10]")) == "pwl4[p=0.3]"
    assert str(numfmt.parse("pwl4[p=1/3]")) == "pwl4[p=1/3]"
    assert numfmt.cast(0.65, "pwl2[p=0.3]") == 1  # half-way between 0.3 and 1, a little above


def test_what_decided_is_said():
    assert "its side of the format's own boundary" in str(numfmt.explain(0.72, "log4"))
    assert "tie: nearest_even, here nearest_up" in str(numfmt.explain(0, "binary"))
    assert "the nearer of two neighbours" in str(numfmt.explain(0.3, "pot4"))
