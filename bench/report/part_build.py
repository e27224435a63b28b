"""Builds what the other parts run: the benchmarks, and the tests if they are wanted."""
import json
import os
import pathlib
import re
import shutil
import time

import machine
from processes import run

BENCHMARKS = ["bench_ceilings", "bench_layers", "bench_step", "bench_profile"]


def program(build, name):
    """Where the program is, or None where it was not built."""
    path = pathlib.Path(build) / ("tests" if name == "imago_tests" else "bench") / name
    return path if path.exists() else None


def configure_command(context):
    command = ["cmake", "-S", context.root, "-B", context.build, "-DCMAKE_BUILD_TYPE=Release",
               "-DIMAGO_BENCH=ON", "-DIMAGO_EXAMPLES=ON", f"-DIMAGO_CPU_ISAS={machine.instruction_set()}"]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    if context.headers:
        command.append(f"-DCMAKE_PREFIX_PATH={pathlib.Path(context.headers).resolve()}")
    if shutil.which("ccache"):
        command.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    if context.device == "cuda":
        capability = context.machine["gpu"].get("compute_cap", "9.0").replace(".", "")
        command += ["-DIMAGO_CUDA=ON", "-DIMAGO_SIMT=OFF", f"-DCMAKE_CUDA_ARCHITECTURES={capability}-real"]
    else:
        command += ["-DIMAGO_CUDA=OFF", f"-DIMAGO_SIMT={'ON' if context.device == 'simt' else 'OFF'}"]
    return [str(c) for c in command]


def slowest_steps(build, since, count=8):
    """The longest of the commands that ninja ran."""
    log = pathlib.Path(build) / ".ninja_log"
    if not log.exists() or log.stat().st_mtime < since:
        return []
    steps = {}
    for line in log.read_text().splitlines()[1:]:
        begin, end, _, output, _ = line.split("\t")
        steps[re.sub(r"^.*\.dir/", "", output)] = (int(end) - int(begin)) / 1000
    return sorted(steps.items(), key=lambda step: -step[1])[:count]


def run_part(context, store, deadline):
    result = {"configure": configure_command(context), "jobs": machine.threads()}
    store.put("build", result)
    began = time.time()
    configured = run(result["configure"], deadline)
    result["configure_seconds"] = configured.seconds
    if not configured.good:
        result["failed"] = f"cmake: {configured.why()}"
        result["log"] = configured.output[-4000:]
        return store.put("build", result)
    targets = BENCHMARKS + (["imago_tests"] if "test" in context.parts else [])
    # -k: what does not compile takes nothing else with it.
    keep_going = ["-k", "0"] if (pathlib.Path(context.build) / "build.ninja").exists() else ["-k"]
    built = run(["cmake", "--build", context.build, "-j", str(machine.threads()), "--target", *targets, "--",
                 *keep_going], deadline)
    result["seconds"] = built.seconds
    result["slowest"] = slowest_steps(context.build, began)
    result["missing"] = [name for name in targets if not program(context.build, name)]
    if not built.good:
        result["failed"] = built.why()
        result["log"] = "\n".join(line for line in built.output.splitlines() if "error" in line.lower())[-4000:]
    store.put("build", result)
