from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig, RemoteImages

GOOD = {
    "minWorkers": 1,
    "maxWorkers": 2,
    "batchSize": 8,
    "maxBatchDelay": 1,
    "handler": {"version": "1.0.0", "family": "dummy"},
}


def test_a_complete_config_is_read_with_its_defaults(tmp_path: Path):
    file = tmp_path / "model-config.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    config = ModelConfig.read(file)
    assert config.batchSize == 8
    assert config.handler.task == "visual_question_answering"
    assert config.handler.limits.max_question_chars == 500


def test_an_unknown_key_is_refused_with_the_nearest_known_one():
    with pytest.raises(RecipeError, match=r"unknown key 'handler.familly'; did you mean 'family'\?"):
        ModelConfig.parse({**GOOD, "handler": {**GOOD["handler"], "familly": "dummy"}})


def test_an_unknown_key_two_levels_down_is_refused_with_the_nearest_known_one():
    handler = {**GOOD["handler"], "limits": {"max_image_pixel": 3}}
    with pytest.raises(
        RecipeError, match=r"unknown key 'handler.limits.max_image_pixel'; did you mean 'max_image_pixels'\?"
    ):
        ModelConfig.parse({**GOOD, "handler": handler})


def test_a_batch_delay_of_zero_is_refused_because_torchserve_takes_it_for_100_ms():
    with pytest.raises(RecipeError, match=r"maxBatchDelay.*greater than or equal to 1"):
        ModelConfig.parse({**GOOD, "maxBatchDelay": 0})


@pytest.mark.parametrize("key", ["useJobTicket", "asyncCommunication", "continuousBatching"])
def test_modes_that_lose_requests_in_torchserve_are_refused(key: str):
    with pytest.raises(RecipeError, match=f"unknown key '{key}'"):
        ModelConfig.parse({**GOOD, key: True})


@pytest.mark.parametrize(
    "key", ["limits", "cache", "remote_images", "prediction_log", "gate", "options", "top_k", "question"]
)
def test_a_key_without_a_value_has_its_default(key: str):
    given = ModelConfig.parse({**GOOD, "deviceType": None, "handler": {**GOOD["handler"], key: None}})
    assert given == ModelConfig.parse(GOOD)


def test_a_required_or_an_unknown_key_without_a_value_is_refused():
    with pytest.raises(RecipeError, match=r"minWorkers: Field required; .*unknown key 'minWorker'; did you mean"):
        ModelConfig.parse({**GOOD, "minWorkers": None, "minWorker": None})


def test_every_fault_is_reported_at_once():
    with pytest.raises(RecipeError, match=r"batchSize.*; .*version"):
        ModelConfig.parse({**GOOD, "batchSize": "many", "handler": {"version": "1", "family": "dummy"}})


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, content: str):
    file = tmp_path / "model-config.yaml"
    file.write_text(content)
    with pytest.raises(RecipeError, match="the file"):
        ModelConfig.read(file)


def test_a_file_that_is_not_yaml_is_refused(tmp_path: Path):
    file = tmp_path / "model-config.yaml"
    file.write_text("a: [1, 2")
    with pytest.raises(RecipeError, match="is not YAML"):
        ModelConfig.read(file)


def test_a_key_that_appears_twice_is_refused_with_its_line(tmp_path: Path):
    file = tmp_path / "model-config.yaml"
    file.write_text("minWorkers: 1\nmaxWorkers: 1\nminWorkers: 2\n")
    with pytest.raises(RecipeError, match=r"model-config.yaml:3: the key 'minWorkers' appears twice"):
        ModelConfig.read(file)


def test_the_message_names_the_file_that_is_not_valid(tmp_path: Path):
    file = tmp_path / "model-config.yaml"
    file.write_text(yaml.safe_dump({**GOOD, "batchSize": 0}))
    with pytest.raises(RecipeError, match=f"^{file}: batchSize: Input should be greater than"):
        ModelConfig.read(file)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("images.example.org", "images.example.org"),
        ("Images.Example.ORG", "images.example.org"),
        ("images.example.org.", "images.example.org"),
        ("https://images.example.org/", "images.example.org"),
        ("HTTPS://images.example.org:443", "images.example.org"),
        ("images.example.org:8443", "images.example.org:8443"),
        ("http://images.lan:80/", "http://images.lan"),
        ("HTTP://10.1.2.3:8080", "http://10.1.2.3:8080"),
        ("[2001:DB8::1]:8443", "[2001:db8::1]:8443"),
        ("my_bucket.s3.example", "my_bucket.s3.example"),
    ],
)
def test_an_image_host_is_kept_in_one_form(given: str, canonical: str):
    assert RemoteImages(allowed_image_hosts=(given,)).allowed_image_hosts == (canonical,)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "*.example.org",
        "images.example.org/folder",
        "ftp://images.lan",
        "user@images.lan",
        "a b",
        "bücher.example",
        "[",
    ],
)
def test_a_value_that_is_not_a_host_is_refused_with_examples(given: str):
    handler = {**GOOD["handler"], "remote_images": {"allowed_image_hosts": [given]}}
    with pytest.raises(RecipeError, match=r"allowed_image_hosts\.0: .* is not a host; write images\.example\.org"):
        ModelConfig.parse({**GOOD, "handler": handler})


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"model-config.yaml is missing"):
        ModelConfig.read(tmp_path / "model-config.yaml")


def test_settings_cannot_be_changed():
    config = ModelConfig.parse(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        config.batchSize = 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limits": {"max_decode_seconds": 2}}, r"max_decode_seconds is 2 s; at most half of .* \(3 s\) is allowed"),
        ({"remote_images": {"allowed_image_hosts": ["a.example"], "seconds": 5}}, r"remote_images\.seconds is 5 s"),
    ],
)
def test_times_that_would_get_the_worker_killed_are_refused(given: dict, message: str):
    handler = {**GOOD["handler"], **given}
    with pytest.raises(RecipeError, match=message):
        ModelConfig.parse({**GOOD, "responseTimeout": 3, "handler": handler})
    assert ModelConfig.parse({**GOOD, "responseTimeout": 10, "handler": handler}).opening_seconds == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("agreement: .nan", "handler.agreement: Input should be .*, got nan"),
        ("abstain_below: .nan", "handler.abstain_below: Input should be .*, got nan"),
        ("limits: {max_decode_seconds: .inf}", "handler.limits.max_decode_seconds: Input should be a finite number"),
        ("limits: {max_decode_seconds: .nan}", "handler.limits.max_decode_seconds: Input should be a finite number"),
        ("prediction_log: {max_megabytes: .inf}", "handler.prediction_log.max_megabytes: Input should be a finite"),
        ("gate: {max_latency_ratio: .nan}", "handler.gate.max_latency_ratio: Input should be a finite number"),
        ("limits: [1, 2]", r"handler.limits: Input should be a valid dictionary, got \[1, 2\]"),
        ("options: [1]", r"handler.options: Input should be a valid dictionary, got \[1\]"),
        ("cache: 5", "handler.cache: Input should be a valid dictionary, got 5"),
        ("threads: one", "handler.threads: Input should be a valid integer.*, got 'one'"),
        ("threads: 1.5", "handler.threads: Input should be a valid integer"),
        ("weights: {a: b}", "handler.weights: Input should be a valid string"),
        ("device: gpu", "handler.device: String should match pattern"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key(tmp_path: Path, line: str, message: str):
    file = tmp_path / "model-config.yaml"
    file.write_text(yaml.safe_dump(GOOD, sort_keys=False) + f"  {line}\n")
    with pytest.raises(RecipeError, match=message) as caught:
        ModelConfig.read(file)
    assert str(caught.value).startswith(f"{file}: ")
