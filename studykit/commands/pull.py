"""``studykit models pull``: weights of anyone's from the Hugging Face hub, into its own cache."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.models import YesOption
from studykit.commands.terminal import confirm, say, say_beside
from studykit.errors import StudykitError, UsageError
from studykit.text import plural, size_in_words

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

WEIGHTS = (".safetensors", ".safetensors.index.json")
BESIDE = frozenset(
    {
        *("config.json", "generation_config.json"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
        *("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model"),
    }
)
"""What else of a repository the labs' readers may want; its other files stay where they are."""


def pull(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id on the hub, like org/model.")],
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A GGUF file of the repository in place of the rest."),
    ] = None,
    revision: Annotated[
        str, typer.Option(metavar="REV", help="Branch, tag or commit; default: main.")
    ] = "main",
    yes: YesOption = False,
) -> None:
    """Download a model from the Hugging Face hub, for lab run --model.

    Weights as safetensors, configuration and tokenizer, after asking; a download that was broken
    off goes on where it stopped, and every file is compared with the hash that the hub has of it.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        what = "downloads from the hub need the package huggingface_hub"
        raise StudykitError(what, hint="pip install huggingface_hub")
    with _failures_told(name):
        info = _look_up(name, revision)
    files = _wanted(info, name, file)
    size = sum(each.size or 0 for each in files)
    kind = info.config.get("model_type") if isinstance(info.config, dict) else None
    say(f"{name}, commit {str(info.sha)[:12]}: {kind or 'a model'}")
    say_beside("  licence   ", _licence(info))
    say_beside("  download  ", f"{plural(len(files), 'file')}, {size_in_words(size)}")
    confirm("Download into the cache of Hugging Face's hub?", is_sure=yes)
    with _failures_told(name):
        paths = [_download(name, info, each) for each in files]
    for each, path in zip(files, paths, strict=True):
        if not _is_intact(path, each):
            what = f"{path} is not the file that the hub has"
            raise StudykitError(what, hint="delete it and pull again")
    where = paths[0] if file else paths[0].parent
    say(str(where))
    say(f"studykit lab run LAB --model {where if file else name}")


def _look_up(name: str, revision: str) -> ModelInfo:
    from huggingface_hub import HfApi

    return HfApi().model_info(name, revision=revision, files_metadata=True)


def _wanted(info: ModelInfo, name: str, file: str | None) -> Sequence[RepoSibling]:
    """The files to download; raises `UsageError` where there are none that can be read."""
    there = {each.rfilename: each for each in info.siblings or ()}
    if file is not None:
        if not file.endswith(".gguf") or file not in there:
            known = ", ".join(sorted(path for path in there if path.endswith(".gguf"))) or "none"
            raise UsageError(f"{name} has no GGUF file {file!r}", hint=f"it has {known}")
        return [there[file]]
    weights = [each for path, each in there.items() if path.endswith(WEIGHTS) and "/" not in path]
    if not weights:
        ggufs = any(path.endswith(".gguf") for path in there)
        hint = "name one of its GGUF files with --file" if ggufs else "other formats run code"
        raise UsageError(f"{name} has no weights as safetensors", hint=hint)
    return [*(each for path, each in there.items() if path in BESIDE), *weights]


def _download(name: str, info: ModelInfo, file: RepoSibling) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, file.rfilename, revision=info.sha))


@contextmanager
def _failures_told(name: str) -> Iterator[None]:
    """Whatever keeps the hub from giving the model becomes a `StudykitError` of one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        hint = f"agree to its terms on its page, then hf auth login; or choose another than {name}"
        raise StudykitError(f"{name} is given only to those who ask", hint=hint) from None
    except errors.RepositoryNotFoundError:
        what = f"the hub has no model {name}, or keeps it private"
        raise UsageError(what, hint="names are like org/model") from None
    except errors.RevisionNotFoundError:
        raise UsageError(f"{name} has no such revision") from None
    except errors.HFValidationError:
        what = f"{name!r} is no name on the hub"
        raise UsageError(what, hint="names are like org/model") from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError):
        raise _unreachable("HF_HUB_OFFLINE may be set") from None
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined] # of its client
        # Refused, timed out, no such host, broken off in the middle, or what the server says.
        why = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))[:200]
        raise _unreachable(why or type(error).__name__) from None


def _unreachable(why: str) -> StudykitError:
    hint = "is there a network? Pulled again, it goes on where it stopped"
    return StudykitError(f"the hub does not answer: {why}", hint=hint)


def _licence(info: ModelInfo) -> str:
    tags = [tag for tag in info.tags or () if tag.startswith("license:")]
    return ", ".join(tag.removeprefix("license:") for tag in tags) or "not stated"


def _is_intact(path: Path, file: RepoSibling) -> bool:
    """Whether its hash is the hub's: sha256 of a large file, git's of a small one."""
    if file.lfs is not None:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.lfs.sha256
    content = path.read_bytes()
    digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return file.blob_id in (None, digest)
