import numpy as np
import pytest

from mmnist.config.schema import SplitSettings
from mmnist.data.splits import split_indices
from mmnist.errors import InputError

#: The competition's labels 0-9 (FACTS of the data set; the paper calls them balanced).
COUNTS = (42, 421, 1029, 1991, 3171, 4223, 6184, 8866, 10621, 13452)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    values = np.repeat(np.arange(10), COUNTS)
    return np.random.default_rng(0).permutation(values)


def split(labels: np.ndarray, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    return split_indices(labels, SplitSettings(**settings))


@pytest.mark.parametrize("method", ["stratified", "ordered"])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.99])
def test_the_two_sides_are_a_partition(labels: np.ndarray, method: str, fraction: float) -> None:
    train, valid = split(labels, method=method, fraction=fraction)
    assert train.dtype == valid.dtype == np.int64
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()
    assert sorted([*train, *valid]) == list(range(50_000))


@pytest.mark.parametrize(("fraction", "published"), [(0.99, 505), (0.9, 5007)])
def test_ordered_gives_the_published_number_of_validation_images(
    labels: np.ndarray, fraction: float, published: int
) -> None:
    _, valid = split(labels, method="ordered", fraction=fraction)
    assert len(valid) == published


def test_ordered_takes_the_first_of_each_class() -> None:
    labels = np.array([1, 0, 1, 0, 1, 0, 1, 0, 0, 0])
    train, valid = split(labels, method="ordered", fraction=0.5)
    assert train.tolist() == [0, 1, 2, 3, 5]  # of class 1: 0, 2; of class 0: 1, 3, 5
    assert valid.tolist() == [4, 6, 7, 8, 9]


def test_ordered_rounds_as_the_authors_expression_does() -> None:
    # 100 * 0.29 is 28.999999999999996 in floating point.
    train, _ = split(np.zeros(100, np.int64), method="ordered", fraction=0.29)
    assert len(train) == int(100 * 0.29) == 28


def test_stratified_keeps_the_shares_of_the_classes(labels: np.ndarray) -> None:
    train, valid = split(labels, fraction=0.9)
    assert (len(train), len(valid)) == (45_000, 5_000)
    for label, count in enumerate(COUNTS):
        assert abs((labels[valid] == label).sum() - count * 0.1) <= 1


def test_stratified_is_decided_by_its_seed(labels: np.ndarray) -> None:
    first, again, other = (split(labels, seed=seed)[1] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_stratified_draws_at_random_and_not_in_order(labels: np.ndarray) -> None:
    _, valid = split(labels)
    assert abs(valid.mean() - 25_000) < 5 * 50_000 / np.sqrt(12 * len(valid))


def test_the_only_image_of_a_class_trains() -> None:
    labels = np.array([0] * 50 + [1] * 50 + [7])
    train, valid = split(labels, fraction=0.8)
    assert 100 in train
    assert len(valid) == 20


@pytest.mark.parametrize(
    ("labels", "method", "fraction", "cause"),
    [
        ([0, 0, 1, 1, 2, 2], "stratified", 0.9, "number of classes"),
        ([0, 1, 2], "stratified", 0.5, "3 training images cannot be split"),
        ([0, 0, 1, 1], "ordered", 0.1, "none is left for training"),
        ([0, 0, 0], "ordered", 0.5, "a single one is left for training"),
        ([0, 0], "stratified", 0.5, "a single one is left for training"),
        ([], "ordered", 0.5, "0 training images"),
        ([], "stratified", 0.5, "0 training images"),
    ],
)
def test_too_few_images(labels: list[int], method: str, fraction: float, cause: str) -> None:
    with pytest.raises(InputError) as caught:
        split(np.array(labels, np.int64), method=method, fraction=fraction)
    assert cause in str(caught.value)
    assert str(caught.value).startswith("data.split: ")
    assert f"{method} with fraction {fraction:g}" in str(caught.value)


@pytest.mark.parametrize("method", ["stratified", "ordered"])
@pytest.mark.parametrize("count", [3, 4, 1000, 1024, 49_999])
def test_the_largest_fraction_leaves_an_image_for_validation(method: str, count: int) -> None:
    fraction = float(np.nextafter(1.0, 0.0))
    _, valid = split(np.zeros(count, np.int64), method=method, fraction=fraction)
    assert len(valid) == 1


@pytest.mark.parametrize("method", ["stratified", "ordered"])
def test_fewer_training_images_leave_the_validation_as_it_is(
    labels: np.ndarray, method: str
) -> None:
    train, valid = split(labels, method=method)
    fewer, same = split(labels, method=method, train_images=12_000)
    assert np.array_equal(valid, same)
    assert len(np.unique(fewer)) == 12_000
    assert np.isin(fewer, train).all()
    assert (np.diff(fewer) > 0).all()
    for label in range(10):
        share = (labels[fewer] == label).mean()
        assert share == pytest.approx((labels[train] == label).mean(), abs=1e-4)


def test_fewer_training_images_are_drawn_by_the_seed_of_the_split(labels: np.ndarray) -> None:
    first, _ = split(labels, method="ordered", train_images=100, seed=1)
    same, _ = split(labels, method="ordered", train_images=100, seed=1)
    other, _ = split(labels, method="ordered", train_images=100, seed=2)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_more_training_images_than_there_are_is_an_error(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"train_images: 45,001 wanted, .* leaves 45,000 images"):
        split(labels, train_images=45_001)
    train, _ = split(labels, train_images=45_000)
    assert len(train) == 45_000
