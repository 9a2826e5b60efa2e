from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vqaops.training.classes.unlike import learn_familiarity
from vqaserve.families.familiarity import Familiarity


def features(seed: int, count: int) -> Tensor:
    """Of pictures of one kind; the scales of the features differ."""
    rng = torch.Generator().manual_seed(seed)
    return 5 + torch.randn(count, 16, generator=rng) * torch.linspace(0.1, 3, 16)


def test_a_known_picture_is_near_and_a_picture_of_another_kind_is_far():
    familiarity, known = learn_familiarity(features(0, 300), features(1, 200), 0.05, seed=0)
    assert familiarity(features(0, 300)).max() < 0.01
    assert familiarity(features(2, 50) + 9).min() > known.limit
    assert familiarity(features(3, 50))[:, 0].shape == (50,)


def test_about_the_given_share_of_new_pictures_of_the_same_kind_is_marked():
    familiarity, known = learn_familiarity(features(0, 300), features(1, 400), 0.1, seed=0)
    marked = (familiarity(features(2, 2000)) > known.limit).float().mean()
    assert marked == pytest.approx(0.1, abs=0.04)


def test_with_few_pictures_the_limit_is_beyond_the_farthest():
    familiarity, known = learn_familiarity(features(0, 30), features(1, 5), 0.01, seed=0)
    assert known.limit > familiarity(features(1, 5)).max()


def test_the_features_of_at_most_2000_pictures_are_kept():
    familiarity, known = learn_familiarity(features(0, 2300), features(1, 10), 0.01, seed=0)
    assert known.pictures == len(familiarity.known) == 2000


def test_a_distance_does_not_depend_on_the_rest_of_the_batch():
    familiarity = Familiarity.of(features(0, 50))
    new = features(1, 8)
    alone = torch.cat([familiarity(row[None]) for row in new])
    torch.testing.assert_close(familiarity(new), alone, rtol=1e-4, atol=1e-4)
