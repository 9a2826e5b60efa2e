"""Uploads to a repository of the Hugging Face Hub, in one commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from vqaops.importing.hub import first_line, refusal
from vqaops.publishing.publication import Publication
from vqaops.publishing.secrets import check_files
from vqaops.publishing.target import MAIN, Target
from vqaserve.errors import RecipeError

_Returned = TypeVar("_Returned")


@dataclass(frozen=True, slots=True)
class Published:
    """A finished upload.

    Attributes:
        url: The page of the repository at that revision.
        commit: The revision's commit.
        changed: Whether this upload made the commit; otherwise the repository had the same files already.
        removed: Paths that the commit removed.
    """

    url: str
    commit: str
    changed: bool
    removed: tuple[str, ...]


def publish(
    publication: Publication, target: Target, endpoint: str | None = None, token: str | None = None
) -> Published:
    """Create the repository if there is none, and upload the files in one commit.

    One commit, because a reader must never load new weights with old settings. After an interruption the same call
    goes on: the Hub keeps the content of large files by their hash before the commit, and gets no file twice.

    Args:
        publication: What to upload.
        target: Where to.
        endpoint: The Hub's address; the default is ``HF_ENDPOINT``, or else the public Hub.
        token: An access token; the default is ``HF_TOKEN``, or else that of ``hf auth login``.

    Raises:
        RecipeError: A file holds a secret or a pickle; the Hub refuses the token, the name or the card; the repository
            is not as private as asked for; or the connection failed.
    """
    check_files(publication.files, token or get_token())
    api = HfApi(endpoint=endpoint, token=token, library_name="vqaserve")
    return _translated(lambda: _publish(api, publication, target), api.endpoint, target)


def _publish(api: HfApi, publication: Publication, target: Target) -> Published:
    kind, repo = publication.kind, target.repo
    api.whoami()  # a clear refusal of the token, before anything is created
    sdk = "docker" if kind == "space" else None
    url = api.create_repo(repo, repo_type=kind, private=target.private, space_sdk=sdk, exist_ok=True)
    _check_privacy(api, kind, target)
    for name, value in publication.variables.items():
        api.add_space_variable(repo, name, value)
    if target.revision != MAIN:
        api.create_branch(repo, branch=target.revision, repo_type=kind, exist_ok=True)
    before = api.repo_info(repo, repo_type=kind, revision=target.revision).sha
    stale = _stale(api, publication, target)
    done = api.create_commit(
        repo,
        [
            *(CommitOperationDelete(name) for name in stale),
            *(CommitOperationAdd(name, path) for name, path in publication.files.items()),
        ],
        commit_message=target.message,
        repo_type=kind,
        revision=target.revision,
    )
    page = str(url) if target.revision == MAIN else f"{url}/tree/{target.revision}"
    return Published(page, done.oid, done.oid != before, tuple(stale))


def _check_privacy(api: HfApi, kind: str, target: Target) -> None:
    """Refuse to upload to a public repository what was meant to be private, and the other way round."""
    is_private = api.repo_info(target.repo, repo_type=kind).private
    if target.private is not None and is_private != target.private:
        has, asked = ("private", "--public") if is_private else ("public", "--private")
        raise RecipeError(
            f"{target.repo} exists and is {has}, but {asked} was given; change it in the repository's settings, or "
            f"leave {asked} out"
        )


def _stale(api: HfApi, publication: Publication, target: Target) -> list[str]:
    """What an earlier upload left in the publication's folders."""
    tree = api.list_repo_tree(target.repo, recursive=True, revision=target.revision, repo_type=publication.kind)
    there = [entry.path for entry in tree if isinstance(entry, RepoFile)]
    return [name for name in there if name.startswith(publication.folders) and name not in publication.files]


def _translated(work: Callable[[], _Returned], endpoint: str, target: Target) -> _Returned:
    """Call ``work``, and turn the Hub's errors into one line that says what to do."""
    try:
        return work()
    except RecipeError:
        raise
    except LocalTokenNotFoundError:
        raise RecipeError("publishing needs an access token that may write: set HF_TOKEN, or hf auth login") from None
    except Exception as error:  # noqa: BLE001 - besides the Hub's errors, those of two HTTP libraries and of hf-xet
        raise RecipeError(_reason(error, endpoint, target)) from None


def _reason(error: Exception, endpoint: str, target: Target) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    if status == 403 or isinstance(error, RepositoryNotFoundError):
        return (
            f"the token may not write to {target.repo}; create one with write access for {target.repo.split('/')[0]} "
            "in the Hub's settings"
        )
    if known := refusal(error, target.repo, target.revision, endpoint):
        return known
    if isinstance(error, ValueError) or 400 <= status < 500:
        return f"{endpoint} refuses {target.repo}: {' '.join(str(error).split())}"
    cause = f": {first_line(error.__cause__)}" if isinstance(error.__cause__, Exception) else ""
    return (
        f"{target.repo} could not be published at {endpoint} ({first_line(error)}{cause}); run the command again: what "
        "has arrived is not sent a second time"
    )
