"""The one place that imports torchvision.

torchvision's compiled operators are built for one build of torch. With another build of the same
version (a CPU build of torch, say, with the CUDA build of torchvision), the compiled library does
not load and `import torchvision` fails in its Python code, which attaches a shape function to
`torchvision::nms`: "operator torchvision::nms does not exist". Networks, weights and transforms
use none of those operators. So, only when the plain import fails for that reason, the two operators
that torchvision touches while it is imported are declared first. Calling them still fails, as it
must. Users with a matching pair never get here.
"""

import importlib
import sys
from types import ModuleType

import torch

_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """Import torchvision, even with a torch that its compiled operators were not built for.

    Raises:
        ImportError, RuntimeError: torchvision is missing, or broken for another reason.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported
    for name, schema in _OPERATORS.items():
        torch.library.define(name, schema)
    return importlib.import_module("torchvision")


torchvision = import_torchvision()
