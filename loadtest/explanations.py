"""How faithful explanations are: an answer's score while the picture is taken away, the heaviest parts first.

Deletion and insertion curves are those of Petsiuk et al., "RISE" (2018): the mean score of the answer while the parts
of a picture are blurred from the heaviest to the lightest (lower is better), and while they are restored in that order
(higher is better).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image, ImageFilter
from rich.progress import track
from rich.table import Table

from loadtest.report_tables import describe_machine
from vqaops.console import new_console, one_line_errors
from vqaops.questions import Question
from vqaops.training.datasets import read_split
from vqaserve.errors import RecipeError
from vqaserve.images import open_picture
from vqaserve.pipeline import Pipeline
from vqaserve.settings import CacheLimits, Explain, HandlerSettings, ModelConfig
from vqaserve.types import Model, Query, Request

Weights = np.ndarray[tuple[int, int], np.dtype[np.float64]]

SIDE = 12
"""Rows and columns of the parts that are taken away, whatever the grid of the map."""

STEPS = 11
_BLUR = 1 / 16
"""Radius of the blur, as a share of the picture's longer side."""


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")],
    data: Annotated[str, typer.Argument(help="easy-vqa, or a folder with eval.jsonl and images/.")],
    limit: Annotated[int, typer.Option(min=2, help="Questions, drawn at random with a fixed seed.")] = 200,
    other: Annotated[
        str | None, typer.Option(help="A second method (`explain: method`) to compare with the recipe's own.")
    ] = None,
) -> None:
    """Compare a recipe's explanations with a random map, the centre and the picture's edges.

    Example: python -m loadtest.explanations recipes/rooms path/to/daquar --limit 200
    """
    with one_line_errors("explanations"):
        questions = read_split(data, "eval")
        if data == "easy-vqa":  # the picture says nothing about the answer to most questions of other kinds
            questions = [one for one in questions if one.text.startswith("what")]
        drawn = random.Random(0).sample(questions, min(limit, len(questions)))
        settings = ModelConfig.read(recipe / "model-config.yaml").handler
        settings = settings.model_copy(update={"device": "cpu", "cache": CacheLimits(shared_features_mb=0)})
        wanted = [
            settings.explain,
            *([Explain.model_validate({"method": other, "samples": settings.explain.samples})] if other else []),
        ]
        methods: dict[str, Pipeline] = {
            one.method: _load(recipe, settings.model_copy(update={"explain": one})) for one in wanted
        }
        try:
            new_console().print(_table(methods, drawn, is_drawn=data == "easy-vqa"))
        finally:
            for pipeline in methods.values():
                pipeline.close()


def _load(recipe: Path, settings: HandlerSettings) -> Pipeline:
    return Pipeline.load(recipe, settings, Model(recipe.name, settings.version))


def _table(methods: Mapping[str, Pipeline], questions: Sequence[Question], is_drawn: bool) -> Table:
    areas: dict[str, list[tuple[float, float]]] = {}
    costs: dict[str, list[float]] = {method: [] for method in methods}
    on_shape: dict[str, list[bool]] = {method: [] for method in methods}
    own, pipeline = next(iter(methods.items()))
    for number, question in enumerate(track(questions, "explaining", console=new_console(stderr=True))):
        data = question.read_image()
        predicted, plain = _ask(pipeline, data + number.to_bytes(4), question.text, {})
        picture = open_picture(data, pipeline.settings.limits.pictures, squeeze=pipeline.family.squeeze).pixels
        maps: dict[str, Weights] = {}
        for method, explaining in methods.items():
            explained, cost = _ask(explaining, data + number.to_bytes(4), question.text, {"explain": "True"})
            costs[method].append(cost / plain)
            grid = np.asarray(explained["explanation"]["grid"])
            maps[method] = _resized(grid)
            if is_drawn:
                on_shape[method].append(_is_on_shape(grid, picture))
        for name, weights in (maps | _baselines(picture, number)).items():
            curve = _Curve(pipeline, picture, Query(data, question.text), str(predicted["answer"]))
            areas.setdefault(name, []).append(curve.areas(weights))
    table = Table(
        title=f"{pipeline.model.name}: {len(questions)} questions, {describe_machine()}", title_justify="left"
    )
    for column in ("map", "deletion", "insertion", "better by, in standard errors (deletion, insertion)"):
        table.add_column(column, justify="left" if column == "map" else "right")
    for name, found in areas.items():
        deletion, insertion = np.mean(found, axis=0)
        table.add_row(name, f"{deletion:.4f}", f"{insertion:.4f}", *_margins(np.asarray(areas[own]), np.asarray(found)))
    notes = []
    for method in methods:
        notes.append(f"{method}: CPU time of an explanation / of an answer: {np.median(costs[method]):.1f} (median)")
        if is_drawn:
            share = f"{np.mean(on_shape[method]):.1%} of {len(questions)}"
            notes.append(f"{method}: heaviest tenth of the weight on the shape: {share}")
    table.caption = "\n".join(notes)
    return table


def _margins(own: np.ndarray, other: np.ndarray) -> Iterator[str]:
    gains = (own - other) * (-1, 1)
    if not gains.any():
        return
    errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    yield ", ".join(f"{gain:+.1f}" for gain in gains.mean(axis=0) / errors)


def _ask(pipeline: Pipeline, image: bytes, question: str, headers: Mapping[str, str]) -> tuple[dict[str, Any], float]:
    """The reply, and its CPU seconds in this process."""
    began = time.process_time()
    [reply] = pipeline.answer([Request("explanations", {"image": image, "question": question.encode()}, headers)])
    spent = time.process_time() - began
    content = json.loads(reply.body)
    if reply.status != 200:
        raise RecipeError(f"the model refused a question: {content['message']}")
    return content, spent


class _Curve:
    """Scores one answer while a picture is taken away or restored."""

    def __init__(self, pipeline: Pipeline, picture: Image.Image, query: Query, answer: str) -> None:
        self._family = pipeline.family
        self._picture = np.asarray(picture)
        self._blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(_BLUR * max(picture.size))))
        self._query = query
        self._answer = answer

    def areas(self, weights: Weights) -> tuple[float, float]:
        """Mean scores along the deletion and the insertion curve."""
        order = np.argsort(-weights.ravel(), kind="stable")
        taken = [order[: round(order.size * step / (STEPS - 1))] for step in range(STEPS)]
        deleted = [self._mixed(places, self._blurred, self._picture) for places in taken]
        inserted = [self._mixed(places, self._picture, self._blurred) for places in taken]
        scores = self._scores([*deleted, *inserted])
        return float(np.mean(scores[:STEPS])), float(np.mean(scores[STEPS:]))

    def _mixed(self, places: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> Image.Image:
        chosen = np.zeros(SIDE * SIDE, np.uint8)
        chosen[places] = 255
        mask = Image.fromarray(chosen.reshape(SIDE, SIDE)).resize(outside.shape[1::-1], Image.Resampling.NEAREST)
        return Image.fromarray(np.where(np.asarray(mask)[..., None] > 0, inside, outside))

    def _scores(self, pictures: Sequence[Image.Image]) -> list[float]:
        queries = [Query(b"", self._query.question, top_k=10_000)] * len(pictures)
        outputs = self._family.forward(self._family.encode(pictures), queries)
        return [
            next((one.score for one in answers if one.answer == self._answer), 0.0)
            for answers in self._family.decode(outputs, queries)
        ]


def _baselines(picture: Image.Image, seed: int) -> dict[str, Weights]:
    places = np.linspace(-1, 1, SIDE)
    edges = picture.convert("L").filter(ImageFilter.FIND_EDGES).resize((SIDE, SIDE), Image.Resampling.BOX)
    return {
        "random": np.random.default_rng(seed).random((SIDE, SIDE)),
        "centre": -(places[:, None] ** 2 + places[None, :] ** 2),
        "edges": np.asarray(edges, np.float64),
    }


def _resized(grid: np.ndarray) -> Weights:
    picture = Image.fromarray(grid.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float64)


def _is_on_shape(grid: np.ndarray, picture: Image.Image) -> bool:
    """Whether each of the parts that hold the heaviest tenth of a map's weight shows some of the shape.

    The shape is what differs from the background, which is the colour of the picture's border.
    """
    pixels = np.asarray(picture, np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    shape = np.abs(pixels - np.median(border, axis=0)).max(axis=2) > 40
    parts = _shown_parts(shape, grid.shape)
    order = np.argsort(-grid.ravel(), kind="stable")
    sorted_weights = grid.ravel()[order]
    heaviest = order[np.cumsum(sorted_weights) - sorted_weights < grid.sum() / 10]
    return bool(heaviest.size) and all(parts[place] for place in heaviest)


def _shown_parts(shape: np.ndarray, grid: tuple[int, ...]) -> list[bool]:
    """Whether each part of a grid, row by row, has a pixel of the shape [height, width]."""
    rows, columns = (np.array_split(np.arange(length), parts) for length, parts in zip(shape.shape, grid, strict=True))
    return [bool(shape[np.ix_(row, column)].any()) for row in rows for column in columns]


if __name__ == "__main__":
    typer.run(main)
