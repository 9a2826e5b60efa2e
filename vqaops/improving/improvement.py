"""The steps from feedback to a promoted version, or to the reason why there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqaops.building.build import archive_of, build, is_current
from vqaops.confidence.judged import Judged
from vqaops.confidence.recalibration import recalibrate
from vqaops.errors import ServerError
from vqaops.feedback.export import EVAL, IMAGES, TRAIN, export
from vqaops.feedback.store import FeedbackStore
from vqaops.finetuning.choices import NO_CHOICES, Choices
from vqaops.finetuning.tuning import tune
from vqaops.improving import exam
from vqaops.improving.attempt import Attempt, begin_recipe, next_version, unpack_recipe
from vqaops.questions import Question, pictures_beside, read_questions, read_samples
from vqaops.rollout.gate import GateResult
from vqaops.rollout.rollout import Rollout
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

Say = Callable[[str], None]

_UNLEARNED = "held-out feedback and golden set"


@dataclass(frozen=True, slots=True)
class Sources:
    """What a model learns from and is examined on.

    Attributes:
        database: The chat page's feedback.
        replay: A folder with ``train.jsonl`` that the model was trained on; without it, its own answers are kept.
        golden: Questions that must not be forgotten; without a file, the recipe's samples.
        work: Folder of the attempts.
        choices: How an adapter learns.
    """

    database: Path
    replay: Path | None
    golden: Path | None
    work: Path
    choices: Choices = NO_CHOICES


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        attempt: The attempt.
        gates: What was measured before and at the promotion.
        promoted: Whether the new version is the default now.
    """

    attempt: Attempt
    gates: Sequence[GateResult]
    promoted: bool

    @property
    def failed(self) -> list[GateResult]:
        """The gates that refused it."""
        return [gate for gate in self.gates if not gate.passed]

    def as_dict(self) -> dict[str, Any]:
        """The fields for machines."""
        attempt = {"model": self.attempt.model, "base": self.attempt.base, "version": self.attempt.version}
        return {**attempt, "promoted": self.promoted, "gates": [gate.as_dict() for gate in self.gates]}


def improve(rollout: Rollout, model: str, sources: Sources, say: Say) -> Outcome:
    """Make a new version of a model from its feedback, and promote it if every gate passes.

    An attempt that was interrupted goes on where it stopped, with the feedback that it began with.

    Args:
        rollout: The versions of the running server.
        model: The model's name.
        sources: What it learns from.
        say: Told each step.

    Raises:
        RecipeError: The feedback, a recipe or a file cannot be used.
        ServerError: The server does not run, or cannot load the new version.
    """
    attempt = _attempt(rollout, model, sources.work, say)
    say(f"exporting the feedback on {model}")
    attempt.once(attempt.feedback, lambda folder: _export(sources.database, model, folder))
    try:
        attempt.once(attempt.new_recipe, lambda folder: _tune(attempt, sources, folder, say))
    except RecipeError:
        shutil.rmtree(attempt.feedback)  # the next call begins with the feedback that there is by then
        raise
    exams = _examine(attempt, sources, say)
    gate = ModelConfig.read(attempt.new_recipe / "model-config.yaml").handler.gate
    gates = [exam.learned(exams[0]), exam.kept(exams[1], gate.max_accuracy_loss)]
    promoted = False
    if all(gate.passed for gate in gates):
        if chosen := recalibrate(attempt.new_recipe, Judged.joined([one.new for one in exams]), _UNLEARNED):
            say(chosen)
        archive = _built(attempt, rollout, say)
        results, promoted = _promoted(rollout, archive, say)
        gates += results
    outcome = Outcome(attempt, gates, promoted)
    attempt.end(outcome.as_dict())
    return outcome


def _attempt(rollout: Rollout, model: str, work: Path, say: Say) -> Attempt:
    """The attempt to go on with, or a new one from the default version."""
    if attempt := Attempt.unfinished(work, model):
        say(f"going on with {model} {attempt.version}, which was interrupted")
        return attempt
    state = rollout.server.state()
    base = rollout.management.default(model)
    served = state.version(model, base) if state else None
    if state is None or served is None:
        raise ServerError(
            f"{model} {base} was registered by other means; register its archive: scripts/models.py register"
        )
    archives = [path.stem.removeprefix(f"{model}-") for path in state.store.glob(f"{model}-*.mar")]
    tried = [path.name for path in (work / model).glob("*.*.*")]
    known = [one.version for one in rollout.management.versions(model)]
    attempt = Attempt.begin(work, model, base, next_version([*known, *archives, *tried]))
    archive = Archive(state.store / served.archive, model, base)
    attempt.once(attempt.old_recipe, lambda folder: unpack_recipe(archive, folder))
    return attempt


def _export(database: Path, model: str, folder: Path) -> None:
    done = export(FeedbackStore.open_existing(database).rows(model=model), folder)
    if not done.learned or not done.held_out:
        raise RecipeError(
            f"{done.questions} questions about {done.pictures} pictures cannot be divided into some to learn and some "
            "to examine; collect more feedback with pictures"
        )


def _tune(attempt: Attempt, sources: Sources, folder: Path, say: Say) -> None:
    new = read_questions(attempt.feedback / TRAIN, attempt.feedback / IMAGES)
    old = read_questions(sources.replay / TRAIN, pictures_beside(sources.replay / TRAIN)) if sources.replay else []
    say(f"fine-tuning {attempt.model} on {len(new)} questions, and {len(old)} old ones")
    begin_recipe(attempt.old_recipe, folder, attempt.version)
    tune(attempt.old_recipe, new, old, attempt.state, folder, sources.choices)


def _examine(attempt: Attempt, sources: Sources, say: Say) -> tuple[exam.Exam, exam.Exam]:
    """Both recipes' answers to the held-out feedback and to the golden set."""
    say("asking the old and the new version what neither learned")
    held_out = read_questions(attempt.feedback / EVAL, attempt.feedback / IMAGES)
    feedback = exam.Exam.of(attempt.old_recipe, attempt.new_recipe, held_out)
    say("asking the old and the new version the golden set")
    golden = exam.Exam.of(attempt.old_recipe, attempt.new_recipe, _golden(attempt, sources))
    return feedback, golden


def _golden(attempt: Attempt, sources: Sources) -> list[Question]:
    if sources.golden:
        return read_questions(sources.golden, pictures_beside(sources.golden))
    return [sample for sample in read_samples(attempt.old_recipe) if sample.answers]


def _built(attempt: Attempt, rollout: Rollout, say: Say) -> Archive:
    say(f"packing {attempt.model} {attempt.version} and asking it its first sample")
    state = rollout.server.state()
    assert state is not None
    archive = archive_of(attempt.new_recipe, state.store)
    return archive if is_current(archive, attempt.new_recipe) else build(attempt.new_recipe, state.store)


def _promoted(rollout: Rollout, archive: Archive, say: Say) -> tuple[list[GateResult], bool]:
    """Register a version unless an interrupted attempt did, and promote it through its gates."""
    registered = [one.version for one in rollout.management.versions(archive.name)]
    if archive.version not in registered:
        say(f"registering {archive.name} {archive.version}")
        rollout.register(archive.path)
    if rollout.management.default(archive.name) == archive.version:
        return [], True  # the attempt was interrupted after its promotion
    say(f"comparing {archive.name} {archive.version} with the default")
    return rollout.promote(archive.name, archive.version)
