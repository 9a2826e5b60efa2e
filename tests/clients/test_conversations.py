"""Real clients hold a conversation about pictures with a live server of a model that writes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from tests.support.pictures import as_base64, encoded
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.server.server import Server

OPTIONS = {"temperature": 0, "max_tokens": 6}


def shown(colour: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{as_base64(encoded(colour))}"}}


def user(*parts: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": "user", "content": content}


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    recipe = tmp_path_factory.mktemp("conversations") / "talker"
    limits = {"max_turns": 60, "max_pictures": 3}
    settings = {**make_weights("smolvlm", recipe / "weights"), "limits": limits}
    return serve(complete_recipe(recipe, settings, encoded("blue"), "what?"))


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    base = f"{server.client.addresses.inference}/predictions/talker/1.0.0/v1"
    with openai.OpenAI(base_url=base, api_key=server.client.token("inference"), max_retries=0) as client:
        yield client


def test_a_conversation_pays_only_for_its_new_tokens_and_reads_its_earlier_turns(client: openai.OpenAI):
    messages: list[Any] = [{"role": "system", "content": "be terse"}, user(shown("blue"), "what is it?")]
    first = client.chat.completions.create(model="talker", messages=messages, **OPTIONS)
    said = first.choices[0].message.content
    messages += [{"role": "assistant", "content": said}, user("and what colour?")]
    further = client.chat.completions.create(model="talker", messages=messages, **OPTIONS)
    assert first.usage.prompt_tokens < further.usage.prompt_tokens
    assert further.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens
    assert further.usage.total_tokens == further.usage.prompt_tokens + further.usage.completion_tokens
    alone = client.chat.completions.create(
        model="talker", messages=[user(shown("blue"), "and what colour?")], **OPTIONS
    )
    assert alone.choices[0].message.content != further.choices[0].message.content


def test_several_pictures_are_read_in_their_order(client: openai.OpenAI):
    asked = [user(shown("blue"), shown("red"), "which?"), user(shown("red"), shown("blue"), "which?")]
    found = [client.chat.completions.create(model="talker", messages=[one], logprobs=True, **OPTIONS) for one in asked]
    first, second = ([token.logprob for token in one.choices[0].logprobs.content] for one in found)
    assert first != second


def test_the_options_of_sampling_are_taken(client: openai.OpenAI):
    asked = {"model": "talker", "messages": [user(shown("blue"), "what?")], "temperature": 1.5, "top_p": 0.9, "n": 3}
    drawn, again = (client.chat.completions.create(**asked, seed=7, max_tokens=6) for _ in range(2))
    texts = [choice.message.content for choice in drawn.choices]
    assert len(set(texts)) == 3
    assert texts == [choice.message.content for choice in again.choices]


def test_an_answer_that_is_cut_says_length_and_one_that_meets_a_stop_text_says_stop(client: openai.OpenAI):
    asked = {"model": "talker", "messages": [user(shown("blue"), "what?")], "temperature": 0}
    cut = client.chat.completions.create(**asked, max_tokens=3, logprobs=True, top_logprobs=2).choices[0]
    assert cut.finish_reason == "length"
    assert [len(token.top_logprobs) for token in cut.logprobs.content] == [2, 2, 2]
    stopped = client.chat.completions.create(**asked, max_tokens=3, stop=[cut.message.content[1]]).choices[0]
    assert stopped.finish_reason == "stop"
    assert stopped.message.content == cut.message.content[0].strip()


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (
            [user(shown("blue"), "a")] + [{"role": "assistant", "content": "b"}, user("c")] * 30,
            "has 61 turns; at most 60",
        ),
        ([user(*[shown("blue")] * 4, "a")], "has 4 pictures; at most 3"),
        (
            [user(shown("blue"), "a"), {"role": "assistant", "content": "b " * 9000}, user("c")],
            "have .* tokens, of which",
        ),
    ],
)
def test_a_conversation_over_a_limit_is_refused_with_the_limit(client: openai.OpenAI, messages: Any, message: str):
    with pytest.raises(openai.UnprocessableEntityError, match=message):
        client.chat.completions.create(model="talker", messages=messages)


def test_a_form_of_the_answer_that_cannot_be_kept_is_refused(client: openai.OpenAI):
    with pytest.raises(openai.UnprocessableEntityError, match="'json_object', which this server cannot guarantee"):
        client.chat.completions.create(
            model="talker", messages=[user(shown("blue"), "what?")], response_format={"type": "json_object"}
        )


def test_fifty_turns_are_answered(client: openai.OpenAI):
    messages: list[Any] = [user(shown("blue"), "what is it?")]
    for _ in range(24):
        messages += [{"role": "assistant", "content": "a cup"}, user("and what colour?")]
    assert client.chat.completions.create(model="talker", messages=messages, **OPTIONS).usage.prompt_tokens > 500


def test_a_picture_of_the_largest_size_is_answered_and_a_larger_one_refused_with_the_limit(client: openai.OpenAI):
    def ask(width: int, height: int) -> Any:
        file = io.BytesIO()
        Image.new("RGB", (width, height), "blue").save(file, "JPEG", quality=50)
        url = {"url": f"data:image/jpeg;base64,{as_base64(file.getvalue())}"}
        messages: Any = [user({"type": "image_url", "image_url": url}, "what is it?")]
        return client.chat.completions.create(model="talker", messages=messages, **OPTIONS)

    assert ask(8192, 6144).usage.completion_tokens > 0
    with pytest.raises(openai.UnprocessableEntityError, match=r"at most .* are allowed"):
        ask(8192, 8192)


def test_the_hugging_face_client_holds_the_same_conversation(client: openai.OpenAI, server: Server):
    messages = [user(shown("red"), "what?"), {"role": "assistant", "content": "a cup"}, user("and what colour?")]
    url = f"{server.client.addresses.inference}/predictions/talker/1.0.0"
    hub = InferenceClient(model=url, token=server.client.token("inference"))
    found = hub.chat_completion(messages, temperature=0, max_tokens=6).choices[0].message.content
    expected = client.chat.completions.create(model="talker", messages=messages, **OPTIONS)
    assert found == expected.choices[0].message.content


def test_the_plain_format_takes_earlier_questions_and_answers(client: openai.OpenAI, server: Server):
    form = {
        "question": "and what colour?",
        "conversation": json.dumps([{"question": "what?", "answer": "a cup"}]),
        "max_new_tokens": "6",
    }
    reply = server.client.http.post(
        f"{server.client.addresses.inference}/predictions/talker",
        data=form,
        files={"image": encoded("red")},
        headers={"Authorization": f"Bearer {server.client.token('inference')}"},
    )
    messages = [user(shown("red"), "what?"), {"role": "assistant", "content": "a cup"}, user("and what colour?")]
    expected = client.chat.completions.create(model="talker", messages=messages, **OPTIONS)
    assert reply.json()["answer"] == expected.choices[0].message.content
