"""UTF-8 text files, and their lines as line feeds end them."""

from __future__ import annotations

from pathlib import Path

from vqaserve.errors import RecipeError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        RecipeError: As ``read_text``.
    """
    return split_lines(read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        RecipeError: The file is missing, is a directory, cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError(f"{path} is missing") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a directory; a text file is needed") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise RecipeError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return decode(data, str(path))


def decode(data: bytes, source: str) -> str:
    """Decode UTF-8 text, with or without a byte order mark.

    Args:
        data: The encoded text.
        source: What the error message calls the text, such as its path.

    Raises:
        RecipeError: The text is not UTF-8, or is what comes in place of a file that was not downloaded.
    """
    if data.startswith(b"version https://git-lfs"):
        raise RecipeError(f"{source} is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`")
    if data[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise RecipeError(f"{source} is a web page, probably one that came in place of a download")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise RecipeError(f"{source} is UTF-16 or UTF-32 text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{source}:{line}: byte 0x{data[error.start]:02x} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None


def split_lines(text: str) -> list[str]:
    """Split text at its line feeds, and drop the carriage return of a CRLF.

    ``str.splitlines`` also splits at U+2028, U+0085 and six other characters, which JSON strings and answers may hold.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # what follows the last line feed
    return [line.removesuffix("\r") for line in lines]
