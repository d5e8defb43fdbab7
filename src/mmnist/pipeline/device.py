"""The device that computes, and its number format."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmnist.config.schema import ComputeSettings
from mmnist.errors import InputError
from mmnist.machine import cpu_name

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Hardware:
    """A device and the number format of the network's arithmetic on it."""

    device: torch.device
    precision: str
    """fp32, bf16 or fp16."""

    @property
    def description(self) -> str:
        """Name of the device, such as `CPU (AMD EPYC 9R14, AVX512), 2 threads`."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        threads = torch.get_num_threads()
        kind = ", ".join(filter(None, [cpu_name(), torch.backends.cpu.get_cpu_capability()]))
        return f"CPU ({kind}), {threads} thread{'' if threads == 1 else 's'}"

    def autocast(self) -> torch.autocast:
        """Context in which the network computes in `precision`."""
        enabled = self.precision != "fp32"
        dtype = _DTYPES[self.precision] if enabled else None
        return torch.autocast(self.device.type, dtype=dtype, enabled=enabled)


def choose_hardware(settings: ComputeSettings) -> Hardware:
    """Resolve `auto` for this machine.

    Raises:
        InputError: the settings ask for CUDA where there is none, or for bf16 on a GPU without it.
    """
    device = _device(settings.device)
    torch.backends.cudnn.allow_tf32 = False  # else convolutions in fp32 have mantissas of 10 bits
    precision: str = settings.precision
    if precision == "auto":
        precision = _fastest_precision(device)
    elif precision == "bf16" and device.type == "cuda" and not has_bf16(device):
        raise InputError("compute.precision: this GPU has no bf16; use fp16, fp32 or auto")
    return Hardware(device, precision)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    elif name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "compute.device is cuda, but torch finds no usable CUDA device "
            f"(torch {torch.__version__}); use --device cpu or auto, and see `mmnist doctor`"
        )
    return torch.device(name)


def _fastest_precision(device: torch.device) -> str:
    if has_bf16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "fp32"


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a CPU tensor to the device; the copy to CUDA is asynchronous."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices natively (a CPU: with AVX-512 BF16 or AMX)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
