"""Human speech with its words: the folders named by OSSICLE_SPEECH and OSSICLE_CLIPS."""

import json
import os
import re
import wave
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Recording", "errors", "recordings"]

_SAME = {"mister": "mr", "okay": "ok"}
"""Spellings that are one word: the language model writes `mr`."""


@dataclass(frozen=True)
class Recording:
    """One clip, 16 kHz mono 16 bit."""

    name: str
    pcm: bytes
    text: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 32_000

    @property
    def speaker(self) -> str:
        """Clips of one speaker share a prefix; others are their own."""
        return re.split(r"-\d+\.wav$", self.name)[0]


def recordings() -> list[Recording]:
    """Every clip whose words are known, in the order of its list."""
    found: list[Recording] = []
    for variable, listed in (("OSSICLE_SPEECH", _readme), ("OSSICLE_CLIPS", _table)):
        if folder := os.environ.get(variable):
            for name, text in listed(Path(folder)).items():
                with wave.open(str(Path(folder, name))) as file:
                    if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (
                        16_000,
                        1,
                        2,
                    ):
                        raise SystemExit(f"{name}: {file.getparams()} is not 16 kHz mono 16 bit")
                    found.append(Recording(name, file.readframes(file.getnframes()), text))
    if not found:
        raise SystemExit("set OSSICLE_SPEECH or OSSICLE_CLIPS to a folder of WAV files and texts")
    return found


def _readme(folder: Path) -> dict[str, str]:
    lines = re.finditer(
        r"^- `([^`]+\.wav)`: (.+)$", (folder / "README.md").read_text(), re.MULTILINE
    )
    return {line[1]: line[2].strip() for line in lines}


def _table(folder: Path) -> dict[str, str]:
    table = json.loads((folder / "transcripts.json").read_text())
    return {name: entry["text"] for name, entry in table.items() if entry["text"]}


def errors(reference: str, heard: str) -> tuple[int, int]:
    """Word errors (replaced, lost, added) and words in the reference."""
    wanted = [_SAME.get(word, word) for word in reference.split()]
    got = [_SAME.get(word, word) for word in heard.split()]
    row = list(range(len(got) + 1))
    for i, want in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, word in enumerate(got, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (want != word))
    return row[-1], len(wanted)
