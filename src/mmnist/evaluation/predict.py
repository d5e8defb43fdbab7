"""Runs and images → probabilities → Kaggle's CSV."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.evaluation.labelling import check_probabilities_file, check_reads_digits
from mmnist.evaluation.readings import find_digits
from mmnist.files import replacing
from mmnist.models.digit_reader import STRIDE
from mmnist.models.factory import build_model
from mmnist.models.maximum import MaximumNetwork
from mmnist.models.pretraining import read_state_dict
from mmnist.pipeline.batches import Batches, ImageSource
from mmnist.pipeline.device import choose_hardware
from mmnist.pipeline.preprocess import Preprocess
from mmnist.runs import Run
from mmnist.task import CLASSES


def predict_probabilities(
    run: Run,
    images: np.ndarray,
    device: str = "auto",
    progress: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Probabilities float32 [N, 10] that the best weights of a run give to images uint8 [N, H, W].

    Raises:
        InputError: the run has no weights yet, or they do not fit its configuration.
    """
    outputs = _apply(run, images, device, progress, nn.Module.__call__)
    return torch.cat([logits.softmax(1) for logits in outputs]).cpu().numpy()


def mean_probabilities(
    runs: Sequence[Run],
    images: np.ndarray,
    shift: int = 0,
    device: str = "auto",
    progress: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Mean of the probabilities of several runs and of all `shifted_views` of the images.

    Arguments, result and errors as in `predict_probabilities`; `progress` counts each view of an
    image once for each run.
    """
    each = [
        predict_probabilities(run, view, device, progress)
        for run in runs
        for view in shifted_views(images, shift)
    ]
    return np.stack(each).mean(axis=0, dtype=np.float64).astype(np.float32)


def read_digits(
    run: Run,
    images: np.ndarray,
    device: str = "auto",
    progress: Callable[[int], None] = lambda count: None,
) -> pd.DataFrame:
    """The digits that a run reads in images uint8 [N, H, W], with their positions.

    Returns:
        Rows as in `mmnist.evaluation.readings.find_digits`; Id is the index of the image.

    Raises:
        InputError: as in `predict_probabilities`, or the network does not read locations.
    """
    check_reads_digits(run)
    model = run.experiment.model
    stride = STRIDE * images.shape[-1] / run.experiment.resize
    parts, first = [], 0
    for scores in _apply(run, images, device, progress, MaximumNetwork.joint_scores):
        found = find_digits(scores, stride, model.digits, model.angles)
        parts.append(found.assign(Id=found["Id"] + first))
        first += len(scores)
    return pd.concat(parts, ignore_index=True)


def _apply(
    run: Run,
    images: np.ndarray,
    device: str,
    progress: Callable[[int], None],
    function: Callable[[Any, Tensor], Tensor],
) -> Iterator[Tensor]:
    """Results of `function(network, batch)` with the best network of a run, in float32."""
    experiment = run.experiment
    compute = experiment.compute.model_copy(update={"device": device})
    hardware = choose_hardware(compute)
    model = load_best_model(run, experiment).to(hardware.device).eval()
    if compute.channels_last:
        # torch's types lack the keyword without a dtype or device.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = iter(
        Batches(
            ImageSource(images, hardware.device),
            np.arange(len(images)),
            np.zeros(len(images), dtype=np.int64),
            Preprocess.of(experiment),
            batch_size=experiment.train.batch_size,
            workers=compute.workers,
        )
    )

    @torch.inference_mode()  # of each batch: if it enclosed the yield, it would stay on outside
    def next_output() -> Tensor | None:
        for batch, _ in batches:
            with hardware.autocast():
                output = function(model, batch)
            return output.float()
        return None

    while (output := next_output()) is not None:
        yield output
        progress(len(output))


def load_best_model(run: Run, experiment: Experiment) -> nn.Module:
    """The network of a run with its best weights, on the CPU.

    Raises:
        InputError: there are no weights yet, or they do not fit the configuration.
    """
    run.check_weights()
    model = build_model(experiment.model)
    try:
        tensors = read_state_dict(run.model_file)
    except InputError as error:
        raise InputError(f"{run.model_file} is damaged; train the run again: {error}") from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"{run.model_file} does not fit {run.config_file}: {str(error).splitlines()[0]}"
        ) from error
    return model


#: How often `shifted_views` moves images right and down, in units of the shift.
_MOVES = ((1, 0), (-1, 0), (0, 1), (0, -1))


def view_count(shift: int) -> int:
    """Number of `shifted_views` of an image."""
    return 1 + len(_MOVES) if shift else 1


def shifted_views(images: np.ndarray, shift: int) -> Iterator[np.ndarray]:
    """Images uint8 [N, H, W] as they are, then moved `shift` pixels right, left, down and up.

    Border pixels are repeated to fill the gap. With `shift` 0 there are no other views.
    """
    yield images
    if not shift:
        return
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift)), mode="edge")
    height, width = images.shape[1:]
    for right, down in _MOVES:
        x, y = shift - right * shift, shift - down * shift
        yield padded[:, y : y + height, x : x + width]


def write_submission(
    path: Path, predictions: np.ndarray, names: Sequence[str] | None = None
) -> None:
    """Write Kaggle's CSV: header `Id,Label`, Ids 0 to N - 1 in order; and read it back to check.

    Args:
        path: the file.
        predictions: labels, integer [N], 0 to 9.
        names: of the N image files, for a third column `File`, which Kaggle does not want.

    Raises:
        ValueError: a prediction is not a digit, or what was read back differs.
        RunError: the file cannot be written.
    """
    if len(predictions) == 0 or not np.isin(predictions, np.arange(CLASSES)).all():
        raise ValueError("predictions must be digits from 0 to 9, at least one")
    table = pd.DataFrame({"Id": np.arange(len(predictions)), "Label": predictions})
    named = table if names is None else table.assign(File=list(names))
    with replacing(path) as temporary:
        named.to_csv(temporary, index=False)
        written = pd.read_csv(temporary, usecols=["Id", "Label"])
        if not written.equals(table.astype(written.dtypes)):
            raise ValueError(f"{path} does not hold what was predicted")


def write_probabilities(
    path: Path, probabilities: np.ndarray, names: Sequence[str] | None = None
) -> None:
    """Write probabilities float32 [N, 10] as `.npy`, or as `.csv` with Id, p0 … p9 and, if the
    `names` of N image files are given, File.

    Raises:
        InputError: another suffix.
        RunError: the file cannot be written.
    """
    check_probabilities_file(path)
    with replacing(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, probabilities)
        else:
            columns = [f"p{digit}" for digit in range(CLASSES)]
            table = pd.DataFrame(probabilities, columns=columns)
            named = table if names is None else table.assign(File=list(names))
            named.to_csv(temporary, index_label="Id")
