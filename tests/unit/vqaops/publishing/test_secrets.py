from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vqaops.paths import RECIPES
from vqaops.publishing.model import model_publication
from vqaops.publishing.secrets import check_files
from vqaserve.errors import RecipeError

SECRETS = {
    "an access token of the Hugging Face Hub": "hf_" + "aB3" * 12,
    "an API key of the gateway": "vqa_" + "a-_9" * 10 + "abc",
    "tokens of TorchServe": '{"inference": {"key": "abc", "expiration time": "2026"}}',
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
}


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("before", [0, 1_048_570, 3_000_000])
def test_a_secret_anywhere_in_a_file_is_refused_and_not_repeated(tmp_path: Path, what: str, before: int):
    file = tmp_path / "notes.txt"
    file.write_text("x" * (before - 1) + " " + SECRETS[what] + " and more\n")
    with pytest.raises(RecipeError, match=f"{file} holds {what}; remove it") as caught:
        check_files({"notes.txt": file})
    assert SECRETS[what] not in str(caught.value)


def test_a_secret_in_the_metadata_of_safetensors_is_refused(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(2)}, file, metadata={"by": SECRETS["an access token of the Hugging Face Hub"]})
    with pytest.raises(RecipeError, match="holds an access token"):
        check_files({"weights/model.safetensors": file})


@pytest.mark.parametrize("name", ["vocab.txt", "model.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_under_any_name(tmp_path: Path, name: str, zipped: bool):
    file = tmp_path / name
    if zipped:
        torch.save({"a": torch.zeros(2)}, file)
    else:
        file.write_bytes(pickle.dumps({"word": 1}))
    with pytest.raises(RecipeError, match="is a pickle or an archive"):
        check_files({name: file})


@pytest.mark.parametrize("recipe", ["shapes", "rooms"])
def test_the_recipes_that_are_part_of_the_project_pass(recipe: str):
    check_files(model_publication(RECIPES / recipe).files)
