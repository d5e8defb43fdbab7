"""Previews of what the network sees."""

import numpy as np

from mmnist.config.schema import Experiment
from mmnist.pipeline.preview import augmented_versions


def test_versions_differ_from_the_image_and_from_each_other():
    experiment = Experiment.model_validate(
        {
            "name": "any",
            "model": {"architecture": "simple_cnn"},
            "resize": 128,
            "augment": {"rotate": {"magnitude": 25.0, "probability": 1.0}},
        }
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128), dtype=np.uint8)
    shown = augmented_versions(experiment, images, versions=3)
    assert shown.shape == (2, 4, 128, 128)
    np.testing.assert_array_equal(shown[:, 0], images)
    assert len({version.tobytes() for versions in shown for version in versions}) == 8
