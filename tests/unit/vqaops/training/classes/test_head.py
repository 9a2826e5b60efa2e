from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.classes.head import HeadTrainer
from vqaops.training.classes.settings import ClassTrainSettings

SETTINGS = ClassTrainSettings(family="torchvision_classifier", epochs=30, patience=4, learning_rate=0.05)


def features(seed: int, count: int, views: int, noise: float) -> tuple[Tensor, Tensor]:
    """Two classes on the first axis, far from zero and of another scale on each axis."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.randint(2, (count,), generator=rng)
    where = torch.randn(count, views, 6, generator=rng) * noise
    where[..., 0] += targets[:, None] * 2.0 - 1
    return (50 + 10 * where * torch.tensor([1, 5, 0.1, 1, 1, 1])).half(), targets


def test_the_head_takes_features_as_the_network_gives_them():
    head, _ = HeadTrainer(SETTINGS, 2, features(0, 200, 3, 0.3), features(1, 60, 1, 0.3)).run()
    new, targets = features(2, 200, 1, 0.3)
    assert (head(new[:, 0].float()).argmax(1) == targets).float().mean() > 0.95


def test_the_probabilities_are_calibrated():
    trainer = HeadTrainer(SETTINGS, 2, features(0, 200, 3, 1.5), features(1, 400, 1, 1.5))
    head, _ = trainer.run()
    new, targets = features(2, 2000, 1, 1.5)
    logits = head(new[:, 0].float()).detach()
    confidence, answers = logits.softmax(1).max(1)
    assert abs(confidence.mean() - (answers == targets).float().mean()) < 0.05
    assert F.cross_entropy(logits, targets) < 0.65  # 0.69 knows nothing


def test_training_stops_when_the_held_out_pictures_no_longer_improve():
    noise = torch.randint(2, (60,), generator=torch.Generator().manual_seed(3))
    trainer = HeadTrainer(SETTINGS, 2, features(0, 60, 1, 1.0), (features(1, 60, 1, 1.0)[0], noise))
    trainer.run()
    assert len(trainer.history) < SETTINGS.epochs
