"""Conversations of ``hf_generative`` compared with ``generate`` of transformers, with its caches and without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from tests.support.families import CONVERSATIONS, LONG, PAIRS, SHORT, answers, assert_same, conversed, photo, talk
from tests.tiny.kinds import Tiny
from vqaserve.errors import InvalidQuestion
from vqaserve.families.hf_folder import read_processor
from vqaserve.limits import Limits
from vqaserve.settings import CacheLimits
from vqaserve.types import Query, Turn

CHATS = ["llava", "qwen2_vl", "smolvlm"]


@torch.inference_mode()
def written(tiny: Tiny, pictures: Sequence[Image.Image], query: Query, length: int = 6) -> list[int]:
    """The tokens of transformers' ``generate``, as its documentation shows it."""
    processor = read_processor(tiny.folder / "weights")
    model = AutoModelForImageTextToText.from_pretrained(tiny.folder / "weights").eval()
    turns = query.conversation or (Turn("user", (0, query.question)),)
    messages = [{"role": turn.role, "content": [shown(part, pictures) for part in turn.parts]} for turn in turns]
    inputs = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=length)
    return tokens[0, inputs["input_ids"].shape[1] :].tolist()


def shown(part: str | int, pictures: Sequence[Image.Image]) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": pictures[part]}


def tokens(family: Any, talks: Sequence[tuple[Sequence[Image.Image], Query]]) -> list[list[int]]:
    features = [family.join(family.encode(pictures)) for pictures, _ in talks]
    return [list(one[0].tokens) for one in family.forward(features, [query for _, query in talks])]


@pytest.mark.parametrize("kind", CHATS)
def test_greedy_tokens_are_those_of_generate_with_caches_and_in_batches(kind: str, shared_tiny: Callable[[str], Tiny]):
    tiny = shared_tiny(kind)
    expected = [written(tiny, pictures, query) for pictures, query in CONVERSATIONS]
    family = tiny.load()
    assert tokens(family, CONVERSATIONS) == expected
    assert tokens(family, CONVERSATIONS) == expected
    uncached = tiny.load(cache=CacheLimits(prefixes_mb=0))
    assert tokens(uncached, CONVERSATIONS) == expected


@pytest.mark.parametrize("kind", CHATS)
def test_a_further_turn_pays_for_its_own_tokens(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    picture = [photo(80, 60)]
    first = Query(b"", SHORT, 1, {"max_new_tokens": 4})
    (said,) = conversed(family, [(picture, first)])
    conversation = talk((0, SHORT), said[0].answer, (LONG,))
    (further,) = conversed(family, [(picture, Query(b"", LONG, 1, conversation=conversation))])
    assert said[0].writing.cached_tokens == 0
    assert further[0].writing.cached_tokens >= said[0].writing.prompt_tokens
    assert further[0].writing.prompt_tokens > further[0].writing.cached_tokens
    assert (family.caches["prefixes"]["hits"], family.caches["prefixes"]["misses"]) == (1, 1)


@pytest.mark.parametrize("kind", CHATS)
def test_the_second_question_about_a_picture_does_not_read_the_picture_again(
    kind: str, shared_tiny: Callable[[str], Tiny]
):
    family = shared_tiny(kind).load()
    features = family.encode([photo(80, 60)])
    queries = [Query(b"", SHORT, 1), Query(b"", LONG, 1)]
    ranked = family.decode(family.forward([features[0]] * 2, queries), queries)
    pictures = len(features[0][0].vectors)
    assert [one[0].writing.cached_tokens >= pictures for one in ranked] == [False, True]


def test_what_bidirectional_attention_would_change_is_not_kept(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("paligemma").load()
    assert isinstance(family.encode([photo(80, 60)])[0][0], Image.Image)
    assert not family.reads_conversations


def test_an_answer_cut_at_its_length_says_so_and_counts_its_tokens(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("llava").load()
    (ranked,) = answers(family, [(photo(80, 60), Query(b"", SHORT, 1, {"max_new_tokens": 2}))])
    assert (ranked[0].writing.finish_reason, ranked[0].writing.completion_tokens) == ("length", 2)


@pytest.mark.parametrize("kind", ["llava", "blip"])
def test_an_answer_ends_before_a_stop_text(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    (whole,) = answers(family, PAIRS[:1])
    text = whole[0].answer
    (cut,) = answers(family, [(PAIRS[0][0], Query(b"", SHORT, 3, stop=("never", text[2:4])))])
    assert cut[0].answer == text[: text.index(text[2:4])].strip()
    assert cut[0].writing.finish_reason == "stop"


@pytest.mark.parametrize("kind", ["llava", "blip"])
def test_a_seed_draws_the_same_whatever_else_is_in_the_batch(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    drawn = {"temperature": 2.0, "top_p": 0.9}
    asked = [Query(b"", query.question, 1, {**drawn, "seed": seed}) for seed, (_, query) in enumerate(PAIRS)]
    pairs = [(picture, query) for (picture, _), query in zip(PAIRS, asked, strict=True)]
    assert_same(answers(family, pairs), [answers(family, [pair])[0] for pair in pairs])
    others = [(PAIRS[0][0], Query(b"", SHORT, 1, {**drawn, "seed": seed})) for seed in (7, 7, 8)]
    first, again, other = answers(family, others)
    assert_same([first], [again])
    assert first[0].answer != other[0].answer


@pytest.mark.parametrize("kind", ["llava", "blip"])
def test_several_choices_are_drawn_apart(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    query = Query(b"", SHORT, 3, {"temperature": 2.0, "max_new_tokens": 6}, choices=3)
    (ranked,) = answers(family, [(photo(80, 60), query)])
    assert len({one.answer for one in ranked}) == 3
    (same,) = answers(family, [(photo(80, 60), Query(b"", SHORT, 3, choices=3))])
    assert len(same) == 3


def test_token_probabilities_multiply_to_the_score(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("smolvlm").load()
    (ranked,) = answers(family, [(photo(80, 60), Query(b"", SHORT, 1, {"top_logprobs": 2}))])
    reported = ranked[0].writing.tokens
    assert len(reported) == ranked[0].writing.completion_tokens
    assert sum(token.log_probability for token in reported) == pytest.approx(float(torch.tensor(ranked[0].score).log()))
    assert all(token.likeliest[0][1] >= token.likeliest[1][1] for token in reported)
    assert reported[0].likeliest[0] == (reported[0].text, pytest.approx(reported[0].log_probability))


def test_a_prompt_over_the_limit_is_refused_with_its_tokens(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("smolvlm").load(limits=Limits(max_prompt_tokens=20))
    features = family.join(family.encode([photo(80, 60)]))
    with pytest.raises(
        InvalidQuestion, match=r"have \d+ tokens, of which \d+ are the pictures'; at most 20 are allowed"
    ):
        family.examine(features, Query(b"", SHORT))


def test_what_a_chat_template_refuses_is_a_question_that_cannot_be_answered(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("llava")
    template = tiny.folder / "weights" / "chat_template.jinja"
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    template.write_text(refusal + template.read_text())
    family = tiny.load()
    pictures, query = CONVERSATIONS[3]
    with pytest.raises(InvalidQuestion, match="template refuses this conversation: no system turns"):
        family.examine(family.join(family.encode(pictures)), query)
