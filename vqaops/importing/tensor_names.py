"""Names of tensors: the chat app's, and those of family ``modular``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

# Prefixes of the older kind of checkpoint, which had no separate encoders and fusions, and of the newer kind.
_OLDER = (
    ("cnn.", "image_encoder.cnn."),
    ("embedding.", "text_encoder.embedding."),
    ("lstm.", "text_encoder.lstm."),
    ("fc.", "classifier."),
)
ROOTS = frozenset({"image_encoder", "text_encoder", "fusion", "classifier", "cnn", "embedding", "lstm", "fc"})
"""First parts of the names in both kinds of checkpoint."""

_OURS = (
    (
        r"image_encoder\.cnn\.(\d)",
        r"image_encoder.layers.\1",
    ),  # the small CNN; names in torchvision's models begin with letters
    (r"image_encoder\.cnn\.", "image_encoder."),
    (r"(text_encoder|classifier)\.", r"heads.0.\1."),
    (r"fusion\.projection\.", "heads.0.fusion.hidden."),
    (r"fusion\.", "heads.0.fusion."),
)
# transformers 5 renamed the layers of ViT; checkpoints have the names of version 4.
_VIT = (
    (r"encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.", r"layers.\1.attention.\2_proj."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.attention.o_proj."),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.mlp.fc1."),
    (r"encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.mlp.fc2."),
    (r"encoder\.layer\.(\d+)\.layernorm_", r"layers.\1.layernorm_"),
    (r"\.(q|k|v)(uery|ey|alue)_proj\.", r".\1_proj."),
)
# Position numbers, and the layers of co-attention whose results the chat app discards.
_UNUSED = re.compile(r"text_encoder\.bert\.embeddings\.position_ids|fusion\.(cross_attention|ff2)\.")


@dataclass(frozen=True, slots=True)
class TensorNames:
    """The names of one checkpoint's tensors.

    Attributes:
        older: Whether the checkpoint is of the older kind.
        file_names: The name in the file of each tensor, by its name without wrappers' prefixes.
    """

    older: bool
    file_names: Mapping[str, str]

    @classmethod
    def of(cls, names: Iterable[str], file_names: Mapping[str, str]) -> TensorNames:
        """Recognise the kind of checkpoint from its names."""
        return cls("fc.weight" in set(names), file_names)

    def to_app(self, name: str) -> str:
        """Convert a name without prefixes to that of the newer kind."""
        return (
            next((new + name[len(old) :] for old, new in _OLDER if name.startswith(old)), name) if self.older else name
        )

    def to_file(self, name: str) -> str:
        """Convert a name of the newer kind to the name in the file."""
        older = next((old + name[len(new) :] for old, new in _OLDER if name.startswith(new)), name)
        own = older if self.older else name
        return self.file_names.get(own, own)


def to_ours(name: str) -> str:
    """Convert a name of the newer kind to that of family ``modular``."""
    if name.startswith("image_encoder.vit."):
        for pattern, replacement in _VIT:
            name = re.sub(pattern, replacement, name)
    for pattern, replacement in _OURS:
        found, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            return found
    return name


def used(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the tensors that do not affect answers; names are those of the newer kind."""
    return {name: tensor for name, tensor in tensors.items() if not _UNUSED.match(name)}
