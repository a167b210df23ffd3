"""Measure what a machine with a GPU makes of rmod, in a time that is given: encoding, building, training.

    python benchmarks/gpu.py --part all --minutes 10 --out OUT

- encode: seconds of audio per second that a full-size DAC encodes, by precision, batch and layout, beside the matrix
  products of the machine; which setting should be the default.
- build: pairs per second of `rmod build` with tokens on all cores, who waits for whom, whether the tokens are equal.
- codec: the small codec trained with its adversarial losses, and its figures on held-out sounds.
- dose: a DOSE model trained on the pairs of `build`, in bf16 on a GPU, and its distance to the true one-shots.

OUT/gpu.json and OUT/gpu.md are written anew after every figure. A part that runs over is ended, one that fails is
named, and the next begins. The minutes count from the start of the script, imports included. Exits with 0 if all was
measured, with 1 if something was skipped or has failed. On a machine without a GPU it measures the CPU.
benchmarks/gpu_bundle.py packs what it needs for a machine without a network.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from gpu_parts.clock import STARTED, Clock, OutOfTimeError, grace_of, raise_on_signals, run_limited, share_out
from gpu_parts.files import clear, read_bundle
from gpu_parts.options import (
    FULL_SIZE,
    PARTS,
    Options,
    check_minutes,
    check_space,
    choose_device,
    choose_parts,
    claim_work,
    refuse_inside,
    require_folder,
)
from gpu_parts.results import DONE, RUNNING, Results

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.library.manifest import BUILTIN, load_library
from rmod_pipeline.storage.process_identity import available_cores
from rmod_pipeline.storage.writing import check_writable_folder

RUNNERS = {"encode": "run_encode", "build": "run_build_part", "codec": "run_codec", "dose": "run_dose"}
"""The function of each part, in the module of its name."""

WORK_BYTES = {False: 8e9, True: 0.3e9}
"""Room that a full run and a miniature need."""


def main() -> int:
    options, alone = parse()
    try:
        choices = check(options)
        if alone is not None:
            return run_alone(choices, *alone)
        return run_all(choices)
    except RmodError as error:
        print(error, file=sys.stderr)
        return 2


def parse() -> tuple[argparse.Namespace, tuple[str, float] | None]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", default=[], metavar="NAME", help=f"{', '.join(PARTS)} or all")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts together")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and checkpoints")
    parser.add_argument("--work", type=Path, help="folder for data sets and the like; default: work, beside OUT")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, help="processes that render; default: all cores")
    parser.add_argument("--library", help="a manifest or builtin; default: that of the bundle, or builtin")
    parser.add_argument("--codec", action="append", help=f"to build with, repeatable; default: {FULL_SIZE} and mini")
    parser.add_argument("--data", type=Path, help="a data set with tokens to train DOSE on; default: that of build")
    parser.add_argument("--test", type=Path, help="a data set to evaluate on; default: that of the bundle, or of build")
    parser.add_argument("--against", type=Path, help="a checkpoint to compare the trained model with")
    parser.add_argument("--bundle", type=Path, help="a folder that gpu_bundle.py made; default: where this script lies")
    parser.add_argument("--miniature", action="store_true", help="all parts in a minute, to see whether they run")
    parser.add_argument("--alone", nargs=2, metavar=("PART", "END"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    alone = options.alone
    return options, None if alone is None else (alone[0], float(alone[1]))


def check(options: argparse.Namespace) -> Options:
    """Return the options, complete and checked. Raises RmodError."""
    parts = choose_parts(options.part)
    check_minutes(options.minutes, parts)
    beside = Path(__file__).resolve().parents[1]
    bundle = options.bundle or (beside if (beside / "bundle.json").is_file() else None)
    library, test, against = options.library or "builtin", options.test, options.against
    if bundle is not None:
        listed = read_bundle(bundle)["files"]
        library = options.library or str(bundle / "library" / "library.csv")
        test = test or (bundle / "test" if "test/build.json" in listed else None)
        against = against or next((bundle / name for name in sorted(listed) if name.startswith("models/")), None)
    if library != BUILTIN:
        load_library(library)
    require_folder("--data", options.data, "build.json", "a data set with tokens")
    require_folder("--test", test, "build.json", "a data set with audio and tokens")
    if against is not None and not against.is_file():
        raise UsageError(f"--against {against}", "there is no such file", "give a checkpoint, such as kick-snare.pth")
    workers = available_cores() if options.workers is None else options.workers
    if workers < 1:
        raise UsageError("--workers", f"{workers} is too small", "give 1 or more")
    device = choose_device(options.device)
    out = options.out.resolve()
    check_writable_folder(out)
    work = (options.work or out.with_name(f"{out.name}-work")).resolve()
    if options.alone is None:
        for option, path in (("--data", options.data), ("--test", test), ("--against", against)):
            refuse_inside(option, path, work)
        claim_work(work)
        check_space(out, work, WORK_BYTES[options.miniature])
    return Options(
        parts=parts, minutes=options.minutes, out=out, work=work, device=device, library=library,
        codecs=tuple(options.codec or (FULL_SIZE, "mini")), workers=workers, data=options.data, test=test,
        against=against, miniature=options.miniature,
    )  # fmt: skip


def run_all(options: Options) -> int:
    """Run each part in a process of its own, which is ended when its time is over; return the exit code."""
    from gpu_parts.machine import describe_machine

    clock = Clock(60 * options.minutes, start=STARTED)
    Results(options.out).describe(
        **describe_machine(options.device), minutes=options.minutes, library=Path(options.library).name,
        miniature=options.miniature,
    )  # fmt: skip
    weights = {part: PARTS[part] for part in options.parts}
    for part in options.parts:
        start = time.monotonic()
        seconds = share_out(clock.left, weights, part)
        Results(options.out, part).begin(seconds)
        # It is to end by itself before it is interrupted, which is before it is killed, all within its share.
        end = start + seconds - 2 * grace_of(seconds)
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", part, f"{end:.3f}"]
        try:
            ran = run_limited(command, max(start + seconds - time.monotonic(), 0.0), own_group=True, show=True)
        except BaseException:
            Results(options.out, part).end("it was ended: the run was stopped", time.monotonic() - start)
            raise
        results = Results(options.out, part)
        if results.own["status"] == RUNNING:
            why = "it was ended: its time was over" if ran.stopped else f"failed: its process ended with {ran.code}"
            results.end(why, time.monotonic() - start)
        print(f"{part}: {results.own['status']}", flush=True)
    parts = [Results(options.out, part) for part in options.parts]
    complete = all(results.is_complete for results in parts)
    print(f"{'All was measured' if complete else 'Not all was measured'}: {options.out / 'gpu.md'}")
    return 0 if complete else 1


def run_alone(options: Options, part: str, end: float) -> int:
    """Run one part in this process until a time of the monotonic clock at most, and record how it ended."""
    results, clock = Results(options.out, part), Clock(end - STARTED, start=STARTED)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background command ignores it
    status = DONE
    try:
        module = importlib.import_module(f"gpu_parts.{part}")
        runner: Callable[[Options, Results, Clock], None] = getattr(module, RUNNERS[part])
        clear(options.work, module.list_measured(options))
        runner(options, results, clock)
    except OutOfTimeError as error:
        results.skip("the rest", str(error))
    except KeyboardInterrupt:
        status = "it was ended: its time was over"
    except SystemExit:
        status = "it was ended by a signal"
    except RmodError as error:
        status = f"failed: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are measured
        traceback.print_exc()
        status = f"failed: {type(error).__name__}: {error}"
    results.end(status, clock.spent)
    return 0 if results.is_complete else 1


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
