"""The README's Python runs as printed, and its picture shows what it finds."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_python_prints_what_is_shown(capsys: pytest.CaptureFixture[str]):
    (code,), (shown,) = blocks("python"), blocks("text")
    exec(code, names := {})
    printed = capsys.readouterr().out
    assert NUMBER.sub("0", printed) == NUMBER.sub("0", shown)
    # Last digits of floats differ between kinds of processor.
    values = [[float(each) for each in NUMBER.findall(text)] for text in (printed, shown)]
    assert values[0] == pytest.approx(values[1], rel=1e-3)
    best = names["best"]
    picture = (ROOT / "docs" / "_static" / "answer.svg").read_text()
    for rate_rps, prompt, token in zip(
        best["highest_rate_rps"].values, best["prompt"].values, best["token"].values, strict=True
    ):
        split = f"{prompt} prompt + {token} token" if token else ""
        assert f"{rate_rps:.0f}: {split}" in picture
