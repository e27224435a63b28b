"""What the report was made on and with."""
import os
import pathlib
import platform
import re
import shutil
import subprocess
import time


def output_of(command, timeout=60):
    """What the command prints, or "" where it fails or does not exist."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def processor():
    try:
        info = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine(), set()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    flags = re.search(r"^flags\s*:\s*(.+)$", info, re.M)
    return model[1].strip() if model else platform.machine(), set(flags[1].split()) if flags else set()


def instruction_set():
    """The most that this processor has of the sets that the CPU's kernels are compiled for."""
    _, flags = processor()
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else "baseline"


def gpu():
    """Name, compute capability, driver and memory as nvidia-smi says, or {}."""
    if not shutil.which("nvidia-smi"):
        return {}
    fields = ["name", "compute_cap", "driver_version", "memory.total", "clocks.max.sm"]
    line = output_of(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])
    values = [v.strip() for v in line.splitlines()[0].split(",")] if line else []
    return dict(zip(fields, values)) if len(values) == len(fields) else {}


def threads():
    return len(os.sched_getaffinity(0))


def describe(root, device):
    model, _ = processor()
    dirty = output_of(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    commit = output_of(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"])
    return {
        "device": device, "processor": model, "threads": threads(), "gpu": gpu() if device == "cuda" else {},
        "date": time.strftime("%Y-%m-%d"), "commit": commit + (" with changes" if commit and dirty else ""),
        "load_before": os.getloadavg()[0],
    }


def name_of(description):
    """A folder's name: nvidia_h200, cpu_amd_epyc, simt."""
    what = {"cuda": description["gpu"].get("name", "gpu"), "cpu": "cpu " + description["processor"],
            "simt": "simt"}[description["device"]]
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"\(r\)|\(tm\)|processor|@.*", "", what.lower())).strip("_")


def torch_version(python):
    """PyTorch's version under that interpreter, or "" without."""
    return output_of([python, "-c", "import torch; print(torch.__version__)"])


def library_folders(python):
    """Folders with cuDNN or cuBLAS in Python's packages, for the loader to look into."""
    find = ("import importlib.util as u\n"
            "spec = u.find_spec('nvidia')\n"
            "print('\\n'.join(spec.submodule_search_locations) if spec else '')")
    roots = output_of([python, "-c", find]).splitlines()
    return sorted({str(path.parent) for root in roots for pattern in ("libcudnn.so*", "libcublasLt.so*")
                   for path in pathlib.Path(root).glob(f"*/lib/{pattern}")})
