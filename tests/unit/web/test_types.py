"""The module under TypeScript: its own comments hold, and the declarations beside it are theirs.

UPDATE_TYPES=1 pytest tests/unit/web/test_types.py       writes the declarations
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sdks import node_modules

ROOT = Path(__file__).parents[3]
WEB = ROOT / "src/ossicle/web"

OPTIONS: dict[str, Any] = {
    "allowJs": True, "checkJs": True, "strict": True, "noUncheckedIndexedAccess": True,
    "noImplicitOverride": True, "noFallthroughCasesInSwitch": True,
    "target": "es2022", "module": "es2022", "moduleResolution": "bundler",
    "lib": ["es2023", "dom", "dom.iterable", "dom.asynciterable"], "types": [],
}  # fmt: skip

WORKLET = """declare const sampleRate: number;
declare class AudioWorkletProcessor { readonly port: MessagePort; }
declare function registerProcessor(name: string, processor: unknown): void;
"""
"""What TypeScript does not know of the audio thread."""

USER = """
import { connect, microphone, Player, OssicleError, MicrophoneDenied } from "./web/ossicle.js";
import type { OssicleEvent, Transcript } from "./web/ossicle.js";

export async function captions(show: (text: string, final: boolean) => void): Promise<void> {
  const stream = await connect({
    url: "https://x.example", token: async () => "t", parameters: { language: "en-US" },
  });
  const mic = await microphone(stream, { echoCancellation: false });
  const player: Player = new Player(stream, { bargeIn: true });
  const granted: boolean | string | undefined = mic.granted.echoCancellation;
  try {
    for await (const event of stream) {
      player.take(event);
      const each: OssicleEvent = event;
      if (each.type === "transcript") {
        const said: Transcript = each;
        show(said.text, said.final);
      } else if (each.type === "ended") {
        const total: number = each.audio_ms;
        show(String(total + (stream.ledger?.engine_ms ?? 0)), Boolean(granted));
      }
    }
  } catch (error) {
    if (error instanceof MicrophoneDenied) show(error.message, true);
    else if (error instanceof OssicleError && error.retryable) show(error.code, true);
  }
  // @ts-expect-error  there is no such thing
  stream.shout();
  // @ts-expect-error  a number is no audio
  await stream.send(3);
}
"""


def compile_(folder: Path, include: list[str], **options: Any) -> str:
    """What `tsc` complains about."""
    (folder / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": OPTIONS | options, "include": include})
    )
    tsc = node_modules("typescript") / "bin/tsc"
    node = shutil.which("node")
    assert node, "Node is not installed: apt-get install nodejs"
    done = subprocess.run(
        [node, str(tsc), "-p", str(folder / "tsconfig.json")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def sources(folder: Path) -> Path:
    """The JavaScript alone, where no declaration hides it."""
    target = folder / "web"
    shutil.copytree(WEB, target, ignore=shutil.ignore_patterns("*.d.ts"))
    (folder / "worklet.d.ts").write_text(WORKLET)
    return target


def test_what_the_comments_say_is_true(tmp_path: Path) -> None:
    sources(tmp_path)
    assert compile_(tmp_path, ["web/**/*.js", "worklet.d.ts"], noEmit=True) == ""


def test_the_declarations_are_those_of_the_code(tmp_path: Path) -> None:
    sources(tmp_path)
    out = tmp_path / "out"
    told = compile_(
        tmp_path, ["web/ossicle.js"], declaration=True, emitDeclarationOnly=True,
        outDir=str(out), rootDir=str(tmp_path / "web"), stripInternal=True,
    )  # fmt: skip
    assert told == ""
    made = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*.d.ts")}
    if os.environ.get("UPDATE_TYPES"):
        for name, text in made.items():
            (WEB / name).write_text(text)
    kept = {str(path.relative_to(WEB)): path.read_text() for path in WEB.rglob("*.d.ts")}
    assert sorted(kept) == sorted(made)
    for name, text in made.items():
        assert kept[name] == text, f"{name}: run this test with UPDATE_TYPES=1"


def test_a_program_that_uses_them(tmp_path: Path) -> None:
    """With the declarations alone, as an editor sees them."""
    shutil.copytree(WEB, tmp_path / "web", ignore=shutil.ignore_patterns("*.js", "playground"))
    (tmp_path / "user.ts").write_text(USER)
    assert compile_(tmp_path, ["user.ts"], noEmit=True, allowJs=False, checkJs=False) == ""


def test_nothing_comes_from_elsewhere() -> None:
    """No address of anybody in what the browser loads, but in the icon's own name space."""
    for path in [
        *WEB.rglob("*.js"),
        *WEB.rglob("*.html"),
        *WEB.rglob("*.css"),
        *WEB.rglob("*.svg"),
    ]:
        for line in path.read_text("utf-8").splitlines():
            if "://" in line and path.suffix != ".js":
                assert "http://www.w3.org/2000/svg" in line, path
            assert " style=" not in line, path
            assert " onclick=" not in line, path
