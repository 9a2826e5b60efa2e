"""The recipe's ``model-config.yaml`` as one frozen object; an unknown key is refused.

TorchServe's own keys are at the top level and ours under ``handler:``, because TorchServe passes the whole file to the
handler as ``context.model_yaml_config``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, IPvAnyNetwork, field_validator, model_validator

from vqaserve.errors import RecipeError
from vqaserve.layout import Open, Room, replace_auto
from vqaserve.limits import Limits
from vqaserve.picture_urls import listed_host
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_settings, validate_settings

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


class CacheLimits(FrozenModel):
    """The sizes of each worker's caches; 0 turns a cache off.

    Attributes:
        features_mb: MiB of each worker's memory for the features of pictures.
        shared_features_mb: MiB of files under the server's temporary folder for features that all workers of the
            version share. Worth it if encoding a picture takes much longer than reading a file; not every family can.
        prefixes_mb: MiB of each worker's memory for the keys and values of prompts, for models that write: a further
            turn of a conversation then costs only its own tokens. One token of a SmolVLM-256M takes 45 kB in fp32.
        answers: Cached answers; an entry holds the ranked answers to one question about one picture.
        labels: Cached embeddings of candidate labels; one of CLIP takes 2 kB.
    """

    features_mb: Annotated[int, Field(ge=0)] = 64
    shared_features_mb: Annotated[int, Field(ge=0)] = 0
    prefixes_mb: Annotated[int, Field(ge=0)] = 256
    answers: Annotated[int, Field(ge=0)] = 4096
    labels: Annotated[int, Field(ge=0)] = 4096


class RemoteImages(FrozenModel):
    """Pictures by URL. One request may fetch four times ``max_image_bytes``.

    Attributes:
        allowed_image_hosts: Hosts from which pictures are fetched; without any, every URL is refused.
            ``images.example.org`` is fetched over https, ``http://images.lan`` over http. A port that is not the
            scheme's own belongs to the name (``images.example.org:8443``).
        allowed_image_networks: Networks such as ``10.1.2.0/24`` that the hosts may be in; other addresses must be
            public.
        max_redirects: Redirects that are followed; each must lead to a listed host and is checked like the first URL.
        seconds: Time for all pictures of a batch together, from resolving the names to the last byte.
    """

    allowed_image_hosts: tuple[Annotated[str, AfterValidator(listed_host)], ...] = ()
    allowed_image_networks: tuple[IPvAnyNetwork, ...] = ()
    max_redirects: Annotated[int, Field(ge=0, le=10)] = 3
    seconds: Annotated[float, Field(gt=0, le=60)] = 5


def run_folder() -> Path | None:
    """Return the server's run folder, which the server's start sets in ``VQA_RUN``."""
    return Path(os.environ["VQA_RUN"]) if "VQA_RUN" in os.environ else None


def _predictions_folder() -> Path | None:
    run = run_folder()
    return run / "predictions" if run else None


class PredictionLog(FrozenModel):
    """The log of questions and answers. It is off by default, because people ask private things.

    Attributes:
        enabled: Whether questions and answers are logged. Pictures never are, only their hash.
        question: How the question is logged: as ``text``, as its SHA-256 (``hash``; equal questions can be counted,
            short ones guessed), or not at all (``none``).
        folder: An absolute path, for all models; by default ``predictions`` in the server's run folder.
        max_megabytes: Size of all files of one model, give or take one file for each worker; the oldest is removed.
        files: The number of files that the size is divided into.
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
            raise ValueError("not an absolute path; a worker's own folder is deleted with the worker")
        return folder


class Gate(FrozenModel):
    """The conditions for a new version to become the default, measured on its own ``samples/questions.jsonl``.

    Attributes:
        min_agreement: Smallest share of answers that are equal to the current version's.
        max_accuracy_loss: Largest loss against the current version's share of expected answers.
        max_latency_ratio: Largest ratio of its latency to the current version's on the same questions.
    """

    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.8
    max_accuracy_loss: Annotated[float, Field(ge=0, le=1)] = 0.0
    max_latency_ratio: Annotated[float, Field(gt=0)] = 1.5


class Explain(FrozenModel):
    """How answers are explained, and what that may cost.

    Attributes:
        method: ``auto`` takes the family's own exact method where it has one (a ViLT on torch: gradient-weighted
            attention, for the time of two answers), and else ``occlusion``, which hides parts.
        samples: Of occlusion, parts of the picture at most. The model answers twice for each: without it, and with
            nothing else. As many words of the question are left out at most, one at a time.
    """

    method: Literal["auto", "occlusion"] = "auto"
    samples: Annotated[int, Field(ge=4, le=400)] = 24


class HandlerSettings(FrozenModel):
    """The ``handler:`` section of a recipe.

    Attributes:
        version: Version of the archive (semantic, ``MAJOR.MINOR.PATCH``).
        task: A name in ``vqaserve.tasks.TASKS``.
        family: A name in ``vqaserve.families.FAMILIES``.
        weights: Folder with the family's files, relative to the recipe.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: the GPU that TorchServe gave the worker, else the CPU.
        threads: Torch's threads in each worker; workers times threads should not exceed the cores. ``auto`` divides the
            cores of the machine that serves by the workers.
        precision: The arithmetic; ``auto`` is the cheapest on the machine that serves which keeps the answers
            (docs/how-to/calibration.md).
        agreement: Share of probe answers that must be the same as in fp32 for another precision to be used; 0 asks no
            probe, and a worker starts sooner.
        options: Options of the family; an unknown one is refused.
        question: The question for a picture that comes without one (``curl -T photo.jpg``); without this setting such
            a picture is refused.
        hypothesis_template: The sentence that a candidate label is put into, in place of ``{}``, if the client sends
            none. The default is that of Hugging Face's pipeline; ``"{}"`` takes captions as they are.
        top_k: Ranked answers in a reply if the client sends no ``top_k``; for candidate labels, all of them.
        abstain_below: An answer with a lower score is marked as ``abstained`` in the reply, and counted
            (``scripts/calibrate.py`` chooses it).
        explain: Method and cost of an explanation.
        limits: Limits of a request.
        cache: Sizes of the caches.
        remote_images: Hosts from which pictures are fetched by URL.
        prediction_log: The log of questions and answers.
        gate: Conditions for a new version to be promoted (``scripts/models.py promote``); the handler ignores them.
    """

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    task: str = "visual_question_answering"
    family: str
    weights: str = "weights"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(gt=0)] = 1
    precision: Precision = "fp32"
    agreement: Annotated[float, Field(ge=0, le=1)] = 0.98
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies defaults
    question: str | None = None
    hypothesis_template: Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")] = "This is a photo of {}."
    top_k: Annotated[int, Field(gt=0)] = 5
    abstain_below: Annotated[float, Field(ge=0, le=1)] = 0
    explain: Explain = Explain()
    limits: Limits = Limits()
    cache: CacheLimits = CacheLimits()
    remote_images: RemoteImages = RemoteImages()
    prediction_log: PredictionLog = Field(default_factory=PredictionLog)
    gate: Gate = Gate()


class ModelConfig(FrozenModel):
    """A whole ``model-config.yaml``: the keys of TorchServe 0.12 that work with this handler, and ours.

    ``useJobTicket``, ``asyncCommunication``, ``continuousBatching`` and micro-batching are refused on purpose:
    each either turns batching off or loses requests in TorchServe 0.12.

    Attributes:
        minWorkers: Workers that TorchServe starts. ``auto`` is one for each core of the machine that serves, or fewer
            where memory is short; ``maxWorkers`` is ``auto`` too then. The archive holds numbers for the machine that
            built it, and a start with our commands fits them.
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
        auto: What the recipe leaves to the machine that serves; the build writes it.
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
    auto: tuple[Open, ...] = ()
    handler: HandlerSettings

    @model_validator(mode="before")
    @classmethod
    def _replace_auto(cls, content: Any) -> Any:
        return replace_auto(content) if isinstance(content, Mapping) else content

    def fitted(self, weights: int) -> ModelConfig:
        """Return the settings with this machine's workers and threads for ``auto``.

        Args:
            weights: Bytes of the files that a worker loads.
        """
        room, workers = Room.here(self.handler.device), self.minWorkers
        counts = {}
        if "workers" in self.auto:
            workers = room.layout(weights).workers
            counts = {"minWorkers": workers, "maxWorkers": workers}
        threads = room.threads_beside(workers) if "threads" in self.auto else self.handler.threads
        return self.model_copy(update={**counts, "handler": self.handler.model_copy(update={"threads": threads})})

    @property
    def opening_seconds(self) -> float:
        """Seconds in which the pictures of a batch must be opened; the rest of ``responseTimeout`` is for the answers.

        They are wall-clock seconds, as TorchServe's, which kills a worker that exceeds ``responseTimeout``.
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
                    f"{name} is {seconds:g} s; at most half of responseTimeout ({self.responseTimeout} s) is allowed, "
                    "because TorchServe kills a worker that exceeds responseTimeout, with its whole batch"
                )
        return self

    @classmethod
    def parse(cls, mapping: Any) -> ModelConfig:
        """Validate a decoded YAML mapping.

        Raises:
            RecipeError: Keys or values are not valid; the message names each.
        """
        return validate_settings(cls, mapping, "model-config.yaml")

    @classmethod
    def read(cls, path: Path) -> ModelConfig:
        """Read a recipe's ``model-config.yaml``.

        Raises:
            RecipeError: The file is missing or cannot be read, is not YAML, or is not valid.
        """
        if not path.exists():
            raise RecipeError(f"{path} is missing; every recipe needs one")
        return read_settings(cls, path)
