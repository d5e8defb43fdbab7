"""How often the bootstrap of mmnist.evaluation.compare finds a difference where there is none.

    python scripts/bootstrap_level.py [REPEATS]

Two recipes of the same accuracy are simulated again and again, with images that differ in
difficulty (partly for each recipe separately) and seeds that differ in skill, and tested at the 5 %
level. Prints a Markdown table: the rate of false positives for 1, 2, 3 and 5 seeds, next to that of
a plain bootstrap that draws seeds with replacement. Takes about a minute.
"""

import sys
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mmnist.evaluation.compare import paired_bootstrap

#: Images, accuracy, standard deviation of accuracy between seeds.
SETTINGS = [
    (500, 0.96, 0.002),
    (500, 0.96, 0.01),
    (1000, 0.9, 0.005),
    (2000, 0.96, 0.005),
    (5000, 0.98, 0.002),
    (5000, 0.9, 0.01),
    (5000, 0.4, 0.03),
]
SEEDS = (1, 2, 3, 5)
RESAMPLES = 999

#: Standard deviations of the difficulty of an image, relative to that of a network's luck with it:
#: of the part that all recipes share, and of one recipe's own part.
SHARED, OWN = 2.0, 0.7


def equal_recipes(
    seeds: int, images: int, accuracy: float, deviation: float, rng: np.random.Generator
) -> list[NDArray[np.bool_]]:
    """Two bool [seeds, images]: correct answers of two recipes with the same expected accuracy.

    Probit model: correct where skill + difficulty + luck > 0, all of them normal.
    """
    centre = norm.ppf(accuracy)
    scale = sqrt(1 + SHARED**2 + OWN**2)
    skill = deviation * scale / norm.pdf(centre)
    difficulty = rng.normal(sqrt(scale**2 + skill**2) * centre, SHARED, images)
    return [
        rng.normal(0, skill, (seeds, 1))
        + difficulty
        + rng.normal(0, OWN, images)
        + rng.standard_normal((seeds, images))
        > 0
        for _ in range(2)
    ]


def plain_p(groups: list[NDArray[np.bool_]], rng: np.random.Generator) -> float:
    """Two-sided p-value for equal accuracies, with images and seeds drawn with replacement."""
    networks = np.concatenate(groups)
    codes = 2 ** np.arange(len(networks)) @ networks
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    images = networks.shape[1]
    drawn = rng.multinomial(images, counts / images, RESAMPLES) @ networks[:, first].T / images
    seeds = len(groups[0])
    a, b = (rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) for _ in groups)
    differences = (a * drawn[:, :seeds]).sum(axis=1) - (b * drawn[:, seeds:]).sum(axis=1)
    tail = min((differences <= 1e-12).sum(), (differences >= -1e-12).sum())
    return 2 * (1 + tail) / (RESAMPLES + 1)


def false_positives(
    seeds: int, images: int, accuracy: float, deviation: float, repeats: int
) -> tuple[float, float]:
    """Share (0 to 1) of tests with p < 0.05, by the project's bootstrap and by the plain one."""
    rng = np.random.default_rng(0)
    found = np.zeros(2)
    for _ in range(repeats):
        groups = equal_recipes(seeds, images, accuracy, deviation, rng)
        ours = paired_bootstrap(*groups, resamples=RESAMPLES, seed=int(rng.integers(2**31))).p
        found += [ours < 0.05, plain_p(groups, rng) < 0.05]
    return tuple((found / repeats).tolist())


def main(repeats: int) -> None:
    print(f"False positives in % of {repeats} tests at the 5 % level: ours (plain bootstrap)\n")
    names = [f"{seeds} seed{'s' * (seeds > 1)}" for seeds in SEEDS]
    print("|".join(["", "images", "accuracy", "between seeds", *names, ""]))
    print("|" + "--:|" * (3 + len(SEEDS)))
    for images, accuracy, deviation in SETTINGS:
        cells = [str(images), f"{accuracy:.0%}", f"{100 * deviation:.1f} points"]
        for seeds in SEEDS:
            ours, plain = false_positives(seeds, images, accuracy, deviation, repeats)
            cells.append(f"{100 * ours:.1f} ({100 * plain:.1f})")
        print("|".join(["", *cells, ""]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250)
