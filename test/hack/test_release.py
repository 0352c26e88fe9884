"""`make release VERSION=v1.2.3` writes the files of a release once, and only for the version that the image has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack import release

CURRENT = f"v{next(iter(release.versions().values()))}"


def released(folder: Path, version: str) -> int:
    return release.main(["--folder", str(folder), "--version", version])


def test_a_version_gets_files_of_its_own_beside_the_latest(tmp_path: Path) -> None:
    assert released(tmp_path, CURRENT) == 0
    for suffix in (".yaml", "-crds.yaml", "-stamps.yaml"):
        assert (tmp_path / f"{CURRENT}{suffix}").read_text() == (tmp_path / f"latest{suffix}").read_text()
    assert f"image: kubechain:{CURRENT.removeprefix('v')}\n" in (tmp_path / f"{CURRENT}.yaml").read_text()


def test_what_was_released_is_never_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert released(tmp_path, CURRENT) == 0
    (tmp_path / f"{CURRENT}.yaml").write_text("as it was\n")
    assert released(tmp_path, CURRENT) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / f"{CURRENT}.yaml").read_text() == "as it was\n"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        pytest.param("v99.0.0", "set it there first", id="a version that the package does not have"),
        pytest.param("1.2.3", "must look like v1.2.3", id="a version without its v"),
        pytest.param("../v1.2.3", "must look like v1.2.3", id="a path"),
    ],
)
def test_a_version_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, says: str
) -> None:
    assert released(tmp_path, version) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_out_of_date_is_told_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--folder", str(tmp_path), "--check"]) == 1
    assert "latest.yaml: out of date, run `make release`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
