"""Tiny models of the chat app with its tensor names, and its files as its users have them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from tests.tiny.words import wordpiece
from vqaserve.families.modular.efficientnet import EfficientNetB0
from vqaserve.families.modular.options import Pixels
from vqaserve.families.modular.preparation import to_pixels
from vqaserve.families.modular.resnet import ResNet18

WORDS = ["<PAD>", "<UNK>", "what", "is", "the", "colour", "of", "this"]
ANSWERS = ["Yes ", "no", "red"]
LENGTH = 32
WIDTH = 128  # two attention heads of 64


class SmallCnnEncoder(nn.Module):
    native, side = 32 * 4 * 4, 64

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            *(
                nn.Conv2d(3, 16, 3, 2, 1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, 2, 1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
        )
        self.projection = nn.Linear(self.native, width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self.cnn(pixels).flatten(1))


class PublishedEncoder(nn.Module):
    """A CNN with torchvision's names; that it computes the same numbers was checked by hand."""

    side = 224
    kind: type[ResNet18] | type[EfficientNetB0]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cnn = self.kind(self.kind.Options(), Pixels(width=self.side, height=self.side))
        self.projection = nn.Linear(self.cnn.channels, width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self.cnn(pixels)[:, 0])


class ResNetEncoder(PublishedEncoder):
    kind = ResNet18


class EfficientNetEncoder(PublishedEncoder):
    kind = EfficientNetB0

    def __init__(self, width: int) -> None:
        super().__init__(width)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 2.4)  # untrained, it passes next to nothing


class VitEncoder(nn.Module):
    side = 32

    def __init__(self, width: int) -> None:
        super().__init__()
        from transformers import ViTConfig, ViTModel

        sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        self.vit = ViTModel(ViTConfig(**sizes, image_size=self.side, patch_size=16))
        self.projection = nn.Linear(WIDTH, width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self.vit(pixel_values=pixels).pooler_output)


class LstmEncoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), 6)
        self.lstm = nn.LSTM(6, 10, 2, batch_first=True)
        self.projection = nn.Linear(10, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.projection(self.lstm(self.embedding(tokens))[1][0][-1])

    def tokens(self, question: str) -> list[int]:
        return [WORDS.index(word) if word in WORDS else 1 for word in question.lower().split()][:LENGTH]


class BertEncoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.tokenizer = wordpiece()
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        self.bert = BertModel(BertConfig(**sizes, vocab_size=len(self.tokenizer), max_position_embeddings=40))
        self.projection = nn.Linear(WIDTH, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.projection(self.bert(input_ids=tokens).pooler_output)

    def tokens(self, question: str) -> list[int]:
        return self.tokenizer(question, truncation=True, max_length=LENGTH)["input_ids"]


class AppConcatenation(nn.Module):
    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(image + text, width)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        return self.projection(torch.cat([image, text], dim=1))


class AppCoAttention(nn.Module):
    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.image_proj, self.text_proj = nn.Linear(image, 16), nn.Linear(text, 16)
        self.coattention = nn.MultiheadAttention(16, 8, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.ff1 = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 16))
        self.final_proj = nn.Linear(32, width)
        # Saved in its files, but not used for its answers.
        self.cross_attention = nn.MultiheadAttention(16, 8, batch_first=True)
        self.ff2 = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 16))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        both = torch.stack([self.image_proj(image), self.text_proj(text)], dim=1)
        both = self.norm1(both + self.coattention(both, both, both)[0])
        both = self.norm2(both + self.ff1(both))
        return self.final_proj(both.flatten(1))


class AppBilinear(nn.Module):
    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.image_proj, self.text_proj = nn.Linear(image, 6), nn.Linear(text, 6)
        self.bilinear, self.additive_fusion = nn.Bilinear(6, 6, 6), nn.Linear(12, 6)
        self.multiplicative_fusion = nn.Linear(6, 6)
        self.gate = nn.Sequential(nn.Linear(18, 6), nn.Sigmoid())
        self.final_proj = nn.Linear(6, width)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        one, other = self.image_proj(image), self.text_proj(text)
        product, added = self.bilinear(one, other), self.additive_fusion(torch.cat([one, other], 1))
        gate = self.gate(torch.cat([product, added, self.multiplicative_fusion(one * other)], 1))
        return self.final_proj(gate * product + (1 - gate) * added)


IMAGES = {
    "small_cnn": SmallCnnEncoder,
    "resnet18": ResNetEncoder,
    "efficientnet_b0": EfficientNetEncoder,
    "vit": VitEncoder,
}
TEXTS = {"lstm": LstmEncoder, "bert": BertEncoder}
FUSIONS = {"concatenation": AppConcatenation, "coattention": AppCoAttention, "bilinear": AppBilinear}


class App(nn.Module):
    """The app's model, which answers one question at a time."""

    def __init__(self, image: str, text: str, fusion: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kinds = (image, text, fusion)
        self.image_encoder, self.text_encoder = IMAGES[image](12), TEXTS[text](14)
        self.fusion, self.classifier = FUSIONS[fusion](12, 14, 20), nn.Linear(20, len(ANSWERS))
        for name, weights in self.named_parameters():
            if weights.dim() > 1 and any(part in name for part in ("proj", "fusion", "classifier", "embedding")):
                nn.init.normal_(weights, std=0.5)  # large enough for answers that differ
        self.eval()

    @torch.inference_mode()
    def logits(self, pictures: Sequence[Image.Image], questions: Sequence[str], *, padded: bool = False) -> Tensor:
        resample = "bicubic"  # Pillow's default
        size = Pixels(width=self.image_encoder.side, height=self.image_encoder.side, resample=resample)
        return torch.cat(
            [self._logits(to_pixels([p], size), q, padded) for p, q in zip(pictures, questions, strict=True)]
        )

    def _logits(self, pixels: Tensor, question: str, padded: bool) -> Tensor:
        tokens = self.text_encoder.tokens(question)
        tokens += [0] * (LENGTH - len(tokens)) if padded else []
        text = self.text_encoder(torch.tensor([tokens]))
        return self.classifier(self.fusion(self.image_encoder(pixels / 255), text))

    def save(self, folder: Path, *, config: object = None) -> list[Path]:
        """Write checkpoint, vocabulary and answers, and return their paths in this order."""
        image, text, fusion = self.kinds
        words = {"text_encoder_type": text, "fusion_type": fusion, "fusion_dim": 20, "learning_rate": 0.001}
        kind = (
            {"image_encoder_type": "vit"} if image == "vit" else {"image_encoder_type": "cnn", "cnn_model_name": image}
        )
        state = {older_vit(name): tensor for name, tensor in self.state_dict().items()}
        checkpoint, answers = folder / "best_modular_model.pth", folder / "answer_space.txt"
        torch.save({"model_state_dict": state, "config": config or {**words, **kind}, "epoch": 3}, checkpoint)
        answers.write_text("\n".join(ANSWERS) + "\n")
        return [checkpoint, self._vocabulary(folder), answers]

    def _vocabulary(self, folder: Path) -> Path:
        if isinstance(self.text_encoder, BertEncoder):
            numbers = self.text_encoder.tokenizer.get_vocab()
            path = folder / "vocab.txt"
            path.write_text("\n".join(sorted(numbers, key=lambda piece: numbers[piece])) + "\n")
        else:
            path = folder / "vocab.pkl"
            path.write_bytes(pickle.dumps({word: number for number, word in enumerate(WORDS)}))
        return path


def older_vit(name: str) -> str:
    """The name of a ViT tensor in transformers 4."""
    if not name.startswith("image_encoder.vit.layers."):
        return name
    name = name.replace("vit.layers.", "vit.encoder.layer.").replace(".mlp.fc1.", ".intermediate.dense.")
    name = name.replace(".mlp.fc2.", ".output.dense.").replace(".attention.o_proj.", ".attention.output.dense.")
    return re.sub(
        r"\.attention\.(q|k|v)_proj\.",
        lambda found: f".attention.attention.{ {'q': 'query', 'k': 'key', 'v': 'value'}[found[1]] }.",
        name,
    )
