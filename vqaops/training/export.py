"""The files of a trained recipe: weights, config, answers, tokenizer and learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from vqaops.training.trainer import Epoch
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.model import ModularModel


def fit_temperature(logits: Tensor, first: Tensor) -> float:
    """Return the temperature that makes the held-out answers [n] most likely, given logits [n, answers]."""
    # In steps of 0.01. Without a lower bound, a model that answers every held-out question correctly would get 0.
    lowest, highest = 50, 400
    logits = logits.float()
    while lowest < highest:  # the loss is convex in the inverse of the temperature, so it has one minimum
        middle = (lowest + highest) // 2
        here, above = (F.cross_entropy(logits / (step / 100), first) for step in (middle, middle + 1))
        lowest, highest = (lowest, middle) if here <= above else (middle + 1, highest)
    return lowest / 100


def write_weights(
    folder: Path, model: ModularModel, config: ModularConfig, answers: Sequence[str], tokenizer: Tokenizer
) -> None:
    """Write the weights in half precision, and the config, answers and tokenizer that they belong to."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _to_half(tensor) for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "answers.txt").write_text("\n".join(answers) + "\n", encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))


def draw_learning_curve(path: Path, history: Sequence[Epoch], title: str, trained: str = "training") -> None:
    """Plot loss and accuracy by epoch, in training and on the held-out pictures.

    Args:
        path: The PNG file.
        history: The epochs.
        title: Of the whole.
        trained: What the accuracy in training is called.
    """
    from matplotlib.figure import Figure  # not pyplot, which needs a display

    figure = Figure(figsize=(8, 3), layout="constrained")
    epochs = range(1, len(history) + 1)
    (losses, accuracies) = figure.subplots(1, 2)
    losses.plot(epochs, [epoch.loss for epoch in history], label="training")
    losses.plot(epochs, [epoch.held_out_loss for epoch in history], label="held out")
    losses.set(title=title, xlabel="epoch", ylabel="loss")
    accuracies.plot(epochs, [100 * epoch.train_accuracy for epoch in history], label=trained)
    accuracies.plot(epochs, [100 * epoch.held_out_accuracy for epoch in history], label="held out")
    accuracies.set(title="exact match", xlabel="epoch", ylabel="%")
    for axes in (losses, accuracies):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)


def _to_half(tensor: Tensor) -> Tensor:
    # safetensors refuses the channels-last memory format.
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
