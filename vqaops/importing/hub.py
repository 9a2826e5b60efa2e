"""A model's repository on the Hugging Face Hub, fetched at one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vqaops.importing.folders import allow_pickled, choose_files
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
CHAT_VOCABULARIES = ("vocab.txt", "tokenizer.json", "vocab.pkl")  # the app keeps the pickle beside BERT's, unused
CHAT_ANSWERS = ("data/answer_space.txt", "answer_space.txt")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a repository that a recipe needs, at one commit.

    Attributes:
        repo: ``ORG/NAME``.
        revision: The commit.
        folder: Where the files are.
        names: Of the files, relative to the folder.
        license: The Hub's word for the terms, as the repository's card gives it.
    """

    repo: str
    revision: str
    folder: Path
    names: tuple[str, ...]
    license: str

    @property
    def is_chat_app(self) -> bool:
        """Whether these are the chat app's files and not a Hugging Face folder."""
        return "config.json" not in self.names and any(name in self.names for name in CHAT_CHECKPOINTS)

    def first(self, names: tuple[str, ...]) -> Path:
        """The first of these files that is there.

        Raises:
            RecipeError: None is.
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
    """Fetch what a recipe needs; whole files that are in the cache are not fetched again.

    A connection that breaks is resumed where it broke; after an interruption, at the file that was not finished.

    Args:
        repo: ``ORG/NAME``.
        revision: A commit, branch or tag; by default the main branch as it is now.
        pickled: Whether pickled weights may be fetched where there are no safetensors.
        console: Where the size is said before anything large is fetched; progress goes to standard error.
        endpoint: By default ``HF_ENDPOINT``, else the public Hub.
        cache: By default ``HF_HUB_CACHE``.
        token: By default ``HF_TOKEN``, else that of ``hf auth login``.

    Raises:
        RecipeError: It is not there, not allowed, not a model, or the connection broke for good.
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
    except Exception as error:  # noqa: BLE001 - below the Hub's own errors stand those of two HTTP libraries
        raise RecipeError(_reason(error, repo, revision, api.endpoint)) from None
    terms = info.card_data.get("license") if info.card_data else None
    return Snapshot(repo, str(info.sha), Path(folder), tuple(sizes), str(terms or "unknown"))


def _wanted(repo: str, info: ModelInfo, pickled: bool) -> dict[str, int]:
    """Sizes in bytes of the files to fetch."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    checkpoint = next((name for name in CHAT_CHECKPOINTS if name in sizes), None)
    if checkpoint and "config.json" not in sizes:
        allow_pickled(checkpoint, repo, pickled)
        chat = (checkpoint, *CHAT_VOCABULARIES, *CHAT_ANSWERS)
        return {name: sizes[name] for name in chat if name in sizes}
    return {name: sizes[name] for name in choose_files(sizes, repo, pickled)}


def _reason(error: Exception, repo: str, revision: str | None, endpoint: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    reasons = {
        HFValidationError: f"{repo!r} is not a repository's name; it is written ORG/NAME",
        GatedRepoError: f"{repo} is gated: accept its terms at {endpoint}/{repo}, and set HF_TOKEN",
        RepositoryNotFoundError: f"{repo} is not at {endpoint}, or is private; see to its name, or set HF_TOKEN",
        RevisionNotFoundError: f"{repo} has no revision {revision}",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if status in (401, 403):
        return f"{endpoint} does not accept the token in HF_TOKEN ({status}); make a new one in its settings"
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{repo} could not be fetched from {endpoint} ({first}); the same command goes on with what is missing"
