import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from qarank.artifacts.atomic import (
    fsync_file,
    fsync_folder,
    fsync_tree,
    read_json,
    render_json,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
    writing,
)
from qarank.errors import RunError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refuse_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@settings(max_examples=30, deadline=None)
@given(document=st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_a_json_document_reads_back_equal(
    document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "document.json"
    write_json(path, document)
    assert read_json(path) == document


def test_json_is_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "façade 中"})
    assert render_json({"name": 1}) == '{\n  "name": 1\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "façade 中"\n}\n'


def test_a_file_gets_its_folder_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "one\n")
    write_text(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", refuse_space)
    with pytest.raises(RunError, match=r"run\.json cannot be written: No space left on device$"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_name_is_forced_to_disk_after_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[str, bool]] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        forced.append((path.name, (tmp_path / "a").exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(tmp_path / "a", b"\xff\r\n")
    assert forced == [(".a.part", False), (tmp_path.resolve().name, True)]
    assert (tmp_path / "a").read_bytes() == b"\xff\r\n"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_file_system_that_cannot_force_a_folder_is_borne_with_and_a_broken_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    if code == errno.EIO:
        with pytest.raises(OSError, match="no"):
            fsync_folder(tmp_path)
    else:
        fsync_folder(tmp_path)


def test_a_file_somebody_else_appends_to_is_forced_to_disk_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync_file(tmp_path / "gone.jsonl")
    (tmp_path / "a.jsonl").touch()
    monkeypatch.setattr(os, "fsync", refuse_space)
    with pytest.raises(OSError, match="No space"):
        fsync_file(tmp_path / "a.jsonl")


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match=r"runs/a\.json cannot be written: "):
        write_json(tmp_path / "runs" / "a.json", {})


def test_the_disks_refusals_are_told_and_no_other_error_is_touched() -> None:
    for error in (OSError(errno.EROFS, "Read-only file system"), SafetensorError("I/O error")):
        with pytest.raises(RunError, match=r"^x cannot be written: (Read-only|I/O error)"):
            raise_inside(error)
    with pytest.raises(KeyError):
        raise_inside(KeyError("x"))


def raise_inside(error: Exception) -> None:
    with writing(Path("x")):
        raise error


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[1]", b"null"])
def test_what_is_no_json_object_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = json.dumps(list(range(100_000))).encode()
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_every_file_and_folder_of_a_tree_is_forced_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "state/b", "state/deep/c"):
        write_text(tmp_path / name, name)
    forced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: forced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
    )
    fsync_tree(tmp_path)
    assert sorted(forced) == sorted([*tmp_path.resolve().rglob("*"), tmp_path.resolve()])
