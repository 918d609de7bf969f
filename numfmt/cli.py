"""The command line: `nfmt`, or `python -m numfmt`.

Exit status: 0, 1 for a failure (an unreadable file, a value that a format cannot take), 2 for
bad use (an unknown name among it), 130 after Ctrl-C. Results go to stdout, all else to stderr.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ._version import __version__
from .errors import SpecError
from .registry import ALIASES, RECIPES, element, list_formats, parse
from .rounding import MODES, rounding_mode
from .scaled import ScaledFormat

if TYPE_CHECKING:
    from .format import Format, Value
    from .measurement import BlockJob, Job
    from .table import Table
    from .tensors import Tensor
    from .vectors import Report, Request, Vectors

BUNDLED = Path(__file__).parent / "data" / "minilm_layer2.npz"
FORMATS = "f16,bf16,tf32,e5m2,e4m3fn,e3m2fn,e2m1fn"
FIGURES = (".png", ".svg", ".pdf")
_KEYWORD = re.compile(r"(?<!\S)(index|nan|overflow|rounding|seed)= ?")  # of the library, in its errors
WIDEST = 16  # bits of a format whose values are listed


class UsageError(ValueError):
    """A command line that asks for what cannot be."""


class Commands(TyperGroup):
    """All commands, with one way to fail."""

    def invoke(self, ctx: Any) -> Any:
        with _reporting():
            return super().invoke(ctx)


@contextmanager
def _reporting() -> Iterator[None]:
    """Errors become one line on stderr and an exit status."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        _abandon_stdout()
        raise typer.Exit(128 + signal.SIGPIPE) from None
    except (SpecError, UsageError) as error:
        raise _failure(error, 2) from None
    except (OSError, ValueError, TypeError, ImportError, ArithmeticError, MemoryError) as error:
        raise _failure(error, 1) from None


def _failure(error: Exception, status: int) -> typer.Exit:
    text = _in_commands(str(error)) or "not enough memory"
    typer.secho(f"nfmt: {text}", err=True, fg=typer.colors.RED)
    return typer.Exit(status)


def _in_commands(text: str) -> str:
    """What the library says of its keywords and functions, in options and commands."""
    return _KEYWORD.sub(r"--\1 ", text).replace("numfmt.list_formats()", "nfmt formats")


def _abandon_stdout() -> None:
    """The reader went away: let what is still buffered go nowhere, silently."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Numeric formats, bit for bit: values, rounding, and what each format makes of your tensors.",
)  # fmt: skip


def _complete_format(incomplete: str) -> list[str]:
    """Completes the last name of a list with commas."""
    head, comma, last = incomplete.rpartition(",")
    return [head + comma + name for name in [*list_formats(), *ALIASES] if name.startswith(last.lower())]


def _complete_rounding(incomplete: str) -> list[str]:
    return [name for name in MODES if name.startswith(incomplete.lower())]


FormatArgument = Annotated[
    str, typer.Argument(metavar="FORMAT", help="Such as bf16, q3.4 or int8.", autocompletion=_complete_format)
]
RoundingOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODE", help="Such as toward_zero or stochastic.", autocompletion=_complete_rounding
    ),
]
OverflowOption = Annotated[
    str | None, typer.Option(metavar="POLICY", help="Such as saturate or wrap; by default the format's own.")
]
NanOption = Annotated[
    str | None,
    typer.Option(metavar="NUMBER|max|min", help="What NaN becomes in a format without one, such as int8."),
]
SeedOption = Annotated[int | None, typer.Option(metavar="N", help="Of stochastic rounding, from 0 on.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"numfmt {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def compare(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help=".npy, .npz, .safetensors or .gguf; by default bundled tensors."),
    ] = None,
    formats: Annotated[
        str, typer.Option(help="Specs, with commas.", autocompletion=_complete_format)
    ] = FORMATS,
    tensor: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these names.")] = None,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png|svg|pdf", help="Draw a figure.")] = None,
) -> None:
    """What formats make of tensors: range, error, overflow and underflow."""
    from .comparison import compare_tensors

    _check_one(as_json, as_csv)
    _check_figure(plot)
    jobs = _jobs(formats, rounding, overflow, seed)
    if plot is not None and any(isinstance(job.fmt, ScaledFormat) for job in jobs):
        raise UsageError("--plot draws element formats; leave scaled formats out of --formats")
    chosen, patterns = files or [BUNDLED], tensor or ["*"]
    table = compare_tensors(_selected(chosen, patterns), jobs)
    _print_table(table, patterns, as_json, as_csv)
    if plot is not None:
        from . import plotting

        plotting.comparison(_selected(chosen, patterns), [job.fmt for job in jobs], plot)


@app.command()
def calibrate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help=".npy, .npz, .safetensors or .gguf; by default bundled tensors."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Of a code, 2 to 16.")] = 8,
    methods: Annotated[str | None, typer.Option(help="Names, with commas; by default all.")] = None,
    tensor: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these names.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png|svg|pdf", help="Draw a figure of one tensor.")
    ] = None,
) -> None:
    """Where methods of calibration clip tensors, and what that costs."""
    from .calibration.methods import MOST_BITS
    from .calibration.thresholds import Thresholds, compare_thresholds, method_list

    _check_one(as_json, as_csv)
    _check_figure(plot)
    if not 2 <= bits <= MOST_BITS:
        raise UsageError(f"--bits takes an integer from 2 to {MOST_BITS}, got {bits}")
    names, chosen, patterns = method_list(methods), files or [BUNDLED], tensor or ["*"]
    tables = [compare_thresholds({t.name: t.whole()}, bits, names) for t in _selected(chosen, patterns)]
    if plot is not None and len(tables) > 1:
        raise UsageError(f"--plot draws one tensor, there are {len(tables)}; choose one with --tensor")
    _print_table(Thresholds(tuple(row for table in tables for row in table)), patterns, as_json, as_csv)
    if plot is not None:
        from . import plotting

        plotting.thresholds(_selected(chosen, patterns), plot, bits=bits, methods=methods)


def _print_table(table: Table[Any], patterns: Sequence[str], as_json: bool, as_csv: bool) -> None:
    if not len(table) and "*" in patterns:
        raise UsageError("there is no tensor in what was given; name a file that holds some")
    if not len(table):
        raise UsageError(f"no tensor has a name like {' or '.join(patterns)}; leave --tensor out to see all")
    print((table.to_json() if as_json else table.to_csv() if as_csv else str(table)).rstrip("\n"))


def _jobs(formats: str, rounding: str | None, overflow: str | None, seed: int | None) -> list[Job | BlockJob]:
    from .comparison import format_list
    from .measurement import job_of

    _check_seed(rounding, seed)
    return [job_of(fmt, rounding, overflow, None, seed) for fmt in format_list(formats)]


def _selected(files: Sequence[Path], patterns: Sequence[str]) -> Iterator[Tensor]:
    """The tensors of files whose names match a pattern; with many files, FILE:NAME names them."""
    from .tensors import read

    def wanted(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    for file in files:
        for tensor in read(file, wanted):
            yield tensor._replace(name=f"{file.name}:{tensor.name}") if len(files) > 1 else tensor


def _check_one(*given: bool) -> None:
    if sum(given) > 1:
        raise UsageError("--json and --csv exclude each other; give one of them")


def _check_figure(plot: Path | None) -> None:
    if plot is not None and plot.suffix.lower() not in FIGURES:
        raise UsageError(f"--plot {plot}: the name of a figure ends in {', '.join(FIGURES)}")
    if plot is not None and not plot.parent.is_dir():
        raise UsageError(f"--plot {plot}: there is no folder '{plot.parent}'; make it first")


def _check_seed(rounding: str | None, seed: int | None) -> None:
    mode = rounding_mode(rounding)
    if mode.stochastic and seed is None:
        raise UsageError(f"--rounding {mode.name} needs --seed, an integer from 0 on")
    if seed is not None and not 0 <= seed < 1 << 64:
        raise UsageError(f"--seed takes an integer from 0 to 2**64 - 1, got {seed}")


@app.command()
def info(fmt: FormatArgument, as_json: JsonOption = False) -> None:
    """Range, precision and special codes of a format."""
    from .limits import finfo

    limits = finfo(fmt)
    print(_json(limits.to_dict()) if as_json else limits)


@app.command()
def formats(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """All named formats."""
    _emit([_format_line(name) for name in list_formats()], as_json, as_csv, left=("name", "also"))


def _format_line(name: str) -> dict[str, Any]:
    from .learned import Learned
    from .limits import LARGE, finfo

    form = parse(name)
    own = form.of if isinstance(form, ScaledFormat) else form
    bits = form.bits_per_element(LARGE) if isinstance(form, ScaledFormat) else form.bits
    limits = None if isinstance(form, Learned) else finfo(name)
    return {
        "name": name,
        "bits": round(bits, 3),
        "max": own.end_text(limits.max) if limits else "learned",
        "smallest": f"{float(limits.smallest_subnormal):.6g}" if limits else "learned",
        "inf": "-" if own.infinity() is None else "yes",
        "nan": "-" if own.nan() is None else "yes",
        "also": ", ".join([*(a for a, o in ALIASES.items() if o == name), *RECIPES.get(name, ())][:2]),
    }


@app.command(context_settings={"ignore_unknown_options": True})
def explain(
    numbers: Annotated[
        list[str],
        typer.Argument(
            metavar="NUMBER...",
            help="Taken as exact: 0.1, -1e-3, 1/3, 0x1.8p-3, inf, nan. Several, as float64, share scales.",
        ),
    ],
    fmt: FormatArgument,
    index: Annotated[
        int | None, typer.Option(metavar="N", help="Which of several, counted from 0; mxfp4 and its like.")
    ] = None,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """What rounding one number to a format does, and why."""
    from . import explanation

    _check_seed(rounding, seed)
    keywords = {"rounding": rounding, "overflow": overflow, "nan": _nan(nan), "seed": seed}
    result = explanation.explain(_one_or_block(numbers, fmt), fmt, index=index, **keywords)
    print(_json(result.to_dict()) if as_json else result)


def _one_or_block(numbers: Sequence[str], fmt: str) -> Any:
    """A literal as it is, or numbers that share scales."""
    values, form = [_exact(number) for number in numbers], parse(fmt)
    if len(values) == 1:
        return numbers[0]
    if not isinstance(form, ScaledFormat) or not form.has_blocks:
        raise UsageError(f"'{form}' has no blocks: give one number, there are {len(values)}")
    from .casting import cast

    return [cast(value, "f64") for value in values]


@app.command()
def cast(
    source: Annotated[Path, typer.Argument(metavar="IN.npy", help="Or another file with one tensor.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.npy", help="May be IN.npy itself; .npz or .safetensors for codes with scales."
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", autocompletion=_complete_format)],
    codes: Annotated[bool, typer.Option("--codes", help="Write codes in place of values.")] = False,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    seed: SeedOption = None,
) -> None:
    """Round a tensor to a format and write it, whole or not at all."""
    from .tensors import read, rounded, write_npy

    _check_seed(rounding, seed)
    form = parse(to)
    if isinstance(form, ScaledFormat):
        _check_scaled(form, target, codes)
    elif form.exceeds_float64 and not codes:
        raise UsageError(f"no float holds every value of '{form}'; --codes writes its codes")
    tensors = list(read(source))
    if len(tensors) != 1:
        raise UsageError(f"'{source}' holds {len(tensors)} tensors, cast takes one; save it as .npy first")
    keywords = {"rounding": rounding, "overflow": overflow, "nan": _nan(nan), "seed": seed}
    if isinstance(form, ScaledFormat):
        _cast_whole(tensors[0], form, target, codes, keywords)
        return
    dtype, pieces = rounded(tensors[0], form, codes=codes, **keywords)
    write_npy(target, tensors[0].array.shape, dtype, pieces)


def _check_scaled(form: ScaledFormat, target: Path, codes: bool) -> None:
    from .blocks import SharedScale
    from .learned import Learned
    from .storage import KINDS

    if codes and not isinstance(form, SharedScale):
        kept = (
            "learned levels lie in no file"
            if isinstance(form, Learned)
            else "scales lie in .gguf files alone"
        )
        raise UsageError(f"codes of '{form}' cannot be written, {kept}; leave --codes out for values")
    if codes and target.suffix.lower() not in KINDS:
        raise UsageError(f"--codes of '{form}' come with scales: name an output of {' or '.join(KINDS)}")


def _cast_whole(
    tensor: Tensor, form: ScaledFormat, target: Path, codes: bool, keywords: dict[str, Any]
) -> None:
    """Values as `.npy`; codes and scales as a `BlockArray` is saved."""
    from .tensors import write_npy

    x = tensor.whole()
    if codes:
        form.encode(x, **keywords).save(target)
        return
    given = {key: value for key, value in keywords.items() if value is not None}
    values = form.cast(x, **given).reshape(-1)
    write_npy(target, x.shape, values.dtype, [values])


def _nan(text: str | None) -> Any:
    """What NaN becomes: "max", "min" or an exact number."""
    return text if text is None or text in ("max", "min") else _exact(text)


def _exact(text: str) -> Value:
    """A literal as it is written."""
    from .reference import exact

    try:
        return exact(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


@app.command()
def values(fmt: FormatArgument, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """Every code of a format of up to 16 bits, with its bits and its value."""
    form = element(fmt)
    if form.bits > WIDEST:
        raise UsageError(f"'{form}' has 2**{form.bits} codes; values lists formats of up to {WIDEST} bits")
    _check_one(as_json, as_csv)
    _emit([_value_line(form, code) for code in form.codes() if code != form.left_out], as_json, as_csv)


def _value_line(fmt: Format, code: int) -> dict[str, Any]:
    from .notation import hexadecimal, split_bits

    return {
        "code": fmt.outward(code),
        "hex": hexadecimal(code, fmt.bits),
        "bits": split_bits(code, fmt),
        "value": float(fmt.value(code)),
    }


OpOption = Annotated[str | None, typer.Option("--op", metavar="NAME", help="Such as mul, fma or cast.")]
FormOption = Annotated[
    str | None, typer.Option("--form", metavar="NAME", help="Such as testfloat, memh, tv, csv or sv.")
]
OperandsOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="Of the operands, one or one for each with commas.",
        autocompletion=_complete_format,
    ),
]
FtzOption = Annotated[str | None, typer.Option(metavar="before|after", help="Tiny results become zeros.")]
DazOption = Annotated[bool, typer.Option("--daz", help="Subnormal operands are zeros.")]
TininessOption = Annotated[str | None, typer.Option(metavar="before|after", help="When a result is tiny.")]
NanProfileOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose NaN results are, such as riscv or x86.")
]
VariantOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of min and max, such as ieee2019 or riscv.")
]
ProfileOption = Annotated[str | None, typer.Option(metavar="x86|arm|riscv", help="Of to_int, out of range.")]
LengthOption = Annotated[int | None, typer.Option(metavar="K", help="Products of a dot.")]
UnitOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Matrix unit of a dot, such as nvidia_h100_bf16.")
]
OrderOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of the sum of a dot, such as pairwise.")
]
AccumulatorOption = Annotated[str | None, typer.Option(metavar="FORMAT", help="Of the sum of a dot.")]
StageOption = Annotated[str | None, typer.Option(metavar="double|single|neon", help="How requantize rounds.")]
ExactOption = Annotated[
    bool | None, typer.Option("--exact/--not-exact", help="Whether roundings to integers raise inexact.")
]


@app.command()
def vectors(
    op: Annotated[str, typer.Option("--op", metavar="NAME", help="Such as mul, fma or cast.")],
    fmt: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="Of the result.", autocompletion=_complete_format),
    ],
    operands: OperandsOption = None,
    rounding: Annotated[str | None, typer.Option(metavar="MODES", help="Such as rne,rtz.")] = None,
    overflow: OverflowOption = None,
    ftz: FtzOption = None,
    daz: DazOption = False,
    tininess: TininessOption = None,
    nan_profile: NanProfileOption = None,
    variant: VariantOption = None,
    profile: ProfileOption = None,
    exact: ExactOption = None,
    length: LengthOption = None,
    unit: UnitOption = None,
    order: OrderOption = None,
    accumulator: AccumulatorOption = None,
    stage: StageOption = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of random operands.")] = 0,
    count: Annotated[int | None, typer.Option(metavar="N", help="Vectors a mode.")] = None,
    form: FormOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a pack.")] = None,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Write vectors of one mode to standard output.")
    ] = False,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="A small pack that covers and catches as much.")
    ] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Print what classes are covered.")] = False,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Print which planted bugs are caught, by which vector; 1 if one lives."),
    ] = False,
) -> None:
    """Golden vectors of an operation, for hardware and its tests."""
    from .vectors import request

    if sum((out is not None, stdout, coverage, audit)) != 1:
        raise UsageError("give one of --out, --stdout, --coverage and --audit")
    asked = request(
        op, fmt, operands=_specs(operands), rounding=rounding, seed=seed, count=count, overflow=overflow, ftz=ftz,
        daz=daz or None, tininess=tininess, nan_profile=nan_profile, variant=variant, profile=profile, exact=exact, length=length, unit=unit, order=order, accumulator=accumulator, stage=stage,
    )  # fmt: skip
    if coverage or audit:
        _print_vectors(asked, minimal, audit)
    elif out is not None:
        _write_vectors(asked, minimal, form or "testfloat", out)
    else:
        _stream_vectors(asked, minimal, form or "testfloat")


def _specs(text: str | None) -> tuple[str, ...] | None:
    from .comparison import format_list

    return None if text is None else tuple(map(str, format_list(text)))


def _made(asked: Request, minimal: bool) -> Vectors:
    from .testing import audit
    from .vectors.batch import concatenated
    from .vectors.generation import chunks

    whole = concatenated(list(chunks(asked)))
    return audit.minimal(whole) if minimal else whole


def _print_vectors(asked: Request, minimal: bool, audited: bool) -> None:
    from .testing import audit
    from .vectors import coverage

    made = _made(asked, minimal)
    if not audited:
        print(coverage(made))
        return
    found = audit.run(made)
    print(found)
    if not found:
        raise typer.Exit(1)


def _write_vectors(asked: Request, minimal: bool, form: str, out: Path) -> None:
    from .vectors import write
    from .vectors.choosing import Chosen

    small = _made(asked, True) if minimal else None
    total = len(Chosen(asked)) * len(asked.rounding) if small is None else len(small)
    with _progress(f"{asked.op} in {asked.fmt}", total) as advance:
        told = write(out, asked if small is None else small, form, progress=advance)
    for entry in told["files"]:
        print(f"{entry['sha256'][:16]}  {entry['vectors']:>9}  {out / entry['name']}")


def _stream_vectors(asked: Request, minimal: bool, form: str) -> None:
    from .vectors.writing import generated, held, stream_to

    if len(asked.rounding) > 1:
        raise UsageError("--stdout writes one rounding mode; give one, or --out")
    source = held(_made(asked, minimal)) if minimal else generated(asked)
    stream_to(sys.stdout.buffer, source, 0, form)
    sys.stdout.buffer.flush()


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@app.command()
def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Vectors of others: a file, a pack, or standard input.")
    ],
    op: Annotated[
        str | None, typer.Option("--op", metavar="NAME", help="Such as mul, or TestFloat's f32_mulAdd.")
    ] = None,
    fmt: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", autocompletion=_complete_format)
    ] = None,
    operands: OperandsOption = None,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    ftz: FtzOption = None,
    daz: DazOption = False,
    tininess: TininessOption = None,
    nan_profile: NanProfileOption = None,
    variant: VariantOption = None,
    profile: ProfileOption = None,
    exact: ExactOption = None,
    length: LengthOption = None,
    unit: UnitOption = None,
    order: OrderOption = None,
    accumulator: AccumulatorOption = None,
    stage: StageOption = None,
    form: FormOption = None,
    nan_bits: Annotated[bool, typer.Option("--nan-bits", help="The bits of NaN results count.")] = False,
) -> None:
    """Compare vectors of others with numfmt; exit status 1 if some differ."""
    from .vectors import check

    choices = {
        "operands": _specs(operands), "rounding": rounding, "overflow": overflow, "ftz": ftz, "daz": daz or None,
        "tininess": tininess, "nan_profile": nan_profile, "variant": variant, "profile": profile, "exact": exact, "length": length, "unit": unit, "order": order, "accumulator": accumulator, "stage": stage,
    }  # fmt: skip
    given = {name: value for name, value in choices.items() if value is not None}
    with _progress(f"checking {file}", None) as advance:
        report = check(file, op, fmt, form=form, nan_bits=nan_bits, progress=advance, **given)
    print(report)
    if not report:
        _print_suspects(report)
        raise typer.Exit(1)


def _print_suspects(report: Report) -> None:
    from .testing.mutants import suspects
    from .vectors.checking import kept

    for part in kept(report):
        codes = part["result"]
        for found in suspects(
            part.request, part.rounding[0], part.operands, codes, part.columns.get("flags")
        )[:3]:
            print(f"perhaps ({part.request.op}, {part.rounding[0]}): {found}")


def _emit(rows: Sequence[dict[str, Any]], as_json: bool, as_csv: bool, left: Sequence[str] = ()) -> None:
    """Rows with the same keys as JSON, as CSV, or aligned."""
    _check_one(as_json, as_csv)
    if as_json:
        print(_json(rows))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print("\n".join(_table(rows, left)))


def _table(rows: Sequence[dict[str, Any]], left: Sequence[str]) -> Iterable[str]:
    """A line of headings and a line a row; numbers to the right."""
    lines = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = ["<" if key in left else ">" for key in rows[0]]
    for line in lines:
        cells = zip(line, sides, widths, strict=True)
        yield "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()


def _json(x: Any) -> str:
    """JSON has no NaN and no infinity: they are the strings "nan", "inf" and "-inf"."""
    return json.dumps(_plain(x), indent=2, allow_nan=False)


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    if isinstance(x, list):
        return [_plain(value) for value in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def main() -> None:
    """The entry point; a polite kill cleans up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app()
