"""Streams do not collide and stay what they are: they are part of every result."""

import itertools

from mmnist.pipeline.randomness import Stream, stream_seed


def test_streams_differ():
    arguments = list(itertools.product(range(5), Stream, range(5), range(5)))
    seeds = {stream_seed(*each) for each in arguments}
    assert len(seeds) == len(arguments)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_stay_the_same():
    # A change here changes the result of every seed.
    assert stream_seed(0, Stream.WEIGHTS) == 7896617691693857887
    assert stream_seed(1, Stream.AUGMENTATION, 2, 3) == 6811103477063961950
    assert stream_seed(7, Stream.PATCHES, epoch=1) == 6088092377933311330
    assert [int(stream) for stream in Stream] == [0, 1, 2, 3, 4, 5]
