"""Question encoders, which map token ids to a state per token and a summary.

To add one, write a subclass of ``TextEncoder`` with an ``Options`` class and add it to ``TEXT_ENCODERS``. Mask padding
everywhere, so that the encoding of a question does not depend on the length of the others in its batch.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from vqaserve.families.modular.base import TextEncoder, TextFeatures, projection
from vqaserve.families.modular.bert import Bert
from vqaserve.families.modular.options import AttentionOptions, PartOptions, Rate, Size


class Transformer(TextEncoder):
    """A pre-norm transformer with learned positions; the summary is pooled by attention."""

    class Options(AttentionOptions):
        """Sizes, and dropout in training."""

        name: Literal["transformer"] = "transformer"
        width: Size = 256
        layers: Size = 2
        attention_heads: Size = 4
        hidden: Size = 512
        dropout: Rate = 0.0

    def __init__(self, options: Options, vocabulary: int, max_tokens: int) -> None:
        super().__init__(options, vocabulary, max_tokens)
        self.width = options.width
        self.embedding = nn.Embedding(vocabulary, options.width)
        self.position = nn.Parameter(torch.zeros(max_tokens, options.width))
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(_Layer(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(options.width)
        self.score = nn.Linear(options.width, 1)
        # The embedding keeps torch's unit variance; with a much smaller one, the first layers average the words away.
        nn.init.normal_(self.position, std=0.1)

    def forward(self, tokens: Tensor, mask: Tensor) -> TextFeatures:
        """Encode token ids [n, length] layer by layer."""
        states = self.dropout(self.embedding(tokens) + self.position[: tokens.shape[1]])  # [n, length, width]
        for layer in self.layers:
            states = layer(states, mask)
        states = self.norm(states)
        scores = self.score(states).squeeze(2).masked_fill(~mask, -torch.inf)  # [n, length]
        summary = torch.einsum("nl,nlw->nw", scores.softmax(1), states)
        return TextFeatures(states, mask, summary)


class _Layer(nn.Module):
    def __init__(self, options: Transformer.Options) -> None:
        super().__init__()
        width = options.width
        self.heads = options.attention_heads
        self.norm_1 = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, options.hidden)
        self.out = nn.Linear(options.hidden, width)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        states = states + self.dropout(self.mix(self._attend(self.norm_1(states), mask)))
        hidden = self.dropout(self.out(F.gelu(self.hidden(self.norm_2(states)))))
        out: Tensor = states + hidden
        return out

    def _attend(self, states: Tensor, mask: Tensor) -> Tensor:
        n, length, width = states.shape
        parts = self.query_key_value(states).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [n, heads, length, width / heads]
        # Written out, because torch's fused attention is slower for a dozen tokens on a CPU, above all in training.
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        weights = scores.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(3)
        mixed: Tensor = weights.to(value.dtype) @ value
        return mixed.transpose(1, 2).reshape(n, length, width)


class Lstm(TextEncoder):
    """A one-directional LSTM; the summary is the state after the last token."""

    class Options(PartOptions):
        """Widths of word vectors and state, number of layers, and width of an optional linear layer after them."""

        name: Literal["lstm"] = "lstm"
        embedding: Size = 128
        width: Size = 256
        layers: Size = 1
        projection: Size | None = None

    def __init__(self, options: Options, vocabulary: int, max_tokens: int) -> None:
        super().__init__(options, vocabulary, max_tokens)
        self.width = options.projection or options.width
        self.embedding = nn.Embedding(vocabulary, options.embedding)
        self.lstm = nn.LSTM(options.embedding, options.width, options.layers, batch_first=True)
        self.projection = projection(options.width, options.projection)

    def forward(self, tokens: Tensor, mask: Tensor) -> TextFeatures:
        """Encode token ids [n, length] from left to right; padding is at the end, after the state that is used."""
        states: Tensor = self.projection(self.lstm(self.embedding(tokens))[0])  # [n, length, width]
        last = mask.sum(1) - 1
        return TextFeatures(states, mask, states[torch.arange(len(states), device=last.device), last])


TEXT_ENCODERS: dict[str, type[TextEncoder]] = {
    "transformer": Transformer,
    "lstm": Lstm,
    "bert": Bert,
}
TextEncoderOptions = Annotated[Transformer.Options | Lstm.Options | Bert.Options, Field(discriminator="name")]
