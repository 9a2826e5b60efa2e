"""A network for OpenVINO as an archive holds it, with the answers that it has to keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import openvino

from vqaserve.errors import RecipeError
from vqaserve.families.openvino import read, write
from vqaserve.families.probe import ChangedAnswers, ProbedFamily, agreement, probe_answers
from vqaserve.json_files import read_json
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import validate_settings

log = logging.getLogger(__name__)

_NETWORK: Final = "network.xml"
_PROBE: Final = "probe.json"

Ranked = list[tuple[Answer, ...]]


class _Probe(FrozenModel):
    """``probe.json``: ranked answers with their scores."""

    answers: tuple[tuple[tuple[str, float], ...], ...]


class _Computing(ProbedFamily, Protocol):
    precision: str


@dataclass(frozen=True)
class OpenVinoModel:
    """A network converted to OpenVINO.

    Attributes:
        network: The network in float32. Each worker rounds it to the precision that it uses.
        expected: The probe answers of the torch model in fp32.
    """

    network: openvino.Model
    expected: Ranked

    def write(self, folder: Path) -> None:
        """Write network and probe answers into a new folder."""
        folder.mkdir()
        write(self.network, folder / _NETWORK)
        answers = tuple(tuple((answer.answer, answer.score) for answer in ranked) for ranked in self.expected)
        (folder / _PROBE).write_text(_Probe(answers=answers).model_dump_json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder that ``write`` wrote.

        Raises:
            RecipeError: A file is missing or damaged.
        """
        probe = validate_settings(_Probe, read_json(folder / _PROBE), str(folder / _PROBE))
        expected = [tuple(Answer(answer, score) for answer, score in ranked) for ranked in probe.answers]
        return cls(read(folder / _NETWORK), expected)

    def check(self, family: _Computing, settings: HandlerSettings) -> None:
        """Ask a family that computes with the network the probe's questions, unless ``agreement`` is 0.

        Raises:
            ChangedAnswers: Fewer answers stay the same than ``agreement`` sets.
        """
        if not settings.agreement:
            return
        same = agreement(self.expected, probe_answers(family))
        figure = f"{family.precision} on OpenVINO keeps {same:.1%} of {len(self.expected)} probe answers"
        if same < settings.agreement:
            raise ChangedAnswers(f"{figure}, and agreement is {settings.agreement:.0%}; set precision: bf16 or fp32")
        log.info(figure)


def check_settings(settings: HandlerSettings) -> None:
    """Refuse what OpenVINO cannot do.

    Raises:
        RecipeError: The device is a GPU, or the precision is fp16.
    """
    if settings.device.startswith("cuda"):
        raise RecipeError(f"runtime 'openvino' needs a CPU, and the device is {settings.device}; set runtime: torch")
    if settings.precision == "fp16":
        raise RecipeError("runtime 'openvino' has no fp16; set precision: bf16, int8, fp32 or auto")
