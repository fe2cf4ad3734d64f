"""What enters the image's build, and that its linter is awake."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent


def test_everything_that_the_image_copies_enters_the_build() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    copied = [source for source, _ in re.findall(r"^COPY (?!--from)(\S+) (\S+)$", text, re.MULTILINE)]
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert copied
    assert [source for source in copied if source not in let_in] == []


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text((ROOT / "deploy" / "Dockerfile").read_text().replace("python:3.13-slim", "python:latest"))

    assert subprocess.run([BIN / "hadolint", wrong], capture_output=True, check=False).returncode != 0
