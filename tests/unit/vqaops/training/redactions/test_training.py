"""A tiny training, from documents to a recipe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from scripts.redaction_figures import app as figures_app
from tests.support.redacted_pages import text_page, write_pdf
from tests.support.training import assert_same_weights, invoke, make_recipe, weights
from vqaops.training.redactions import hard_pages, trainer
from vqaserve.families.redactions import Redactions
from vqaserve.settings import HandlerSettings

SETTINGS: dict[str, Any] = {
    "family": "redactions",
    "model": {"side": 128, "channels": [4, 4, 8, 8]},
    "typed": 0.2,
    "examples": 8,
    "calibration": 4,
    "judge_examples": 8,
    "judge_epochs": 2,
    "epochs": 2,
    "batch": 4,
    "learning_rate": 0.01,
}

DECIDES = "boxes.decide.1.weight"
"""The weights of the second network that join what it saw."""

MARKS = "pages.head.0.weight"
"""The last weights of the first network."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three documents of a page, and one held out."""
    folder = tmp_path_factory.mktemp("documents")
    for number in range(3):
        write_pdf(folder / "train" / f"{number}.pdf", [text_page((620, 877), 6 + number)])
    write_pdf(folder / "held-out" / "a.pdf", [text_page((620, 877), 12)])
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    """A trained recipe, which tests must not change; its state is beside it."""
    recipe = make_recipe(tmp_path_factory.mktemp("trained") / "recipe", SETTINGS)
    result = invoke(recipe, documents)
    assert result.exit_code == 0, result.output
    return recipe


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    """A recipe whose weights others start from; tests must not change it."""
    recipe = make_recipe(tmp_path_factory.mktemp("first") / "recipe", SETTINGS, epochs=1)
    result = invoke(recipe, documents)
    assert result.exit_code == 0, result.output
    return recipe


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, first: Path, documents: Path) -> Path:
    """A recipe whose second network was trained on from ``first``; tests must not change it."""
    recipe = start_from(first, tmp_path_factory.mktemp("second") / "recipe")
    result = invoke(recipe, documents)
    assert result.exit_code == 0, result.output
    return recipe


def start_from(first: Path, folder: Path, **changes: Any) -> Path:
    """A recipe that trains on from the weights of another one: the second network alone, unless changes say more."""
    recipe = make_recipe(folder, SETTINGS, **{"epochs": 0, "start": "before/model.safetensors", **changes})
    shutil.copytree(first / "weights", recipe / "before")
    return recipe


def test_a_trained_recipe_is_complete_and_is_measured(trained: Path, documents: Path):
    settings = HandlerSettings(version="1.0.0", family="redactions", device="cpu", task="image_classification")
    found = Redactions.load(trained, settings).find(text_page((620, 877)))
    assert 0 <= found.confidence <= 1
    assert (trained / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    arguments = [str(trained), "--data", str(documents), "--pages", "6", "--state", str(trained.parent / "state")]
    printed = CliRunner().invoke(figures_app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "| page F1 |" in printed.output


def test_a_resumed_run_ends_as_one_that_never_stopped(
    trained: Path, tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = make_recipe(tmp_path / "recipe", SETTINGS)
    save = trainer.RedactionTrainer._save

    def interrupted(one: trainer.RedactionTrainer) -> None:
        save(one)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.RedactionTrainer, "_save", interrupted)
        invoke(broken, documents)
    assert not (broken / "weights").exists()
    assert invoke(broken, documents).exit_code == 0
    assert_same_weights(weights(broken), weights(trained))


def test_a_training_that_starts_from_weights_keeps_the_first_network_if_it_has_no_epochs(first: Path, second: Path):
    before, after = (load_file(recipe / "weights" / "model.safetensors") for recipe in (first, second))
    for name in before:
        assert name.startswith("boxes.") or torch.equal(before[name], after[name]), name
    assert not torch.equal(before[DECIDES], after[DECIDES])


def test_weights_of_another_network_are_no_start(tmp_path: Path, documents: Path):
    recipe = make_recipe(tmp_path / "recipe", SETTINGS, start="start.safetensors")
    save_file({"pages.head.bias": torch.zeros(3)}, recipe / "start.safetensors")
    result = invoke(recipe, documents)
    assert result.exit_code == 1
    assert "the weights to start from are of another network" in result.output


def test_a_folder_without_documents_is_refused(tmp_path: Path):
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS), tmp_path / "nothing")
    assert result.exit_code == 1
    assert "has no PDF file" in result.output


def test_a_damaged_document_is_refused(tmp_path: Path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "a.pdf").write_bytes(b"%PDF-1.7 and no more")
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS), tmp_path / "data")
    assert result.exit_code == 1
    assert "cannot be read as PDF" in result.output


def test_an_unknown_family_is_refused(tmp_path: Path, documents: Path):
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS, family="stitches"), documents)
    assert result.exit_code == 1
    assert "family 'stitches' cannot be trained here; there are: modular, redactions" in result.output


def test_training_without_the_picture_is_refused(tmp_path: Path, documents: Path):
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS), documents, "--text-only")
    assert result.exit_code == 1
    assert "--text-only is for models that answer questions" in result.output


def test_a_second_network_without_a_share_in_the_mean_stays_as_it_was(first: Path, tmp_path: Path, documents: Path):
    recipe = start_from(first, tmp_path / "recipe", judge_share=0.0)
    assert invoke(recipe, documents).exit_code == 0
    before, after = (load_file(one / "weights" / "model.safetensors") for one in (first, recipe))
    assert torch.equal(before[DECIDES], after[DECIDES])


def test_a_first_network_without_a_share_in_the_mean_stays_as_it_was(first: Path, tmp_path: Path, documents: Path):
    recipe = start_from(first, tmp_path / "recipe", epochs=1, page_share=0.0)
    assert invoke(recipe, documents).exit_code == 0
    before, after = (load_file(one / "weights" / "model.safetensors") for one in (first, recipe))
    assert torch.equal(before[MARKS], after[MARKS])


@pytest.mark.parametrize("change", [{"judge_large": 4}, {"judge_runs": 2}])
def test_large_redactions_and_further_runs_change_the_second_network(
    first: Path, second: Path, tmp_path: Path, documents: Path, change: dict[str, int]
):
    recipe = start_from(first, tmp_path / "recipe", **change)
    assert invoke(recipe, documents).exit_code == 0
    without, after = (load_file(one / "weights" / "model.safetensors")[DECIDES] for one in (second, recipe))
    assert not torch.equal(without, after)


def test_weights_from_before_the_second_network_saw_the_page_around_a_box_are_a_start(
    first: Path, tmp_path: Path, documents: Path
):
    recipe = start_from(first, tmp_path / "recipe", judge_share=0.0)
    before = load_file(first / "weights" / "model.safetensors")
    known = before[DECIDES][:, :196].contiguous()
    older = {name: tensor for name, tensor in before.items() if not name.startswith("boxes.around.")}
    save_file({**older, DECIDES: known}, recipe / "before" / "model.safetensors")
    result = invoke(recipe, documents)
    assert result.exit_code == 0, result.output
    after = load_file(recipe / "weights" / "model.safetensors")
    assert torch.equal(after[DECIDES][:, :196], known)
    assert not after[DECIDES][:, 196:].any()


def test_a_second_network_sees_the_pages_that_were_hard_for_the_one_before(
    first: Path, second: Path, tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hard_pages, "_SEEN", 0.0)  # every page is hard
    recipe = start_from(first, tmp_path / "recipe", judge_hard=0.6)
    result = invoke(recipe, documents)
    assert result.exit_code == 0, result.output
    without, after = (load_file(one / "weights" / "model.safetensors")[DECIDES] for one in (second, recipe))
    assert not torch.equal(without, after)


def test_hard_pages_are_looked_for_among_further_pages_of_documents_that_have_one(
    first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hard_pages, "_SEEN", 0.0)
    for number in range(2):
        write_pdf(tmp_path / "data" / "train" / f"{number}.pdf", [text_page((620, 877), 6 + n) for n in range(3)])
    shares = {"hard": 0.6, "judge_hard": 0.6}
    recipe = start_from(first, tmp_path / "recipe", pages_per_document=2, hard_pages_per_document=3, **shares)
    with caplog.at_level("INFO"):
        assert invoke(recipe, tmp_path / "data").exit_code == 0
    assert "2 of 2 pages are hard" in caplog.text
    assert "1 of 1 further pages are hard" in caplog.text


@pytest.mark.parametrize("name", ["hard", "judge_hard"])
def test_hard_pages_without_networks_to_find_them_are_refused(tmp_path: Path, documents: Path, name: str):
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS, **{name: 0.4}), documents)
    assert result.exit_code == 1
    assert "hard and judge_hard need start" in result.output


@pytest.mark.parametrize("styles", [[1.0], [0.5] * 8])
def test_shares_of_styles_that_are_too_few_or_too_much_are_refused(
    tmp_path: Path, documents: Path, styles: list[float]
):
    result = invoke(make_recipe(tmp_path / "recipe", SETTINGS, styles=styles), documents)
    assert result.exit_code == 1
    assert "needs 8 shares whose sum is 1" in result.output
