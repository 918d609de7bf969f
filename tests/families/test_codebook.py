"""Codebooks: the tables of bitsandbytes, the rules of its searches, and lists of one's own."""

import hashlib
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from laws import hard as hard_values

import numfmt
from numfmt import cuts, reference
from numfmt.engine.plan import plan
from numfmt.errors import RangeError, SpecError
from numfmt.formats import codebook_searches
from numfmt.formats.codebook import Codebook
from numfmt.formats.codebook_tables import FP4_CUDA
from numfmt.rounding import MODES

F32 = np.float32
DETERMINISTIC = [name for name, mode in MODES.items() if not mode.stochastic]


def table(spec):
    return np.array(numfmt.parse(spec).table, F32)


def hexes(text):
    return np.array([int(word, 16) for word in text.split()], np.uint32)


# The tables

# SHA-256 of the 256 float32 numbers, little-endian, as bitsandbytes 0.50.2 makes them with torch 2.13
HASHES = {
    "dyn8": "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c",
    "dyn8[profile=default]": "dad4c269c3243d1705f6b979dccb61efb8d1074812ecf8d79255a82f60671763",
    "dyn8u": "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398",
    "dyn8u[profile=default]": "9dad1cb84fb692421efa76393be9c2dcde7227c69ecd6cd4f10bd483bd505b1d",
    "linear8": "80bf4c55fa736fa18f611d26a59e99475bae78388280fbccbf4c7d12437a4775",
    "linear8u": "7cb9ea560989533d101f5082aa194366c6fd5d82a305f2994cc39312a65f7962",
}
NF4 = hexes(
    "bf800000 bf3239b1 bf066b30 beca32a0 be91a24d be3d353f bdba7871 00000000"
    " 3da2faff 3e24cae3 3e7c04dd 3ead033a 3ee1a4b8 3f1007ab 3f3913b3 3f800000"
)
FP4_SIZES = hexes("00000000 3baaaaab 3f2aaaab 3f800000 3eaaaaab 3f000000 3e2aaaab 3e800000").view(F32)


@pytest.mark.parametrize("spec", HASHES)
def test_a_map_is_that_of_the_library_bit_for_bit(spec):
    assert hashlib.sha256(table(spec).astype("<f4").tobytes()).hexdigest() == HASHES[spec]


def test_sums_of_the_dynamic_maps():
    assert table("dyn8").view(np.uint32).sum(dtype=np.uint64) == 535306620548
    assert table("dyn8u").view(np.uint32).sum(dtype=np.uint64) == 262570225560
    assert table("dyn8").astype(np.float64).sum() == 1.0


def test_tables_of_four_bits():
    assert (table("nf4").view(np.uint32) == NF4).all()
    assert table("fp4_bnb").tolist() == [*FP4_SIZES, *-FP4_SIZES]
    af4 = table("af4")
    assert (np.diff(af4) < 0).all()
    assert af4[[0, 7, 8, 15]].tolist() == [1, F32(0.04273164), 0, -1]
    assert table("int4_bnb").tolist() == (F32([*range(7, -1, -1), *range(0, -8, -1)]) / F32(7)).tolist()


def signed_tree(bits, pattern):
    """The value of a pattern of `bits` bits, the highest of them the sign, as its digits are read."""
    sign, digits = pattern >> (bits - 1), format(pattern & (1 << (bits - 1)) - 1, f"0{bits - 1}b")
    zeros = len(digits) - len(digits.lstrip("0"))
    fraction = digits[zeros + 1 :]
    if zeros == len(digits):
        return Fraction(sign)  # 0, and the pattern of -0 is 1
    value = decade_part(zeros, int(fraction or "0", 2), 2 ** len(fraction))
    return -value if sign else value


def decade_part(decade, part, parts):
    return (1 + 9 * (part + Fraction(1, 2)) / parts) / 10 ** (decade + 1)


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_signed_tree_reads_its_bits(bits):
    """Up to the rounding of the construction, which float32 does four times."""
    values = sorted(signed_tree(bits, pattern) for pattern in range(1 << bits))
    assert_near(values, table(f"dyn{bits}"))
    middle = (1 << (bits - 1)) - 1  # the rank of 0
    for u in range(1, middle + 1):
        assert values[middle + u] == signed_tree(bits, u) == -values[middle - u]


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_unsigned_tree_reads_its_bits(bits):
    values = [
        Fraction(0),
        *(signed_tree(bits + 1, rank + 1) for rank in range(1, (1 << bits) - 1)),
        Fraction(1),
    ]
    assert_near(values, table(f"dyn{bits}u"))


def assert_near(exact, rounded):
    assert len(exact) == len(rounded)
    for value, near in zip(exact, rounded, strict=True):
        assert abs(value - Fraction(float(near))) <= 4 * Fraction(float(np.spacing(abs(near)))) * (near != 0)


def test_profiles_differ_in_last_bits():
    for u, count in (("", 42), ("u", 31)):
        fma, default = (table(f"dyn8{u}{p}").view(np.int32) for p in ("", "[profile=default]"))
        assert np.count_nonzero(fma - default) == count
        assert np.abs(fma - default).max() == 2
    assert numfmt.parse("dyn3[profile=default]") == numfmt.parse("dyn3")


def test_the_middle_of_the_linear_map():
    below, zero, above, next_above = table("linear8")[126:130].tolist()
    assert (zero, above) == (0, 2.0**-28)
    assert below == pytest.approx(-2 / 254)
    assert next_above == pytest.approx(2 / 254)


# The searches


def middles(spec):
    values = np.unique(table(spec))
    return (values[:-1] + values[1:]) / F32(2)


def hard(spec, count=1_000_000):
    """Every boundary that float32 has, every value, their neighbours, and random numbers."""
    values = np.unique(table(spec))
    exact = [float((Fraction(float(x)) + Fraction(float(y))) / 2) for x, y in pairwise(values)]
    near = np.concatenate([middles(spec), F32(exact), values, F32([0.0, *FP4_CUDA])])
    near = np.concatenate([near, -near])
    rng = np.random.default_rng(0)
    drawn = [
        rng.uniform(-1, 1, count // 2),
        rng.standard_normal(count // 4) * 1e-3,
        rng.standard_normal(count // 4) * 1e-6,
    ]
    around = [near, np.nextafter(near, F32(2)), np.nextafter(near, F32(-2)), *map(F32, drawn)]
    return np.concatenate(around).clip(-1, 1)


def bucketized(x, spec):
    """backends/default/ops.py, quantize_blockwise: how many mid-points lie below x."""
    return np.searchsorted(middles(spec), x, side="left")


def tree_searched(x, spec):
    """csrc/kernels.cu, dQuantize: seven steps from the middle, then one mid-point beside the pivot."""
    code = table(spec)
    pivot, lower, upper = (np.full(x.shape, k) for k in (127, 0, 255))
    for step in (64, 32, 16, 8, 4, 2, 1):
        up = x > code[pivot]
        lower, upper = np.where(up, pivot, lower), np.where(up, upper, pivot)
        pivot = np.where(up, pivot + step, pivot - step)
    over = x > (code[upper] + code[pivot]) * F32(0.5)
    under = x < (code[lower] + code[pivot]) * F32(0.5)
    return np.where(x > code[pivot], np.where(over, upper, pivot), np.where(under, lower, pivot))


def by_distance(x, spec):
    """csrc/cpu_ops.cpp up to 0.49: the nearer of the two neighbours by distances in float32."""
    code = table(spec)
    left = (np.searchsorted(code, x, side="right") - 1).clip(0, len(code) - 2)
    return left + (np.abs(x - code[left + 1]) < np.abs(x - code[left]))


def fp4_tree(x, spec):
    """csrc/kernels.cu, dQuantizeFP4, without the sign of what becomes 0."""
    places = np.array([0, 1, 6, 7, 4, 5, 2, 3])[np.searchsorted(F32(FP4_CUDA), np.abs(x), side="left")]
    return np.where((x < 0) & (places > 0), places + 8, places)


RULES = [
    ("dyn8", "midpoints=float32,ties=down", bucketized), ("dyn8u", "midpoints=float32,ties=down", bucketized),
    ("linear8", "midpoints=float32,ties=down", bucketized), ("nf4", "midpoints=float32,ties=down", bucketized),
    ("dyn8", "midpoints=float32", tree_searched), ("dyn8u", "midpoints=float32", tree_searched),
    ("linear8", "midpoints=float32", tree_searched), ("linear8u", "midpoints=float32", tree_searched),
    ("dyn8", "midpoints=distance,ties=down", by_distance), ("dyn8u", "midpoints=distance,ties=down", by_distance), ("nf4", "midpoints=distance,ties=down", by_distance),
    ("fp4_bnb", "midpoints=cuda,ties=zero", fp4_tree),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["numpy", "kernel"])
@pytest.mark.parametrize(("spec", "options", "search"), RULES)
def test_an_option_is_the_search_of_the_library(spec, options, search, engine):
    x = hard(spec)
    if not numfmt.parse(spec).signed:
        x = np.abs(x)
    found, wanted = numfmt.encode(x, f"{spec}[{options}]", engine=engine), search(x, spec)
    assert (found == wanted).all(), x[found != wanted][:5]


@pytest.mark.parametrize(("spec", "options", "search"), RULES)
def test_the_reference_agrees_on_boundaries(spec, options, search):
    x = hard(spec, 0)[::7]
    if not numfmt.parse(spec).signed:
        x = np.abs(x)
    assert (numfmt.encode(x, f"{spec}[{options}]", engine="reference") == search(x, spec)).all()


def test_rules_differ_where_a_midpoint_is_no_float32():
    """So that no test above passes by chance."""
    for spec in ("dyn8", "nf4"):
        x = hard(spec, 0)
        codes = {options: numfmt.encode(x, f"{spec}[{options}]").tobytes() for _, options, _ in RULES[:-1]}
        codes[""] = numfmt.encode(x, spec).tobytes()
        assert len(set(codes.values())) == len(codes)


def table_searched(x, spec):
    """csrc/cpu_ops.cpp from 0.50: entry i of 65536 holds the code of -1 + 2i / 65535."""
    half = ((x + F32(1)) * F32(0.5)).astype(np.float64)
    entry = F32(half * 65535 + 0.5).astype(np.int64)
    return bucketized(F32(-1) + (2 * entry).astype(F32) / F32(65535), spec)


def found_by(points, x):
    return points.codes[np.searchsorted(points.cuts, x.astype(np.float64), side="right")]


@pytest.mark.parametrize("spec", ["dyn8", "dyn8u", "linear8", "linear8u", "dyn5"])
def test_the_table_of_the_cpu(spec):
    points = codebook_searches.tabulated(numfmt.parse(spec))
    near = F32(points.cuts)
    x = np.concatenate([hard(spec), near, np.nextafter(near, F32(-2)), np.nextafter(near, F32(2))]).clip(
        -1, 1
    )
    assert (found_by(points, x) == table_searched(x, spec)).all()


def test_the_table_of_the_cpu_moves_zero_and_skips_codes():
    points = codebook_searches.tabulated(numfmt.parse("dyn8"))
    assert found_by(points, F32([0])) == 131
    assert set(range(256)) - set(points.codes.tolist()) == set(range(124, 131))
    assert found_by(codebook_searches.tabulated(numfmt.parse("dyn8u")), F32([0])) == 7


def test_a_tie_in_the_table_of_the_cpu_goes_down():
    """The last entry is 1, the mid-point of the two."""
    assert codebook_searches.tabulated(Codebook.of([-1, 3])).codes.tolist() == [0]


def test_the_two_zeros_of_fp4():
    x = hard("fp4_bnb")
    signed = np.where((x < 0) & (fp4_tree(x, "fp4_bnb") == 0), 8, fp4_tree(x, "fp4_bnb"))
    assert (found_by(codebook_searches.fp4_cuda(numfmt.parse("fp4_bnb")), x) == signed).all()
    order = np.argsort(table("fp4_bnb"), kind="stable")
    ordered = table("fp4_bnb")[order]
    sought = order[np.searchsorted((ordered[:-1] + ordered[1:]) / F32(2), x, side="left")]
    assert (found_by(codebook_searches.bucketized(numfmt.parse("fp4_bnb")), x) == sought).all()


# One block of bitsandbytes whose largest magnitude is 1: x, codes signed, codes of |x| unsigned
X = F32([1, 0, 1e-7, 1e-6, 3e-6, 1e-5, 2e-5, -1e-6, 0.5, -1, -0.9965, 0.996, 0.25, 0.0101, 0.1])
SIGNED = [255, 127, 127, 128, 129, 130, 131, 126, 219, 0, 0, 254, 201, 158, 190]
UNSIGNED = [255, 0, 0, 2, 3, 6, 7, 2, 183, 255, 254, 254, 148, 62, 126]


@pytest.mark.parametrize(
    "options", ["", "[midpoints=float32]", "[midpoints=float32,ties=down]", "[midpoints=distance,ties=down]"]
)
def test_vectors(options):
    assert numfmt.encode(X, f"dyn8{options}").tolist() == SIGNED
    assert numfmt.encode(np.abs(X), f"dyn8u{options}").tolist() == UNSIGNED


def test_vectors_of_the_table_of_the_cpu():
    signed, unsigned = (codebook_searches.tabulated(numfmt.parse(spec)) for spec in ("dyn8", "dyn8u"))
    assert found_by(signed, X).tolist() == [
        255, 131, 131, 131, 131, 131, 131, 123, 219, 0, 0, 254, 201, 158, 190,
    ]  # fmt: skip
    assert found_by(unsigned, np.abs(X)).tolist() == [
        255, 7, 7, 7, 7, 7, 7, 7, 183, 255, 254, 254, 148, 62, 126,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("x", "down", "even"),
    [
        (0.9859374761581421, 253, 254),
        (0.25468748807907104, 201, 202),
        (0.9964843988418579, 254, 254),
    ],
)
def test_ties(x, down, even):
    assert numfmt.encode(F32(x), "dyn8[midpoints=float32,ties=down]") == down
    assert numfmt.encode(F32(x), "dyn8[midpoints=float32]") == even


@pytest.mark.parametrize(("spec", "packed"), [("nf4", "f07c"), ("fp4_bnb", "3b05")])
def test_packed_with_the_high_nibble_first(spec, packed):
    codes = numfmt.encode([1, -1, 0, 0.5], spec)
    assert numfmt.pack(codes, 4, order="big").tobytes().hex() == packed


def test_minus_one_is_no_value_of_the_dynamic_tree():
    assert numfmt.cast(-1.0, "dyn8") == F32(-0.99296874)
    with pytest.raises(RangeError, match=r"-0\.992969 to 1"):
        numfmt.cast(-1.0, "dyn8", overflow="raise")


# Lists of one's own


def test_a_list_is_read_in_the_order_of_its_codes():
    fmt = Codebook.of([0, 1, 0.5, 0, -1])
    assert fmt == numfmt.parse("codebook[values=[0, 1, 0x1p-1, 0, -2/2]]")
    assert [float(fmt.value(code)) for code in range(8)] == [0, 1, 0.5, 0, -1, -1, -1, -1]
    assert numfmt.encode([-1, -0.0, 0.3, 0.9, np.inf], fmt).tolist() == [4, 0, 2, 1, 1]
    assert [fmt.rank(code) for code in range(8)] == [1, 3, 2, 1, 0, 0, 0, 0]
    assert math.copysign(1, numfmt.decode(0, fmt)) == 1


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([-1, 0, 1], "ternary"),
        ([-1, 0, 1, 1], "ternary"),
        ([0, 1, 1, 1], "codebook[values=[0,1,1]]"),
        ([-0.0, 0.1, 1e-300], "codebook[values=[0,0.1,1e-300]]"),
        (np.float32([0.1, 1e20]), "codebook[values=[0.10000000149011612,1.0000000200408773e+20]]"),
        (["1/3", Fraction(1, 3), "0x1p4"], "codebook[values=[0.3333333333333333,0.3333333333333333,16]]"),
    ],
)
def test_the_spec_of_a_list(values, text):
    fmt = Codebook.of(values)
    assert str(fmt) == text
    assert numfmt.parse(text) == fmt
    assert hash(numfmt.parse(text)) == hash(fmt)


def test_the_spec_of_a_long_list():
    fmt = Codebook.of(-np.exp(np.random.default_rng(0).standard_normal(256) * 100), ties="down")
    assert numfmt.parse(str(fmt)) == fmt


def test_a_long_list_is_shown_by_its_ends():
    fmt = Codebook.of(range(17), boundaries=[k + 0.25 for k in range(16)])
    assert repr(fmt).startswith("<codebook[values=[0,1,...,16],boundaries=[0.25,1.25,2.25,")
    assert repr(Codebook.of(range(16))).startswith(f"<{Codebook.of(range(16))}: 4 bits, 16 values")
    assert repr(Codebook.of(range(256))) == "<codebook[values=[0,1,...,255]]: 8 bits, 256 values, 0 to 255>"
    with pytest.raises(
        ValueError, match=r"^codebook\[values=\[0,1,\.\.\.,255\]\] has codes 0 to 255, got 256"
    ):
        Codebook.of(range(256)).value(256)
    assert numfmt.parse(str(fmt)) == fmt


def test_a_table_is_spelled_by_its_name():
    fmt = Codebook.of(table("dyn8u[profile=default]"), "float32", "down")
    assert str(fmt) == "dyn8u[profile=default,midpoints=float32,ties=down]"
    assert numfmt.parse(str(fmt)) == fmt
    assert str(Codebook.of(table("nf4"), ties="zero")) == "nf4[ties=zero]"


def test_bare_fp4_names_both():
    with pytest.raises(SpecError, match="'e2m1fn', 'fp4_bnb'"):
        numfmt.parse("fp4")


BAD = {
    "codebook": "values= is needed",
    "codebook[values=[]]": "values= is needed",
    "codebook[values=[1]]": "2 to 4096 values",
    "codebook[values=[1,1,1]]": "got 3, 1 distinct",
    "codebook[values=[0,-0]]": "got 2, 1 distinct",
    "codebook[values=[1,two]]": "'two' is not a number",
    "codebook[values=[1,nan]]": "finite float64 numbers, got 'nan'",
    "codebook[values=[1,1e400]]": "finite float64 numbers, got '1e400'",
    "codebook[values=1]": "a list like",
    "codebook[values=[1,2],ties=any]": "ties is even or odd or down or up or zero or away, got 'any'",
    "codebook[values=[1,2,4],boundaries=[1.5]]": "3 distinct values have 2 boundaries between them, got 1",
    "codebook[values=[1,2],boundaries=[2.5]]": "boundary 2.5 does not lie between the values 1.0 and 2.0",
    "codebook[values=[1,2],boundaries=[x]]": "boundaries of a codebook are finite numbers, got 'x'",
    "codebook[values=[1,2],boundaries=[inf]]": "boundaries of a codebook are finite numbers",
    "codebook[values=[1,2],boundaries=[1.5],midpoints=float32]": "in place of midpoints=float32",
    "codebook[values=[0.1,2],midpoints=float32]": "values that are float32 numbers themselves",
    "codebook[values=[1,1.00000011920928955078125],midpoints=float32]": "no boundary in float32 between them",
    "codebook[values=[0x1.8p127,0x1.9p127],midpoints=float32]": "no boundary in float32 between them",
    "nf4[midpoints=cuda]": "midpoints is exact or float32 or distance, got 'cuda'",
    "dyn8[profile=avx]": "profile is fma or default",
    "dyn9": "unknown format",
    f"codebook[values=[{','.join(map(str, range(4097)))}]]": "got 4097, 4097 distinct",
}


@pytest.mark.parametrize("spec", BAD)
def test_bad_lists(spec):
    with pytest.raises(SpecError) as error:
        numfmt.parse(spec)
    assert BAD[spec] in str(error.value)


@pytest.mark.parametrize(
    "values", [5, "123", b"12", [1, "x"], [1, None], [1, 2j], np.eye(2), [math.inf, 1], [1, math.nan]]
)
def test_what_is_no_list_of_numbers(values):
    with pytest.raises(SpecError, match="codebook"):
        Codebook.of(values)


def test_rules_that_do_not_serve():
    with pytest.raises(SpecError, match="unknown ties 'any'"):
        Codebook.of([1, 2], ties="any")
    with pytest.raises(SpecError, match="for the values of fp4_bnb"):
        Codebook.of([-1, 0, 1], midpoints="cuda")
    with pytest.raises(SpecError, match="float32 numbers themselves"):
        Codebook.of([-1e300, 1], midpoints="distance")


def test_a_code_that_is_none():
    with pytest.raises(ValueError, match="codes 0 to 3, got 4"):
        numfmt.parse("codebook[values=[-1,0,1]]").value(4)


# Where there is no zero

# results of x by mode; between -1 and 0.5 the boundary is -0.25, and toward zero is toward 0.5
ACROSS = [-0.75, -0.25, 0.0, 0.25]
MODES_ACROSS = {
    "nearest_even": [-1, 0.5, 0.5, 0.5], "nearest_odd": [-1, -1, 0.5, 0.5], "nearest_away": [-1, -1, 0.5, 0.5],
    "nearest_zero": [-1, 0.5, 0.5, 0.5], "nearest_up": [-1, 0.5, 0.5, 0.5], "nearest_down": [-1, -1, 0.5, 0.5],
    "toward_zero": [0.5] * 4, "away_from_zero": [-1] * 4, "toward_positive": [0.5] * 4,
    "toward_negative": [-1] * 4, "to_odd": [-1] * 4,
}  # fmt: skip


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
@pytest.mark.parametrize("mode", DETERMINISTIC)
def test_modes_between_values_of_both_signs(mode, engine):
    """Of ranks 0 and 1 here; as -1, 0.5 they are 1 and 2, and the parities change places."""
    found = numfmt.cast(ACROSS, "codebook[values=[-2,-1,0.5]]", rounding=mode, engine=engine)
    assert found.tolist() == MODES_ACROSS[mode]


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_zero_between_values_of_one_size_is_positive(engine):
    modes = {
        "nearest_even": -1,
        "nearest_away": 1,
        "nearest_zero": -1,
        "toward_zero": -1,
        "away_from_zero": 1,
    }
    for mode, wanted in modes.items():
        found = numfmt.cast([0.0, -0.0], "codebook[values=[-1,1]]", rounding=mode, engine=engine)
        assert found.tolist() == [wanted, wanted], mode


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
@pytest.mark.parametrize("dtype", [F32, np.float64])
@pytest.mark.parametrize("spec", ["nf4", "dyn8", "dyn8u", "fp4_bnb"])
def test_zero_is_zero_in_every_mode(spec, dtype, engine):
    zeros = np.array([0.0, -0.0], dtype)
    for mode in DETERMINISTIC:
        found = numfmt.encode(zeros, spec, rounding=mode, engine=engine)
        assert (found == numfmt.parse(spec).zero()).all(), mode


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_even_is_the_parity_of_the_rank(engine):
    """Not of the code: here 0, 1, 2 have the codes 1, 0, 2."""
    fmt = Codebook.of([1, 0, 2])
    assert numfmt.cast([0.5, 1.5], fmt, engine=engine).tolist() == [0, 2]
    assert numfmt.cast([0.5, 1.5], fmt, rounding="nearest_odd", engine=engine).tolist() == [1, 1]


def test_draws_between_values_of_both_signs():
    """The share of 0 between -1 and 0.5, from the smaller magnitude: 0.5 / 1.5."""
    for noise, wanted in ((0, 0.5), (int(2 / 3 * 2**32) - 2, 0.5), (int(2 / 3 * 2**32) + 2, -1)):
        found = numfmt.cast(0.0, "codebook[values=[-1,0.5]]", rounding="stochastic", noise=np.uint32(noise))
        assert found == wanted


@pytest.mark.parametrize("overflow", ["ieee", "saturate", "saturate_finite"])
@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_nothing_goes_on_past_the_last_value(overflow, engine):
    options = {"overflow": overflow, "engine": engine}
    for spec, below, above in (("nf4", -1, 1), ("dyn8u", 0, 1), ("codebook[values=[0.25,1]]", 0.25, 1)):
        found = numfmt.cast([-math.inf, -1e30, -1e-30, 1.5, math.inf], spec, rounding="to_odd", **options)
        inside = 0 if spec == "nf4" else below
        assert found[[0, 1, 3, 4]].tolist() == [below, below, above, above]
        assert abs(found[2]) <= max(abs(table("nf4")[6]), below, inside)
    assert numfmt.cast([0.1], "codebook[values=[0.25,1]]", **options) == 0.25
    assert numfmt.cast([-0.5, 3], "codebook[values=[-4,-1]]", **options).tolist() == [-1, -1]


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_what_overflow_raises_on(engine):
    refused = {
        "dyn8u": [-5e-324, np.nextafter(1, 2)], "codebook[values=[0.25,1]]": [0.0, np.nextafter(0.25, 0), 2],
        "codebook[values=[-4,-1]]": [-0.5, 0.0, -5], "nf4": [-1.0000000001, 1.0000000001, math.inf],
    }  # fmt: skip
    for spec, numbers in refused.items():
        fmt = numfmt.parse(spec)
        kept = np.array([float(fmt.min), float(fmt.max)])
        assert (numfmt.cast(kept, spec, overflow="raise", engine=engine) == kept).all()
        for x in numbers:
            with pytest.raises(RangeError):
                numfmt.cast(np.array([*kept, x]), spec, overflow="raise", engine=engine)


def test_nan_needs_a_value():
    with pytest.raises(RangeError, match="NaN, the format has none"):
        numfmt.cast([0.5, math.nan], "nf4")
    for spec in ("nf4", "dyn8"):
        x = np.array([math.nan, -math.nan, 0.5, math.inf, -math.inf])
        for given in (x, x.astype(F32)):
            found = numfmt.cast(given, spec, nan=-0.3)
            assert found[0] == found[1] == numfmt.cast(-0.3, spec)
            assert found[2:].tolist() == numfmt.cast([0.5, math.inf, -math.inf], spec).tolist()


# The loops


def loop_of(spec, width=32, **options):
    fmt = numfmt.parse(spec)
    return plan(fmt, reference.policy(fmt, **options), True, "kernel").loop(width)


def test_few_values_are_compared_with_and_many_looked_up():
    names = {
        spec: loop_of(spec, nan=0).bare[0].__name__ for spec in ("nf4", "dyn5", "dyn8", "dyn4u", "linear8")
    }
    assert names == {
        "nf4": "code_steps", "dyn4u": "code_steps", "dyn5": "code_lookup", "dyn8": "code_lookup", "linear8": "code_lookup",
    }  # fmt: skip


def steps_from(x, count, dtype):
    """So many numbers of a dtype, one next to the other."""
    found = [dtype(x)]
    while len(found) < count:
        found.append(np.nextafter(found[-1], dtype(np.inf)))
    return [float(v) for v in found]


def pairs(dtype):
    drawn = np.random.default_rng(2).standard_normal(80) * 2.0 ** np.arange(-40, 40)
    return [v for x in drawn for v in steps_from(x, 3, dtype)]


def converging(dtype):
    centres = [s * c for c in (0.0, 1.0, 3.0, 1e30) for s in (1, -1)]
    return [
        float(dtype(c + s * max(abs(c), 1) * 2.0**-k)) for c in centres for s in (1, -1) for k in range(9, 24)
    ]


CLUSTERS = {
    "one": lambda dtype: [*steps_from(1, 21, dtype), *(10.0**-k for k in range(1, 30))],
    "pairs": pairs,
    "converging": converging,
    "zero": lambda dtype: [*steps_from(-20 * np.finfo(dtype).smallest_subnormal, 60, dtype), -1, 1, 2, 1e30],
    "ends": lambda dtype: [-1e-30, *steps_from(np.finfo(dtype).max / 2, 100, dtype), *steps_from(1e-30, 156, dtype)][:256],
    "negative": lambda dtype: [*steps_from(-7, 128, dtype), *steps_from(-1e-9, 128, dtype)],
}  # fmt: skip


def clustered(name, dtype, **options):
    values = np.unique([float(dtype(v)) for v in CLUSTERS[name](dtype)])
    return Codebook.of(np.random.default_rng(5).permutation(values)[:256], **options)


def skewed(name, dtype):
    """Boundaries that are no mid-points, some of them values."""
    values = clustered(name, dtype)._rising
    parts = [Fraction(k % 5, 4) for k in range(len(values))]
    between = [
        Fraction(x) + (Fraction(y) - Fraction(x)) * part
        for (x, y), part in zip(pairwise(values), parts, strict=False)
    ]
    return Codebook.of(values, boundaries=between)


def near_clusters(fmt, dtype):
    """Values and boundaries of every mode, their neighbours, the ends and random words."""
    points = [cut for mode in DETERMINISTIC for cut in cut_points(fmt, mode)]
    with np.errstate(all="ignore"):
        near = np.array([*points, *fmt._rising, 0.0, -0.0, math.inf, -math.inf], dtype)
        around = [near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))]
    drawn = np.random.default_rng(6).integers(0, 256, 3000 * near.itemsize, np.uint8).view(dtype)
    return np.unique(np.concatenate([*around, drawn[~np.isnan(drawn)]]))


@pytest.mark.parametrize("make", [clustered, skewed])
@pytest.mark.parametrize("dtype", [F32, np.float64])
@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_in_every_mode(name, dtype, make):
    fmt = make(name, dtype)
    x = near_clusters(fmt, dtype)
    values = np.array(fmt.table)
    for mode in DETERMINISTIC:
        wanted = cuts.search(x.astype(np.float64), fmt, reference.policy(fmt, mode))
        for engine in ("numpy", "kernel"):
            assert (numfmt.encode(x, fmt, rounding=mode, engine=engine) == wanted).all(), (mode, engine)
            found = numfmt.cast(x, fmt, rounding=mode, engine=engine)
            assert (found == values[wanted]).all(), (mode, engine)


@pytest.mark.parametrize("dtype", [F32, np.float64])
@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_by_the_reference(name, dtype):
    fmt = clustered(name, dtype)
    x = np.resize(near_clusters(fmt, dtype)[::29], 300)
    for mode in ("nearest_even", "toward_negative", "to_odd"):
        policy = reference.policy(fmt, mode)
        assert (numfmt.encode(x, fmt, rounding=mode) == hard_values.reference_codes(x, fmt, policy)).all()


@pytest.mark.parametrize("dtype", [F32, np.float64])
@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_of_256_are_searched_by_a_loop(name, dtype):
    fmt, width = clustered(name, dtype), 32 if dtype is F32 else 64
    for nan in (None, 0):
        found = plan(fmt, reference.policy(fmt, nan=nan), True, "kernel").loop(width)
        assert found.bare[0].__name__ == "code_tree"


@pytest.mark.parametrize("engine", ["numpy", "kernel"])
@pytest.mark.parametrize("dtype", [F32, np.float64])
def test_what_clusters_refuse(dtype, engine):
    fmt = clustered("pairs", dtype)
    ends = np.array([float(fmt.min), float(fmt.max)], dtype)
    assert (numfmt.cast(ends, fmt, overflow="raise", engine=engine) == ends).all()
    for x in (np.nextafter(ends[0], dtype(-np.inf)), np.nextafter(ends[1], dtype(np.inf))):
        with pytest.raises(RangeError):
            numfmt.cast(np.array([*ends, x]), fmt, overflow="raise", engine=engine)
    with pytest.raises(RangeError, match="NaN"):
        numfmt.cast(np.array([1, math.nan], dtype), fmt, engine=engine)
    word = np.dtype(f"i{ends.itemsize}")
    nans = np.array([-1, np.iinfo(word).max], word).view(dtype)  # the last words of all
    x = np.concatenate([nans, -nans * dtype(0), dtype([math.nan, -math.nan]), ends])
    found = numfmt.cast(x, fmt, nan=1.0, engine=engine)
    assert (found[:-2] == numfmt.cast(1.0, fmt)).all()
    assert (found[-2:] == ends).all()


def test_clusters_of_any_length_and_layout():
    fmt = clustered("converging", F32)
    x = np.resize(near_clusters(fmt, F32), 2600)
    values, codes = numfmt.cast(x, fmt), numfmt.encode(x, fmt)
    for n in (0, 1, 255, 256, 257, 511, 513):
        assert numfmt.cast(x[:n], fmt).tobytes() == values[:n].tobytes()
        assert numfmt.encode(x[:n], fmt).tobytes() == codes[:n].tobytes()
    assert (numfmt.cast(x[::-3], fmt) == values[::-3]).all()
    assert (numfmt.encode(x.reshape(50, 52).T, fmt) == codes.reshape(50, 52).T).all()
    assert (numfmt.encode(x.astype(">f4"), fmt) == codes).all()
    assert (numfmt.encode(x.astype(np.float64), fmt) == codes).all()
    held = np.arange(-3, 4)
    assert (numfmt.encode(held, fmt) == numfmt.encode(held.astype(np.float64), fmt)).all()


def test_more_clustered_values_than_a_tree_holds_are_searched_by_cut_points():
    fmt = Codebook.of([*steps_from(1, 280, np.float64), *(10.0**-k for k in range(1, 30))])
    assert plan(fmt, reference.policy(fmt), True, "kernel").loop(64) is None
    x = near_clusters(fmt, np.float64)
    wanted = numfmt.encode(x[::97], fmt, engine="reference")
    for engine in (None, "numpy", "kernel"):
        assert (numfmt.encode(x[::97], fmt, engine=engine) == wanted).all()


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("spread", [0.01, 1, 30, 120])
def test_any_list_of_256_values(spread, width):
    """Lists of every shape, against a search among exact boundaries."""
    rng = np.random.default_rng(int(spread * 100))
    values = np.unique(F32(rng.standard_normal(256) * 2.0 ** (rng.standard_normal(256) * spread / 4)))
    fmt = Codebook.of(rng.permutation(values))
    number = F32 if width == 32 else np.float64
    points = [cut for mode in ("nearest_even", "to_odd") for cut in cut_points(fmt, mode)]
    with np.errstate(all="ignore"):
        near = np.array([*points, *values], number)
    x = np.concatenate([near, np.nextafter(near, number(np.inf)), np.nextafter(near, number(-np.inf))])
    for mode in ("nearest_even", "to_odd", "toward_negative"):
        wanted = cuts.search(x.astype(np.float64), fmt, reference.policy(fmt, mode))
        for engine in ("numpy", "kernel"):
            assert (numfmt.encode(x, fmt, rounding=mode, engine=engine) == wanted).all()


def cut_points(fmt, mode):
    return cuts.cut_points(fmt, reference.policy(fmt, mode)).cuts.tolist()


def test_codes_of_integers_and_of_other_dtypes():
    for dtype in (np.int8, np.int32, np.int64, np.float16, np.longdouble):
        x = np.arange(-3, 4).astype(dtype)
        assert numfmt.encode(x, "nf4").tolist() == [0, 0, 0, 7, 15, 15, 15]
        assert numfmt.encode(x, "dyn8").tolist() == [0, 0, 0, 127, 255, 255, 255]


@pytest.mark.parametrize("spec", ["nf4", "dyn8", "codebook[values=[-1e+300,0.1]]"])
def test_the_dtype_of_values(spec):
    held = np.float64 if "300" in spec else np.float32
    assert numfmt.decode([0, 1], spec).dtype == held
    assert numfmt.cast(F32([0.3]), spec).dtype == held
    assert numfmt.cast(np.float16([0.3]), spec).dtype == held
    if held is np.float64:
        with pytest.raises(ValueError, match="float32 does not hold every value"):
            numfmt.cast([0.3], spec, dtype=F32)
    assert numfmt.cast(np.float16([0.3]), "codebook[values=[-1,0.5]]").dtype == np.float16


@pytest.mark.parametrize("spec", ["nf4", "dyn8"])
def test_threads_change_no_bit(spec, monkeypatch):
    x = np.resize(hard(spec, 0), 3_000_017)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        found.append((numfmt.cast(x, spec).tobytes(), numfmt.encode(x, spec).tobytes()))
    assert found[0] == found[1] == found[2]
