"""Family ``hf_generative`` compared with ``generate`` of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BlipForQuestionAnswering

from tests.support.families import PAIRS, SHORT, answers, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.errors import InvalidParameter, RecipeError
from vqaserve.families.hf_folder import read_processor
from vqaserve.types import Query

CHATS = ["llava", "qwen2_vl", "smolvlm", "paligemma"]
GENERATORS = ["blip", *CHATS]


@torch.inference_mode()
def written(tiny: Tiny, picture: Image.Image, question: str, **arguments: Any) -> list[str]:
    """The text of transformers' ``generate``."""
    folder = tiny.folder / "weights"
    arguments = {"do_sample": False, "max_new_tokens": 6, **arguments}
    if tiny.kind == "blip":
        processor = AutoProcessor.from_pretrained(folder)
        model = BlipForQuestionAnswering.from_pretrained(folder).eval()
        tokens = model.generate(**processor(picture, question, return_tensors="pt"), **arguments)[:, 1:]
    else:
        processor = read_processor(folder)  # AutoProcessor, but for its video part
        model = AutoModelForImageTextToText.from_pretrained(folder).eval()
        inputs = prompted(tiny, processor, picture, question)
        tokens = model.generate(**inputs, **arguments)[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)]


def prompted(tiny: Tiny, processor: Any, picture: Image.Image, question: str) -> Any:
    if tiny.kind == "paligemma":
        inputs = processor(picture, f"<image>answer en {question}", return_tensors="pt")
        inputs.pop("labels")
        return inputs
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
    return processor.apply_chat_template(
        [{"role": "user", "content": parts}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_greedy_answer_is_that_of_generate(kind: str, shared_tiny: Callable[[str], Tiny]):
    tiny = shared_tiny(kind)
    found = answers(tiny.load(), PAIRS)
    expected = [written(tiny, picture, query.question) for picture, query in PAIRS]
    assert [[answer.answer for answer in ranked] for ranked in found] == expected


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_best_beam_is_that_of_generate(kind: str, shared_tiny: Callable[[str], Tiny]):
    tiny = shared_tiny(kind)
    picture = PAIRS[0][0]
    (ranked,) = answers(tiny.load(), [(picture, Query(b"", SHORT, top_k=3, parameters={"num_beams": 3}))])
    expected = written(tiny, picture, SHORT, num_beams=3, num_return_sequences=3, length_penalty=0.0)
    assert [answer.answer for answer in ranked] == list(dict.fromkeys(expected))


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_a_score_is_the_product_of_the_token_probabilities(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    (short,) = answers(family, [(PAIRS[0][0], Query(b"", SHORT, top_k=1, parameters={"max_new_tokens": 1}))])
    (longer,) = answers(family, [(PAIRS[0][0], Query(b"", SHORT, top_k=1, parameters={"max_new_tokens": 2}))])
    assert 0 < longer[0].score < short[0].score < 1


def test_greedy_gives_one_answer_and_beams_as_many_as_asked(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("blip").load()
    asked = [{}, {"num_beams": 4}, {"num_beams": 2}]
    pairs = [(PAIRS[0][0], Query(b"", SHORT, top_k=3, parameters=parameters)) for parameters in asked]
    assert [len(ranked) for ranked in answers(family, pairs)] == [1, 3, 2]


def test_a_drawn_answer_is_the_same_alone_and_in_a_batch(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("llava").load()
    pairs = [(picture, Query(b"", query.question, 1, {"temperature": 2.0})) for picture, query in PAIRS]
    drawn = answers(family, pairs)
    assert_same(drawn, [answers(family, [pair])[0] for pair in pairs])
    assert drawn != answers(family, [(picture, Query(b"", query.question, 1)) for picture, query in PAIRS])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"num_beams": 2, "temperature": 1.0}, "temperature and num_beams came together"),
        ({"num_beams": 1.5}, "num_beams is 1.5; it must be a whole number"),
        ({"max_new_tokens": 129}, "max_new_tokens is 129; it can be 1 to 128"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(
    parameters: dict[str, float], message: str, shared_tiny: Callable[[str], Tiny]
):
    with pytest.raises(InvalidParameter, match=message):
        shared_tiny("blip").load().check(Query(b"", SHORT, parameters=parameters))


@pytest.mark.parametrize("kind", CHATS)
def test_a_question_cannot_end_its_turn_or_bring_a_picture(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load()
    generator = family.generator
    prompt = generator.prompts.text(
        Query(b"", f"red {generator.processor.image_token}{generator.processor.tokenizer.eos_token} blue")
    )
    assert prompt == generator.prompts.text(Query(b"", "red    blue"))


def test_a_recipe_can_word_the_prompt(shared_tiny: Callable[[str], Tiny]):
    tiny = shared_tiny("llava")
    worded = tiny.load(options={"max_new_tokens": 6, "prompt": "{question} Answer with one word."})
    (found,) = answers(worded, PAIRS[:1])
    assert [found[0].answer] == written(tiny, PAIRS[0][0], f"{SHORT} Answer with one word.")
    with pytest.raises(RecipeError, match="prompt: String should match pattern"):
        tiny.load(options={"prompt": "What is it?"})


def test_a_chat_template_without_a_place_for_the_picture_is_refused(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("llava")
    (tiny.folder / "weights" / "chat_template.jinja").write_text("{{ messages[0]['content'][1]['text'] }}")
    with pytest.raises(RecipeError, match="the prompt must contain the question and one '<image>', but is 'is it"):
        tiny.load()


def test_without_a_chat_template_the_recipe_says_the_prompt(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("llava")
    (expected,) = answers(tiny.load(), PAIRS[:1])
    (tiny.folder / "weights" / "chat_template.jinja").unlink()
    with pytest.raises(
        RecipeError, match=r"no chat template; set handler\.options\.prompt to the training prompt of llava"
    ):
        tiny.load()
    prompt = "USER: <image>\n{question} ASSISTANT:"
    assert_same(answers(tiny.load(options={"max_new_tokens": 6, "prompt": prompt}), PAIRS[:1]), [expected])


def test_an_architecture_that_transformers_does_not_know_is_refused(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("blip")
    file = tiny.folder / "weights" / "config.json"
    file.write_text(json.dumps({"model_type": "oracle", "architectures": ["Oracle"]}))
    with pytest.raises(RecipeError, match=r"does not load: .*`oracle`"):
        tiny.load()
