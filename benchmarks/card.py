"""The truth about a card: what the engine promised, measured on this machine.

    python -m benchmarks.card [--minutes 8] [--json FILE] [--device cuda:0] [--data FOLDER] [--sections memory,speed]

Predicted against measured memory of both stages for both networks and each precision, the 16-bit checks, images per second
against a plain loop in fp32, a real out of memory and the way on, resume against an uninterrupted run, estimated against real
seconds, the cost of DDP with one process and of the live screen.

Each section is a process of its own, so that an error of the card ends that section only. The most important come first; each has
a part of the time, does fewer repetitions when that is over, and passes on what it does not need. On the processor the same is
measured with smaller numbers. Data: --data, else FREEZETUI_BCCD, else a drawn set. Weights: model_data/yolov4-tiny.weights if it
is there, else random ones. Exit code 1 if a measurement failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.card_bench import CARD, PROCESSOR, PROJECT, Bench, now_free
from benchmarks.card_report import Report, read_records
from benchmarks.card_sections import SECTIONS
from engine.dataset.sample_dataset import draw_sample_dataset
from engine.hardware import avoid_broken_amx, probe
from engine.plan import DataSource

LEAST_SECONDS = 12.0
"""A section that would get less is left out: its process needs some seconds before it measures."""
PATIENCE = 1.5
"""A section is ended after so many times its part, as long as the whole stays within --minutes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="of everything together")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--data", metavar="FOLDER", default=os.environ.get("FREEZETUI_BCCD"))
    parser.add_argument("--sections", default=",".join(SECTIONS), help="of " + ",".join(SECTIONS))
    parser.add_argument("--child", choices=tuple(SECTIONS), help=argparse.SUPPRESS)
    parser.add_argument("--records", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return _measure(options)
    names = options.sections.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"--sections: {unknown[0]} is none of {', '.join(SECTIONS)}")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(f"--device: torch cannot use {options.device} here; freezetui probe shows why")
    return _run(options, names)


# The parent


def _run(options: argparse.Namespace, names: Sequence[str]) -> int:
    started = time.monotonic()
    deadline = started + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="freezetui-card") as folder:
        workspace = Path(folder)
        machine = _machine(options.device, workspace)
        for key, value in machine.items():
            print(f"{key}: {value}")
        scale = CARD if options.device.startswith("cuda") else PROCESSOR
        data = (
            str(Path(options.data).expanduser().absolute())
            if options.data
            else str(draw_sample_dataset(workspace / "data", scale.images))
        )
        print(f"data: {options.data or 'a drawn set'}", flush=True)
        result: dict[str, object] = {"machine": machine, "minutes": options.minutes, "data": options.data or "drawn"}
        sections: dict[str, dict[str, object]] = {}
        result["sections"] = sections
        for index, name in enumerate(names):
            left = deadline - time.monotonic()
            shares = sum(SECTIONS[other].share for other in names[index:])
            seconds = left * SECTIONS[name].share / shares
            print(f"\n## {SECTIONS[name].title}\n", flush=True)
            if seconds < LEAST_SECONDS:
                print("left out: no time is left", flush=True)
                sections[name] = {"status": "left out", "seconds": 0.0, "records": []}
            else:
                limit = min(left, PATIENCE * seconds + LEAST_SECONDS)
                sections[name] = _run_section(name, options.device, data, workspace, seconds, limit)
            _write_json(options.json, result)
        result["seconds"] = time.monotonic() - started
        _write_json(options.json, result)
    return _print_summary(sections, time.monotonic() - started)


def _run_section(name: str, device: str, data: str, workspace: Path, seconds: float, limit: float) -> dict[str, object]:
    """Measure one section in a process of its own that prints by itself. It is ended after `limit` seconds."""
    records, started = workspace / f"{name}.jsonl", time.monotonic()
    words = ["--child", name, "--device", device, "--data", data, "--workspace", str(workspace)]
    process = subprocess.Popen(
        [
            sys.executable, "-P", "-m", "benchmarks.card", *words, "--records", str(records), "--seconds", str(seconds),
        ],
        cwd=workspace, env=_child_environment(name, workspace), start_new_session=True,
    )  # fmt: skip
    try:
        code = process.wait(limit)
        status = "done" if code == 0 else f"failed with exit code {code}"
    except subprocess.TimeoutExpired:
        status = f"ended after {limit:.0f} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if status != "done":
        print(f"FAILED: {name}: {status}", flush=True)
    return {"status": status, "seconds": time.monotonic() - started, "records": read_records(records)}


def _child_environment(name: str, workspace: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    # The dry run is to be measured, not read from an earlier one.
    added = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "FREEZETUI_CACHE": str(workspace / "cache")}
    added["KINETO_LOG_LEVEL"] = "9"  # the profiler would print about its start and its end
    if name == "resume":
        added["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # deterministic algorithms of cuBLAS need it
    if name == "oom":
        # Every large tensor in pages of its own, so that on the processor what is freed is free again.
        added["MALLOC_MMAP_THRESHOLD_"] = "65536"
    return {**os.environ, **added}


def _machine(device: str, workspace: Path) -> dict[str, object]:
    """What the figures belong to."""
    hardware = probe(workspace)
    card = hardware.cuda_card(torch.device(device).index or 0) if device.startswith("cuda") else None
    return {
        "device": device,
        "name": hardware.processor.name if card is None else card.name,
        "memory_bytes": hardware.memory.total if card is None else card.memory_total,
        "free_bytes": hardware.memory.available if card is None else card.memory_free,
        "capability": None if card is None or card.capability is None else ".".join(map(str, card.capability)),
        "driver": hardware.driver.version,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if card is not None else None,
        "processor": asdict(hardware.processor),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _write_json(path: Path | None, result: Mapping[str, object]) -> None:
    if path is not None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _print_summary(sections: Mapping[str, Mapping[str, object]], seconds: float) -> int:
    print(f"\n## Summary ({seconds:.0f} s)\n")
    failed = False
    for name, section in sections.items():
        records = section["records"]
        assert isinstance(records, list)
        failures = [record["what"] for record in records if record["kind"] == "failed"]
        failed |= section["status"] not in ("done", "left out") or bool(failures)
        print(f"{name}: {section['status']} ({section['seconds']:.0f} s)")
        for what in failures:
            print(f"  FAILED: {what}")
        for record in records:
            if record["kind"] == "broken":
                print(f"  NOT AS PROMISED: {record['text']}")
    return int(failed)


# The child


def _measure(options: argparse.Namespace) -> int:
    avoid_broken_amx()
    free_before = now_free(options.device, options.workspace)
    if options.device.startswith("cuda"):
        torch.cuda.set_device(options.device)
        torch.zeros(1, device=options.device)
    scale = CARD if options.device.startswith("cuda") else PROCESSOR
    bench = Bench(
        options.device, DataSource(options.data), options.workspace, scale,
        deadline=time.monotonic() + options.seconds, free_before=free_before,
    )  # fmt: skip
    report = Report(options.child, options.records)
    with report.guard(options.child):
        SECTIONS[options.child].measure(bench, report)
    return int(report.failures > 0)


if __name__ == "__main__":
    sys.exit(main())
