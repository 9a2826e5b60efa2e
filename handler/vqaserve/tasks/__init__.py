"""The tasks: a table of classes, each imported on use."""

from __future__ import annotations

from importlib import import_module

from vqaserve.errors import RecipeError
from vqaserve.tasks.base import Task

TASKS = {
    "document_redaction_detection": "vqaserve.tasks.document_redaction_detection:DocumentRedactionDetection",
    "image_classification": "vqaserve.tasks.image_classification:ImageClassification",
    "visual_question_answering": "vqaserve.tasks.visual_question_answering:VisualQuestionAnswering",
    "zero_shot_image_classification": ("vqaserve.tasks.zero_shot_image_classification:ZeroShotImageClassification"),
}


def find_task(name: str) -> type[Task]:
    """The task class that a recipe names.

    Raises:
        RecipeError: There is no such task.
    """
    try:
        module, _, attribute = TASKS[name].partition(":")
    except KeyError:
        raise RecipeError(f"task {name!r} does not exist; there are: {', '.join(sorted(TASKS))}") from None
    task: type[Task] = getattr(import_module(module), attribute)
    return task
