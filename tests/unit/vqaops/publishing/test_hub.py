"""Uploads with the real client library to a hub on loopback."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.published import tiny_recipe
from tests.support.writable_hubs import READER, WRITER, WritableHub
from vqaops.publishing.hub import Published, publish
from vqaops.publishing.model import model_publication
from vqaops.publishing.publication import Publication
from vqaops.publishing.target import Target
from vqaserve.errors import RecipeError

REPO = "somebody/tiny"
TARGET = Target(REPO, "Publish tiny")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tiny_recipe(tmp_path / "tiny")


@pytest.fixture
def tiny(recipe: Path) -> Publication:
    return model_publication(recipe)


def published(hub: WritableHub, publication: Publication, target: Target = TARGET, token: str = WRITER) -> Published:
    return publish(publication, target, endpoint=hub.url, token=token)


def test_the_repository_holds_every_byte_of_the_recipe(writable_hub: WritableHub, tiny: Publication, recipe: Path):
    done = published(writable_hub, tiny)
    files = writable_hub.files(REPO)
    assert files == {name: (recipe / name).read_bytes() for name in files}
    assert files.keys() >= {
        "README.md",
        "model-config.yaml",
        "samples/questions.jsonl",
        "weights/model.safetensors",
        "weights/tokenizer.json",
        "weights/answers.txt",
        "weights/config.json",
    }
    assert done.changed
    assert done.url == f"{writable_hub.url}/{REPO}"


def test_a_publication_is_one_commit_with_the_given_message(writable_hub: WritableHub, tiny: Publication):
    published(writable_hub, tiny, replace(TARGET, message="As trained on Monday"))
    commits = writable_hub.repository(REPO).branches["main"]
    assert [commit.message for commit in commits] == ["initial commit", "As trained on Monday"]


def test_publishing_the_same_files_again_sends_nothing_and_makes_no_commit(
    writable_hub: WritableHub, tiny: Publication
):
    first = published(writable_hub, tiny)
    writable_hub.sent.clear()
    again = published(writable_hub, tiny)
    assert (again.changed, again.commit) == (False, first.commit)
    assert not writable_hub.sent


def test_an_interrupted_upload_is_not_published_and_resumes_with_what_is_missing(
    writable_hub: WritableHub, tiny: Publication, recipe: Path
):
    writable_hub.breaks = 1
    with pytest.raises(RecipeError, match=r"could not be published at http://127.* run the command again") as caught:
        published(writable_hub, tiny)
    assert "\n" not in str(caught.value)
    assert not writable_hub.files(REPO)
    before = list(writable_hub.sent)
    published(writable_hub, tiny)
    assert len(writable_hub.sent) == len(set(writable_hub.sent))  # nothing came twice
    assert len(before) < len(writable_hub.sent)
    weights = hashlib.sha256((recipe / "weights" / "model.safetensors").read_bytes()).hexdigest()
    assert weights in writable_hub.sent
    assert writable_hub.files(REPO).keys() == tiny.files.keys()


def test_a_branch_is_created_and_main_stays_as_it_is(writable_hub: WritableHub, tiny: Publication):
    done = published(writable_hub, tiny, replace(TARGET, revision="candidate"))
    assert not writable_hub.files(REPO)
    assert writable_hub.files(REPO, revision="candidate").keys() == tiny.files.keys()
    assert done.url.endswith(f"/{REPO}/tree/candidate")


@pytest.mark.parametrize("private", [True, False, None])
def test_a_new_repository_is_as_private_as_asked_for(
    writable_hub: WritableHub, tiny: Publication, private: bool | None
):
    published(writable_hub, tiny, replace(TARGET, private=private))
    assert writable_hub.repository(REPO).private is bool(private)


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False)])
def test_an_existing_repository_that_is_not_as_private_as_asked_for_gets_nothing(
    writable_hub: WritableHub, tiny: Publication, recipe: Path, first: bool, second: bool
):
    published(writable_hub, tiny, replace(TARGET, private=first))
    before = writable_hub.files(REPO)
    (recipe / "weights" / "answers.txt").write_text("changed\n")
    with pytest.raises(RecipeError, match=r"somebody/tiny exists and is (public|private), but --(private|public) was"):
        published(writable_hub, tiny, replace(TARGET, private=second))
    assert writable_hub.files(REPO) == before


def test_files_of_an_earlier_version_are_removed_and_those_of_others_stay(
    writable_hub: WritableHub, tiny: Publication, recipe: Path
):
    (recipe / "weights" / "old-words.txt").write_text("old\n")
    published(writable_hub, model_publication(recipe))
    repository = writable_hub.repository(REPO)
    digest = writable_hub.store.keep(b"written on the Hub's page")
    repository.add("main", "notes", {**repository.branches["main"][-1].files, "notes.txt": digest})
    (recipe / "weights" / "old-words.txt").unlink()
    done = published(writable_hub, model_publication(recipe))
    assert done.removed == ("weights/old-words.txt",)
    assert writable_hub.files(REPO).keys() == {*tiny.files, "notes.txt"}


@pytest.mark.parametrize(
    ("repo", "token", "message"),
    [
        (REPO, READER, "the token may not write to somebody/tiny; create one with write access for somebody"),
        ("others/tiny", WRITER, "the token may not write to others/tiny"),
        (REPO, "hf_wrong", r"does not accept the token in HF_TOKEN \(401\)"),
        ("no name", WRITER, "'no name' is not a repository's name"),
    ],
)
def test_what_the_hub_refuses_is_one_line_that_says_what_to_do(
    writable_hub: WritableHub, tiny: Publication, repo: str, token: str, message: str
):
    with pytest.raises(RecipeError, match=message) as caught:
        published(writable_hub, tiny, replace(TARGET, repo=repo), token)
    assert "\n" not in str(caught.value)
    assert not writable_hub.store.repositories


def test_without_a_token_publishing_says_how_to_give_one(
    writable_hub: WritableHub, tiny: Publication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(RecipeError, match="publishing needs an access token that may write: set HF_TOKEN"):
        publish(tiny, TARGET, endpoint=writable_hub.url)


def test_a_card_that_the_hub_refuses_stops_the_upload_before_anything_is_sent(writable_hub: WritableHub, recipe: Path):
    card = recipe / "README.md"
    card.write_text("---\nlicense: [mit, apache-2.0]\n---\n# tiny\n")
    with pytest.raises(RecipeError, match=r'refuses somebody/tiny: Invalid metadata in README\.md.*"license" must be'):
        published(writable_hub, model_publication(recipe))
    assert not writable_hub.sent


def test_a_hub_that_is_not_there_is_refused_in_one_line(tiny: Publication):
    with pytest.raises(RecipeError, match=r"could not be published at http://127\.0\.0\.1:9 "):
        publish(tiny, TARGET, endpoint="http://127.0.0.1:9", token=WRITER)


def test_a_file_that_holds_the_token_in_use_is_never_sent(writable_hub: WritableHub, recipe: Path):
    (recipe / "weights" / "notes.txt").write_text("from the gateway of the company: s3cret-token\n")
    with pytest.raises(RecipeError, match=r"notes\.txt holds the access token in use; remove it"):
        published(writable_hub, model_publication(recipe), token="s3cret-token")
    assert not writable_hub.requests
