"""Family ``clip_llm`` compared with CLIP's similarity and peft's generation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoProcessor, AutoTokenizer, CLIPModel

from tests.support.families import LONG, PAIRS, SHORT, answers
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families.clip_llm.family import ScoredAnswers
from vqaserve.families.generated import GeneratedAnswer
from vqaserve.tasks.visual_question_answering import VisualQuestionAnswering
from vqaserve.types import Query


@pytest.fixture(scope="module")
def tiny(shared_tiny: Callable[[str], Tiny]) -> Tiny:
    return shared_tiny("clip_llm")


@torch.inference_mode()
def test_the_similarity_is_that_of_clip_to_four_places(tiny: Tiny):
    clip = CLIPModel.from_pretrained(tiny.folder / "weights" / "clip").eval()
    processor = AutoProcessor.from_pretrained(tiny.folder / "weights" / "clip")
    for ranked, (picture, query) in zip(answers(tiny.load(), PAIRS), PAIRS, strict=True):
        outputs = clip(**processor(text=query.question, images=picture, return_tensors="pt", truncation=True))
        similarity = (outputs.image_embeds * outputs.text_embeds).sum().item()
        assert ranked[0].details == {"clip_similarity": pytest.approx(similarity, abs=0.5e-4)}
        assert ranked[0].details["clip_similarity"] == round(ranked[0].details["clip_similarity"], 4)


@torch.inference_mode()
def test_the_text_is_what_peft_generates_after_the_prompt(tiny: Tiny):
    folder = tiny.folder / "weights"
    (ranked,) = answers(tiny.load(options={"max_new_tokens": 6, "merge": False}), [(PAIRS[0][0], Query(b"", SHORT))])
    prompt = f"CLIP similarity: {ranked[0].details['clip_similarity']:.4f}\nQuestion: {SHORT}\nAnswer:"
    tokenizer = AutoTokenizer.from_pretrained(folder / "llm")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder / "llm"), folder / "adapter").eval()
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    tokens = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert ranked[0].answer == tokenizer.decode(tokens, skip_special_tokens=True).strip()


def test_a_merged_adapter_writes_what_a_kept_one_does(tiny: Tiny):
    merged, kept = (tiny.load(options={"max_new_tokens": 6, "merge": merge}) for merge in (True, False))
    assert isinstance(kept.model, PeftModel)
    assert not isinstance(merged.model, PeftModel)
    texts = [[ranked[0].answer for ranked in answers(family, PAIRS)] for family in (merged, kept)]
    assert texts[0] == texts[1]


def test_the_adapter_changes_the_answers(tiny: Tiny):
    family = tiny.load()
    (adapted,) = answers(family, PAIRS[:1])
    family.model = AutoModelForCausalLM.from_pretrained(tiny.folder / "weights" / "llm").eval()
    assert answers(family, PAIRS[:1])[0] != adapted


def test_the_answer_is_cut_after_the_last_marker(tiny: Tiny):
    family = tiny.load()
    tokens = tuple(family.tokenizer(" it is\nAnswer: red")["input_ids"])
    outputs = [ScoredAnswers([GeneratedAnswer(tokens, -1.0, prompt_tokens=5, ended=True)], 0.1)]
    assert [one.answer for one in family.decode(outputs, [Query(b"", SHORT, 1)])[0]] == ["red"]


def test_the_reply_carries_the_similarity(tiny: Tiny):
    (ranked,) = answers(tiny.load(), PAIRS[:1])
    reply = VisualQuestionAnswering(tiny.settings).finish(ranked, Query(b"")).entries[0]
    assert set(reply) == {"answer", "score", "clip_similarity"}


def test_a_question_longer_than_clip_reads_is_cut(tiny: Tiny):
    (ranked,) = answers(tiny.load(), [(PAIRS[0][0], Query(b"", LONG * 3))])
    assert -1 <= ranked[0].details["clip_similarity"] <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"four_bit": True}}, "four_bit needs a GPU, and the device is cpu; set four_bit: false"),
        ({"options": {"four_bit": True, "merge": True}}, "merge: true would round the adapter to 4 bits too"),
        ({"options": {"merge": False}, "precision": "int8"}, "precision int8 needs a merged adapter"),
        ({"options": {"prompt": "Say something."}}, "prompt: String should match pattern"),
    ],
)
def test_options_that_cannot_be_are_refused(tiny: Tiny, changes: dict[str, object], message: str):
    with pytest.raises(RecipeError, match=message):
        tiny.load(**changes)


def test_an_adapter_that_lacks_tensors_is_refused(make_tiny: Callable[[str], Tiny]):
    from safetensors.torch import load_file, save_file

    tiny = make_tiny("clip_llm")
    file = tiny.folder / "weights" / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.pop(next(iter(tensors)))
    save_file(tensors, file)
    with pytest.raises(RecipeError, match="adapter does not load: Found missing adapter keys"):
        tiny.load()
