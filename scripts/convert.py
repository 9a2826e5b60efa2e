"""Turn a model of another system into a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops.console import new_console, one_line_errors
from vqaops.importing.chat_app import convert_files
from vqaops.importing.clip_llm import convert_folders
from vqaops.importing.presets import PRESETS
from vqaops.importing.recipes import check_device
from vqaops.importing.torchvision_classifier import convert_classifier
from vqaserve.errors import RecipeError

CHAT_APP = "The VQA chat app"
CLIP_LLM = "CLIP with a language model"
CLASSIFIER = "A picture classifier of torchvision"
USAGE = (
    "give CHECKPOINT --vocab FILE --answers FILE, or --clip DIR --llm DIR --adapter DIR, or CHECKPOINT --classes NAMES"
)


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe's folder; its name becomes the model's.")],
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="The chat app's best_modular_model.pth or best_model.pth, or any checkpoint of its model; or one of "
            "torchvision's EfficientNet, ResNet or ViT with --classes."
        ),
    ] = None,
    vocab: Annotated[
        Path | None,
        typer.Option(help="vocab.pkl; for BERT vocab.txt or tokenizer.json.", rich_help_panel=CHAT_APP),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="answer_space.txt, one answer a line.", rich_help_panel=CHAT_APP)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"The app's name of the model; by default it is read from the checkpoint. {', '.join(PRESETS)}",
            rich_help_panel=CHAT_APP,
        ),
    ] = None,
    keep_padding: Annotated[
        bool,
        typer.Option(
            "--keep-padding",
            help="Pad questions to 32 tokens and read the padding, as the newer app does; by default it is masked.",
            rich_help_panel=CHAT_APP,
        ),
    ] = False,
    clip: Annotated[
        Path | None, typer.Option(help="Folder of the CLIP model and its processor.", rich_help_panel=CLIP_LLM)
    ] = None,
    llm: Annotated[
        Path | None, typer.Option(help="Folder of the language model and its tokenizer.", rich_help_panel=CLIP_LLM)
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Folder of the language model's LoRA adapter.", rich_help_panel=CLIP_LLM)
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The training prompt, with {question} and {clip_similarity}; \\n starts a line.",
            rich_help_panel=CLIP_LLM,
        ),
    ] = None,
    marker: Annotated[
        str | None, typer.Option(help="The text that the answer follows; default 'Answer:'.", rich_help_panel=CLIP_LLM)
    ] = None,
    four_bit: Annotated[
        bool,
        typer.Option(
            "--four-bit", help="Quantise the language model to 4 bits; needs a GPU.", rich_help_panel=CLIP_LLM
        ),
    ] = False,
    pickled: Annotated[
        bool, typer.Option("--pickled", help="Accept pickled weights (.bin).", rich_help_panel=CLIP_LLM)
    ] = False,
    classes: Annotated[
        str | None,
        typer.Option(
            help='Names of the classes in the order of training: "pizza,steak,sushi".', rich_help_panel=CLASSIFIER
        ),
    ] = None,
    resize: Annotated[
        int | None,
        typer.Option(
            help="Pixels of the shorter side; by default as for torchvision's weights IMAGENET1K_V1.",
            rich_help_panel=CLASSIFIER,
        ),
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="Pixels of the square in the middle.", rich_help_panel=CLASSIFIER)
    ] = None,
    resample: Annotated[
        str | None, typer.Option(help="The filter: bilinear or bicubic.", rich_help_panel=CLASSIFIER)
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            help='Of red, green and blue, in 0 to 1; by default ImageNet\'s: "0.485,0.456,0.406".',
            rich_help_panel=CLASSIFIER,
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(
            help='Standard deviation of the same; by default "0.229,0.224,0.225".', rich_help_panel=CLASSIFIER
        ),
    ] = None,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Turn a model of another system into a recipe; nothing in its files is run.

    Example, the VQA chat app:
    scripts/convert.py best_model.pth --vocab vocab.pkl --answers answer_space.txt -o recipes/chat

    Example, CLIP with a language model and its adapter:
    scripts/convert.py --clip clip-vit-base-patch32 --llm Mistral-7B-v0.1 --adapter my-lora -o recipes/clip-mistral

    Example, a picture classifier of torchvision:
    scripts/convert.py effnetb2.pth --classes "pizza,steak,sushi" -o recipes/food
    """
    chat_app: dict[str, Path | None] = {"CHECKPOINT": checkpoint, "--vocab": vocab, "--answers": answers}
    clip_llm = {"--clip": clip, "--llm": llm, "--adapter": adapter}
    channels = {"mean": mean and mean.split(","), "std": std and std.split(",")}
    chosen = {"resize": resize, "crop": crop, "resample": resample, **channels}
    transforms = {name: value for name, value in chosen.items() if value is not None}
    of_clip_llm: dict[str, object] = clip_llm | {
        "--prompt": prompt,
        "--marker": marker,
        "--four-bit": four_bit,
        "--pickled": pickled,
    }
    of_classifier: dict[str, object] = {"--classes": classes, **{f"--{name}": transforms[name] for name in transforms}}
    with one_line_errors("convert"):
        hint = ""
        check_device(device)
        if checkpoint and classes is not None:
            _refuse(of_clip_llm | {"--vocab": vocab, "--answers": answers})
            _refuse({"--preset": preset, "--keep-padding": keep_padding})
            converted = convert_classifier(checkpoint, classes, output, transforms=transforms, device=device)
            passed_over, hint = converted.passed_over, converted.hint
        elif checkpoint and vocab and answers:
            _refuse(of_clip_llm | of_classifier)
            passed_over = convert_files(
                checkpoint, vocab, answers, output, preset=preset, keep_padding=keep_padding, device=device
            )
        elif clip and llm and adapter:
            _refuse(chat_app | of_classifier | {"--preset": preset, "--keep-padding": keep_padding})
            if four_bit and device == "cpu":
                raise RecipeError("--four-bit needs a GPU, and --device is cpu; leave one of them out")
            asked = {"prompt": prompt and prompt.replace("\\n", "\n"), "marker": marker, "four_bit": four_bit or None}
            options = {name: value for name, value in asked.items() if value is not None}
            convert_folders(clip, llm, adapter, output, options=options, pickled=pickled, device=device)
            passed_over = ()
        else:
            raise RecipeError(_missing(chat_app, clip_llm, of_classifier))
        console = new_console()
        if passed_over:
            console.print(escape(f"not part of the model, passed over: {', '.join(passed_over)}"))
        if hint:
            console.print(escape(f"note: {hint}"))
        console.print(escape(f"{output}: now build it: scripts/build_mar.py {output}"))


def _refuse(others: Mapping[str, object]) -> None:
    """Refuse options that belong to the other kind of model.

    Raises:
        RecipeError: One of them was given.
    """
    given = [name for name, value in others.items() if value]
    if given:
        raise RecipeError(f"{', '.join(given)} came with options of another kind of model; {USAGE}")


def _missing(
    chat_app: dict[str, Path | None], clip_llm: dict[str, Path | None], of_classifier: Mapping[str, object]
) -> str:
    """Which options are missing from the kind of model that the given ones belong to."""
    if any(of_classifier.values()):
        missing = "--classes" if of_classifier["--classes"] is None else "CHECKPOINT"
        return f"missing: {missing}; {USAGE}"
    kinds = [kind for kind in (chat_app, clip_llm) if any(kind.values())]
    if len(kinds) != 1:
        return f"no model was given: {USAGE}" if not kinds else f"options of two kinds of models came: {USAGE}"
    (kind,) = kinds
    return f"missing: {', '.join(name for name, value in kind.items() if not value)}; {USAGE}"


if __name__ == "__main__":
    typer.run(main)
