"""Tokenizers of a few hundred tokens that read any text."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertTokenizer, PreTrainedTokenizerFast

ANSWERS = ["yes", "no", "red", "blue", "two", "a table", "nothing", "left"]


def wordpiece() -> BertTokenizer:
    """BERT's: lower-cased words and letters; what is not Latin is one unknown token."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "the", "colour", "how", "many", "?", ".", "-"]
    return BertTokenizer(vocab={word: n for n, word in enumerate([*words, *letters, *(f"##{x}" for x in letters)])})


def bytelevel(special: Sequence[str] = (), *, enclose: bool = False, **named: str) -> PreTrainedTokenizerFast:
    """Bytes: nothing is unknown, and any sequence of tokens is some text.

    Args:
        special: Control tokens beside the named ones.
        enclose: Whether a text gets the start token before and the end token after it, as CLIP's do.
        named: Such as ``pad_token``, ``bos_token``.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{"pad_token": "<pad>", "eos_token": "</s>", **named})
    fast.add_special_tokens({"additional_special_tokens": list(special)})
    if enclose:
        start, end = fast.bos_token, fast.eos_token
        fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
            f"{start} $A {end}", special_tokens=[(start, fast.bos_token_id), (end, fast.eos_token_id)]
        )
    return fast
