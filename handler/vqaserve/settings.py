"""The recipe's ``model-config.yaml`` as one frozen object; a key it does not know is refused.

TorchServe's own keys stand at the top level and ours under ``handler:``, since TorchServe passes the whole
file to the handler as ``context.model_yaml_config``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from vqaserve.errors import RecipeError
from vqaserve.validation import describe_faults


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Frozen):
    """What a client may ask for; a request over a limit is refused with 422.

    Attributes:
        max_image_pixels: Pixels of one picture, read from its header before decoding.
        max_request_pixels: Pixels of all different pictures of one request together.
        max_decode_seconds: CPU time to decode the pictures of one request; at most half of ``responseTimeout``.
        max_image_bytes: Size of one picture file.
        max_question_chars: Characters of one question.
        max_questions: Questions in one request.
        max_top_k: Ranked answers to one question.
        max_new_tokens: Tokens that a generative model may write for one answer.
        max_beams: Beams of a generative model's search.
    """

    max_image_pixels: Annotated[int, Field(gt=0)] = 10_000_000
    max_request_pixels: Annotated[int, Field(gt=0)] = 40_000_000
    max_decode_seconds: Annotated[float, Field(gt=0)] = 1.5
    max_image_bytes: Annotated[int, Field(gt=0)] = 8 * 1024 * 1024
    max_question_chars: Annotated[int, Field(gt=0)] = 500
    max_questions: Annotated[int, Field(gt=0)] = 32
    max_top_k: Annotated[int, Field(gt=0)] = 20
    max_new_tokens: Annotated[int, Field(gt=0)] = 128
    max_beams: Annotated[int, Field(gt=0)] = 8


class CacheLimits(_Frozen):
    """What each worker remembers; 0 remembers nothing.

    Attributes:
        features_mb: Features of pictures, in MiB of each worker's memory.
        shared_features_mb: Features that all workers of the version share, in MiB of files under the server's temporary
            folder. It pays where encoding a picture costs much more than a file does; not every family can.
        answers: Ranked answers to a question about a picture.
    """

    features_mb: Annotated[int, Field(ge=0)] = 64
    shared_features_mb: Annotated[int, Field(ge=0)] = 0
    answers: Annotated[int, Field(ge=0)] = 4096


class RemoteImages(_Frozen):
    """Pictures by URL; without hosts every URL is refused. Those of one request have four times ``max_image_bytes``.

    Attributes:
        allowed_image_hosts: ``images.example.org`` is fetched over https, ``http://images.lan`` over http; a port that
            is not the scheme's own is part of the name (``images.example.org:8443``).
        allowed_image_networks: Networks such as ``10.1.2.0/24`` whose addresses the hosts may have; otherwise only
            public addresses are connected to.
        max_redirects: Each leads to a listed host, and is checked anew.
        seconds: For all pictures of a batch together, from the name's resolution to the last byte.
    """

    allowed_image_hosts: tuple[Annotated[str, Field(pattern=r"^(http://)?[a-z0-9._\-\[\]:]+$")], ...] = ()
    allowed_image_networks: tuple[IPvAnyNetwork, ...] = ()
    max_redirects: Annotated[int, Field(ge=0, le=10)] = 3
    seconds: Annotated[float, Field(gt=0, le=60)] = 5


def _predictions_folder() -> Path | None:
    """Where `vqaops/server/server.py` says that this server keeps its files."""
    return Path(os.environ["VQA_RUN"]) / "predictions" if "VQA_RUN" in os.environ else None


class PredictionLog(_Frozen):
    """What is kept of each question and its answer; nothing unless a recipe says so, for people ask private things.

    Attributes:
        enabled: Whether there is such a log. Pictures are never in it, only their hash.
        question: As ``text``, as its SHA-256 (``hash``: equal ones can be counted, short ones guessed) or not at all.
        folder: An absolute path, for all models; by default ``predictions`` in the server's run folder.
        max_megabytes: Of all files of one model, give or take one file for each worker; the oldest is removed.
        files: Into so many they are divided.
    """

    enabled: bool = False
    question: Literal["text", "hash", "none"] = "hash"
    folder: Path | None = Field(default_factory=_predictions_folder)
    max_megabytes: Annotated[float, Field(gt=0)] = 100
    files: Annotated[int, Field(ge=2, le=1000)] = 10

    @field_validator("folder")
    @classmethod
    def _is_absolute(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute():
            raise ValueError("not an absolute path: a worker's own folder goes with it")
        return folder


class Gate(_Frozen):
    """What a new version must reach on its own ``samples/questions.jsonl`` before it may become the default.

    Attributes:
        min_agreement: Least share of its answers that are also the current version's.
        max_accuracy_loss: The most by which its share of expected answers may be below the current version's.
        max_latency_ratio: Its latency over the current version's on the same questions, at most.
    """

    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.8
    max_accuracy_loss: Annotated[float, Field(ge=0, le=1)] = 0.0
    max_latency_ratio: Annotated[float, Field(gt=0)] = 1.5


class HandlerSettings(_Frozen):
    """The ``handler:`` section of a recipe.

    Attributes:
        version: Version of the archive (semantic, ``MAJOR.MINOR.PATCH``).
        task: A name in ``vqaserve.tasks.TASKS``.
        family: A name in ``vqaserve.families.FAMILIES``.
        weights: Folder with the family's files, relative to the recipe.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: the GPU that TorchServe gave the worker, else the CPU.
        threads: Torch's threads in each worker; workers times threads should not exceed the cores.
        precision: The arithmetic; ``auto`` is the fastest of the machine's that keeps the answers.
        agreement: Share of probe answers that must be the same as in fp32 for another precision to be used.
        options: What the family itself can be told; it refuses what it does not know.
        question: Asked about a picture that comes without one (``curl -T photo.jpg``); none: refused.
        top_k: Ranked answers in a reply when the client does not say.
        abstain_below: An answer with a lower score is marked as ``abstained`` in the plain format, and counted.
        limits: What a client may ask for.
        cache: What a worker remembers.
        remote_images: Whether pictures may come as URLs, and from where.
        prediction_log: What is kept of each question.
        gate: What a new version must reach to be promoted (``scripts/models.py promote``); the handler ignores it.
    """

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    task: str = "visual_question_answering"
    family: str
    weights: str = "weights"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(gt=0)] = 1
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "fp32"
    agreement: Annotated[float, Field(gt=0, le=1)] = 0.98
    options: dict[str, Any] = {}
    question: str | None = None
    top_k: Annotated[int, Field(gt=0)] = 5
    abstain_below: Annotated[float, Field(ge=0, le=1)] = 0
    limits: Limits = Limits()
    cache: CacheLimits = CacheLimits()
    remote_images: RemoteImages = RemoteImages()
    prediction_log: PredictionLog = Field(default_factory=PredictionLog)
    gate: Gate = Gate()


class ModelConfig(_Frozen):
    """A whole ``model-config.yaml``: the keys of TorchServe 0.12 that work with this handler, and ours.

    ``useJobTicket``, ``asyncCommunication``, ``continuousBatching`` and micro-batching are refused on purpose:
    each either turns batching off or loses requests in TorchServe 0.12.

    Attributes:
        minWorkers: Workers that TorchServe starts.
        maxWorkers: The same number: TorchServe does not scale by itself.
        batchSize: Requests in a batch at most.
        maxBatchDelay: Milliseconds that a batch waits for more requests. 1 sends what queued while the worker was busy
            and delays no lone request.
        responseTimeout: Seconds after which TorchServe kills a worker that has not answered, together with its batch.
        startupTimeout: Seconds that a worker may take to start.
        jobQueueSize: Requests that may wait; more get 503.
        maxRetryTimeoutInSec: Seconds of failing starts after which TorchServe gives a worker up.
        deviceType: Device that TorchServe assigns to workers; by default a GPU where there is one.
        deviceIds: GPUs that TorchServe assigns; all by default.
        handler: Settings of this handler.
    """

    minWorkers: Annotated[int, Field(ge=1)]
    maxWorkers: Annotated[int, Field(ge=1)]
    batchSize: Annotated[int, Field(ge=1)]
    # 0 silently means 100 ms in TorchServe; 1 sends what queued while the worker was busy, and waits for nobody.
    maxBatchDelay: Annotated[int, Field(ge=1)]
    responseTimeout: Annotated[int, Field(ge=1)] = 120
    startupTimeout: Annotated[int, Field(ge=1)] = 120
    jobQueueSize: Annotated[int, Field(ge=1)] = 32
    maxRetryTimeoutInSec: Annotated[int, Field(ge=1)] = 300
    deviceType: Literal["cpu", "gpu"] | None = None
    deviceIds: tuple[int, ...] | None = None
    handler: HandlerSettings

    @property
    def opening_seconds(self) -> float:
        """In which the pictures of a batch must be opened; the rest of ``responseTimeout`` is for the answers.

        Wall-clock time, as TorchServe's: a worker that is later than ``responseTimeout`` is killed with its batch.
        """
        return self.responseTimeout / 2

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        took = {"handler.limits.max_decode_seconds": self.handler.limits.max_decode_seconds}
        if self.handler.remote_images.allowed_image_hosts:
            took["handler.remote_images.seconds"] = self.handler.remote_images.seconds
        for name, seconds in took.items():
            if seconds > self.opening_seconds:
                raise ValueError(
                    f"{name} is {seconds:g} s, and can be at most half of responseTimeout ({self.responseTimeout} s): "
                    "over that, TorchServe kills the worker with all that it answers"
                )
        return self

    @classmethod
    def parse(cls, mapping: Any) -> ModelConfig:
        """Validate an already decoded YAML mapping.

        Raises:
            RecipeError: With every key at fault, and the keys that are known there.
        """
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            raise RecipeError(f"model-config.yaml: {describe_faults(cls, error)}") from None

    @classmethod
    def read(cls, path: Path) -> ModelConfig:
        """Read a recipe's ``model-config.yaml``.

        Raises:
            RecipeError: The file is missing, is not YAML, or does not validate.
        """
        try:
            return cls.parse(yaml.safe_load(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RecipeError(f"{path} is missing; every recipe needs one") from None
        except yaml.YAMLError as error:
            raise RecipeError(f"{path} is not YAML: {error}") from None
