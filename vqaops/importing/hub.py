"""Downloads of a model's repository on the Hugging Face Hub at one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vqaops.importing.folders import allow_pickled, choose_files
from vqaops.importing.recipe_files import is_recipe, may_travel
from vqaserve.errors import RecipeError

try:
    from huggingface_hub import HfApi, ModelInfo, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
except ModuleNotFoundError:
    raise RecipeError("huggingface-hub is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'") from None

CHAT_CHECKPOINTS = ("best_modular_model.pth", "best_model.pth")
CHAT_VOCABULARIES = ("vocab.txt", "tokenizer.json", "vocab.pkl")  # for BERT models the app keeps an unused vocab.pkl
CHAT_ANSWERS = ("data/answer_space.txt", "answer_space.txt")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The downloaded files of a repository at one commit.

    Attributes:
        repo: ``ORG/NAME``.
        revision: The commit.
        folder: The folder with the files.
        names: Names of the files, relative to the folder.
        license: The license identifier of the repository's card.
    """

    repo: str
    revision: str
    folder: Path
    names: tuple[str, ...]
    license: str

    @property
    def is_recipe(self) -> bool:
        """Whether the files are a recipe of this project, as ``scripts/publish.py`` uploads it."""
        return is_recipe(self.names)

    @property
    def is_chat_app(self) -> bool:
        """Whether the files are the chat app's, not a Hugging Face folder."""
        return "config.json" not in self.names and any(name in self.names for name in CHAT_CHECKPOINTS)

    def first(self, names: tuple[str, ...]) -> Path:
        """Return the path of the first of these files that exists.

        Raises:
            RecipeError: None of them exists.
        """
        for name in names:
            if name in self.names:
                return self.folder / name
        raise RecipeError(f"{self.repo} holds none of {', '.join(names)}")


def fetch(
    repo: str,
    revision: str | None,
    *,
    pickled: bool,
    console: Console,
    endpoint: str | None = None,
    cache: Path | None = None,
    token: str | None = None,
) -> Snapshot:
    """Download the files that a recipe needs, except those that are already in the cache.

    A broken connection is resumed where it broke. After an interruption, the unfinished file is continued.

    Args:
        repo: ``ORG/NAME``.
        revision: A commit, branch or tag; the default is the current main branch.
        pickled: Whether pickled weights are allowed where there are no safetensors.
        console: The console for the size, which is printed before the download; progress goes to standard error.
        endpoint: The Hub's address; the default is ``HF_ENDPOINT``, or else the public Hub.
        cache: The cache folder; the default is ``HF_HUB_CACHE``.
        token: An access token; the default is ``HF_TOKEN``, or else that of ``hf auth login``.

    Raises:
        RecipeError: The repository does not exist, needs a token or holds no model, or the connection failed.
    """
    api = HfApi(endpoint=endpoint, token=token)
    try:
        info = api.model_info(repo, revision=revision, files_metadata=True)
        sizes = _wanted(repo, info, pickled)
        console.print(
            f"{repo} at {info.sha}: {len(sizes)} files, {sum(sizes.values()) / 1e6:,.1f} MB",
            highlight=False,
            soft_wrap=True,
        )
        folder = snapshot_download(
            repo,
            revision=info.sha,
            allow_patterns=list(sizes),
            endpoint=endpoint,
            cache_dir=cache,
            token=token,
        )
    except RecipeError:
        raise
    except Exception as error:  # noqa: BLE001 - besides the Hub's errors, those of two HTTP libraries
        reason = refusal(error, repo, revision, api.endpoint)
        first = f"{repo} could not be fetched from {api.endpoint} ({first_line(error)})"
        raise RecipeError(reason or f"{first}; run the command again to continue the download") from None
    terms = info.card_data.get("license") if info.card_data else None
    return Snapshot(repo, str(info.sha), Path(folder), tuple(sizes), str(terms or "unknown"))


def _wanted(repo: str, info: ModelInfo, pickled: bool) -> dict[str, int]:
    """The sizes in bytes of the files to download."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    if is_recipe(sizes):
        return {name: size for name, size in sizes.items() if may_travel(name)}
    checkpoint = next((name for name in CHAT_CHECKPOINTS if name in sizes), None)
    if checkpoint and "config.json" not in sizes:
        allow_pickled(checkpoint, repo, pickled)
        chat = (checkpoint, *CHAT_VOCABULARIES, *CHAT_ANSWERS)
        return {name: sizes[name] for name in chat if name in sizes}
    return {name: sizes[name] for name in choose_files(sizes, repo, pickled)}


def refusal(error: Exception, repo: str, revision: str | None, endpoint: str) -> str | None:
    """Why the Hub refuses a request for a repository, and what to do; None for any other error."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    reasons = {
        HFValidationError: f"{repo!r} is not a repository's name; give ORG/NAME",
        GatedRepoError: f"{repo} is gated: accept its terms at {endpoint}/{repo}, and set HF_TOKEN",
        RepositoryNotFoundError: f"{repo} is not at {endpoint}, or is private; check its name, or set HF_TOKEN",
        RevisionNotFoundError: f"{repo} has no revision {revision}",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if status in (401, 403):
        return f"{endpoint} does not accept the token in HF_TOKEN ({status}); create a new one in its settings"
    return None


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
