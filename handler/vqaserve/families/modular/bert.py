"""BERT (Devlin et al. 2018) from the transformers library."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.extras import import_object
from vqaserve.families.modular.base import TextEncoder, TextFeatures, projection
from vqaserve.families.modular.options import AttentionOptions, Size


class Bert(TextEncoder):
    """BERT; the summary is the pooled first token, so the tokenizer should begin with ``[CLS]``."""

    class Options(AttentionOptions):
        """Sizes, by default those of BERT-base, and the width of an optional linear layer after it."""

        name: Literal["bert"] = "bert"
        width: Size = 768
        layers: Size = 12
        attention_heads: Size = 12
        hidden: Size = 3072
        positions: Size = 512
        projection: Size | None = None

    def __init__(self, options: Options, vocabulary: int, max_tokens: int) -> None:
        super().__init__(options, vocabulary, max_tokens)
        if max_tokens > options.positions:
            raise RecipeError(f"max_tokens is {max_tokens}, but bert has {options.positions} positions")
        config = import_object("transformers:BertConfig", "text encoder 'bert'")(
            vocab_size=vocabulary,
            hidden_size=options.width,
            num_hidden_layers=options.layers,
            num_attention_heads=options.attention_heads,
            intermediate_size=options.hidden,
            max_position_embeddings=options.positions,
        )
        self.bert = import_object("transformers:BertModel", "text encoder 'bert'")(config)
        self.projection: nn.Module = projection(options.width, options.projection)
        self.width = options.projection or options.width

    def forward(self, tokens: Tensor, mask: Tensor) -> TextFeatures:
        """Encode token ids [n, length]; padding is masked."""
        outputs = self.bert(input_ids=tokens, attention_mask=mask.long())
        states = self.projection(outputs.last_hidden_state)  # [n, length, width]
        return TextFeatures(states, mask, self.projection(outputs.pooler_output))
