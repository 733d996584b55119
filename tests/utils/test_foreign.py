"""What the system says, as errors that name what is wrong."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from hubmerge.errors import AccessError, HubmergeError, NotFoundError, ResourceError, TargetError
from hubmerge.utils.foreign import denied, system_error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, ResourceError),
        (errno.EDQUOT, ResourceError),
        (errno.EMFILE, ResourceError),
        (errno.EROFS, TargetError),
        (errno.EACCES, AccessError),
        (errno.ENOENT, NotFoundError),
    ],
)
def test_errors_of_the_system(number: int, kind: type[HubmergeError]) -> None:
    assert isinstance(system_error(OSError(number, "x", "name")), kind)


def test_a_folder_that_was_removed_under_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as found:
        os.getcwd()
    assert "started in is no more" in str(system_error(found.value))


def test_nowhere_to_put_temporary_files_is_no_missing_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """Where there is no folder that can be written, Python says that a file is missing."""
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(FileNotFoundError) as said:
        tempfile.mkdtemp()
    found = system_error(said.value)
    assert isinstance(found, ResourceError)
    assert "TMPDIR" in str(found)


def test_what_may_not_be_written_is_found_below_what_a_library_says_of_it() -> None:
    """A cache that cannot be written is no damaged data set."""
    try:
        try:
            raise OSError(errno.EROFS, "Read-only file system", "/cache")
        except OSError as cause:
            raise ValueError("an error occurred while generating the data set") from cause
    except ValueError as error:
        found = denied(error)
    assert isinstance(found, TargetError)
    assert "/cache" in found.what
    assert "HF_HOME" in str(found.hint)
    assert denied(ValueError("no numbers")) is None
