"""BERT (Devlin et al. 2018) of the transformers library."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.modular.options import PartOptions, Size, share_out
from vqaserve.families.modular.parts import TextEncoder, TextFeatures, projection
from vqaserve.families.modular.transformers_library import find_class


class Bert(TextEncoder):
    """BERT; the summary is its pooled first token, so the tokenizer should put ``[CLS]`` there."""

    class Options(PartOptions):
        """Sizes as BERT-base's, and the width of a linear layer after it (none: ``width``)."""

        name: Literal["bert"] = "bert"
        width: Size = 768
        layers: Size = 12
        attention_heads: Size = 12
        hidden: Size = 3072
        positions: Size = 512
        projection: Size | None = None

        @model_validator(mode="after")
        def _shares_out(self) -> Self:
            share_out(self.width, self.attention_heads)
            return self

    def __init__(self, options: Options, vocabulary: int, max_tokens: int) -> None:
        super().__init__(options, vocabulary, max_tokens)
        if max_tokens > options.positions:
            raise RecipeError(f"max_tokens is {max_tokens}, and bert has {options.positions} positions")
        config = find_class("BertConfig", "bert")(
            vocab_size=vocabulary,
            hidden_size=options.width,
            num_hidden_layers=options.layers,
            num_attention_heads=options.attention_heads,
            intermediate_size=options.hidden,
            max_position_embeddings=options.positions,
        )
        self.bert = find_class("BertModel", "bert")(config)
        self.projection: nn.Module = projection(options.width, options.projection)
        self.width = options.projection or options.width

    def forward(self, tokens: Tensor, mask: Tensor) -> TextFeatures:
        """Attend over the tokens [n, length], padding masked."""
        outputs = self.bert(input_ids=tokens, attention_mask=mask.long())
        states = self.projection(outputs.last_hidden_state)  # [n, length, width]
        return TextFeatures(states, mask, self.projection(outputs.pooler_output))
