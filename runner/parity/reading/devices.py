"""Which class of device a runtime names, and how many of the layers are on it. Pure.

A class is read only from the forms in which runtimes name a device that they use. Words beside it, such as `idle`,
`off` or `fell back`, may say that it was not used, and then the class is not known.
"""

import re
from collections.abc import Iterator, Mapping

from parity.records import Scalar

DEVICE_CLASSES = (
    "cpu",
    "cuda",
    "metal",
    "vulkan",
    "rocm",
    "sycl",
    "opencl",
    "cann",
    "musa",
    "xpu",
    "npu",
    "tpu",
    "gpu",
)
"""Classes of devices. `gpu` is one of which only that is known; in `when.device` it is every class but `cpu`."""

_CALLED = {
    "mtl": "metal",
    "mps": "metal",
    "hip": "rocm",
    "level_zero": "sycl",
    **{name: name for name in DEVICE_CLASSES},
}

_AROUND = frozenset(
    {
        *("device", "devices", "deviceid", "cudadevice", "metaldevice", "cpudevice", "backend", "gpus"),
        *("torch", "tfrt", "id", "index", "type"),
    }
)
"""Words of the notations `Device(gpu, 0)`, `device(type='cuda', index=0)`, `Metal(MetalDevice(DeviceId(1)))`."""

_MAKES = frozenset(
    {
        *("nvidia", "geforce", "rtx", "gtx", "tesla", "quadro", "titan", "ti", "super", "laptop", "sxm", "pcie", "nvl"),
        *("hbm", "amd", "radeon", "rx", "xt", "xtx"),
        *("instinct", "radv", "navi", "apple", "pro", "max", "ultra", "intel", "arc", "iris", "xe", "uhd", "graphics"),
        *("core", "xeon", "ryzen", "epyc", "qualcomm"),
        *("adreno", "arm", "mali", "r", "tm"),
    }
)
"""Words in the names of devices."""

_MODEL = re.compile(r"[a-z]{0,4}\d+[a-z]{0,4}\d*")
"""`H100`, `80GB`, `M1`, `gfx1100`, or an index."""

_SPLIT = re.compile(r"[\s()\[\],:'\"./+&-]+|(?<=cpu)_|(?<=tfrt)_")

_NO_GPU_HERE = re.compile(r"cpu \(no [a-z]+\b[^()]*\)")

_DENIES = frozenset(
    {
        *("no", "not", "non", "without", "never", "mixed", "idle", "partly", "disabled", "unavailable", "off"),
        *("failed", "missing"),
    }
)


def device_class(reported: Scalar) -> str | None:
    """The class of a device as a runtime names it: `cuda:0` is `cuda`, `CPU (no Metal here)` is `cpu`. None where the
    text names no class, or several, or says anything that isn't a name of a device."""
    text = str(reported or "").strip().casefold()
    if _NO_GPU_HERE.fullmatch(text):
        return "cpu"
    words = [word for word in _SPLIT.split(re.sub(r"\b(id|index|type)=", " ", text)) if word]
    if len(words) == 2 and words[1] == "cpu" and words[0].isalpha() and words[0] not in {*_DENIES, *_CALLED}:
        return "cpu"
    named = set()
    for word in words:
        if (called := _CALLED.get(word.rstrip("0123456789"))) is not None:
            named.add(called)
        elif word not in _AROUND and word not in _MAKES and not _MODEL.fullmatch(word):
            return None
    if named - {"gpu"} and "cpu" not in named:
        named.discard("gpu")
    return named.pop() if len(named) == 1 else None


_OFFLOADED, _ASKED, _TOTAL = ("offloaded_layers", "offloaded"), ("gpu_layers", "n_gpu_layers"), ("layers", "n_layers")

_ALL, _UNREADABLE = -1, None


def part_of_layers(settings: Mapping[str, Scalar]) -> str | None:
    """How many layers are on the device, such as `10 of 29`, where not all are known to be; None where all are, or
    where nothing is reported of layers. `?` stands for a number that is not known."""
    counts = [_layers(settings[key]) for key in (*_OFFLOADED, *_ASKED) if settings.get(key) is not None]
    if not counts:
        return None
    totals = (total for total in (*(total for _, total in counts), *_totals(settings)) if total is not None)
    total = next(totals, None)
    parts = [count for count, _ in counts if not _is_whole(count, total)]
    read = [count for count in parts if count is not _UNREADABLE]
    if not parts or (not read and any(count not in (_UNREADABLE, _ALL) for count, _ in counts)):
        return None
    return f"{read[0] if read else '?'} of {'?' if total is None else total}"


def _is_whole(count: int | None, total: int | None) -> bool:
    return count is not _UNREADABLE and (count < 0 or (total is not None and count >= total))


def _totals(settings: Mapping[str, Scalar]) -> Iterator[int | None]:
    return (_whole(settings[key]) for key in _TOTAL if settings.get(key) is not None)


def _layers(value: Scalar) -> tuple[int | None, int | None]:
    """`offloaded 10/29 layers to GPU` → 10 and 29; a number alone has no total; `all` is a negative number."""
    if isinstance(value, str):
        pattern = r"(?:offloaded\s+)?(\d+)\s*(?:/|(?:out )?of)\s*(\d+)\s*(?:layers)?(?: to (?:the )?gpu)?"
        if match := re.fullmatch(pattern, value.strip().casefold()):
            return int(match[1]), int(match[2])
        if value.strip().casefold() == "all":
            return _ALL, None
    return _whole(value), None


def _whole(value: Scalar) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return int(number) if number is not None and number.is_integer() else None
