"""Names that only sound right: what a speech recogniser makes of a name it does not know.

Every letter is read as its sound, without tones, and as Tianjin says it: zh, ch, sh are z, c, s,
and -ng is -n. What is found so is never decided: a person confirms it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ahocorasick_rs import AhoCorasick, MatchKind

SHORTEST: Final = 3
"""Names of two letters sound like too much else."""
AS_SAID: Final = (("zh", "z"), ("ch", "c"), ("sh", "s"))


@dataclass(frozen=True, slots=True)
class Sounds:
    """Names by their sound; `said` gives for each letter the one that stands for its sound."""

    said: Mapping[int, str]
    sounds: AhoCorasick
    names: tuple[tuple[str, ...], ...]

    def heard_in(self, text: str) -> list[tuple[int, int, tuple[str, ...]]]:
        """From where to where a text sounds like names, and which; never overlapping."""
        matches = self.sounds.find_matches_as_indexes(text.translate(self.said))
        return [(start, end, self.names[sound]) for sound, start, end in matches]


def sounds_of(letters: Mapping[str, str], names: Iterable[str]) -> Sounds:
    """The index of names by their sound; `letters` are those of each sound (拼音)."""
    stands: dict[str, str] = {}
    said: dict[int, str] = {}
    for sound, written in letters.items():
        one = stands.setdefault(_as_said(sound), written[0])
        said.update((ord(letter), one) for letter in written)
    alike: dict[str, dict[str, None]] = {}
    for name in names:
        if len(name) >= SHORTEST:
            alike.setdefault(name.translate(said), {})[name] = None
    found = AhoCorasick(alike, matchkind=MatchKind.LeftmostLongest)
    return Sounds(said, found, tuple(tuple(names) for names in alike.values()))


def _as_said(sound: str) -> str:
    for strict, loose in AS_SAID:
        if sound.startswith(strict):
            sound = loose + sound.removeprefix(strict)
    return sound.removesuffix("g") if sound.endswith("ng") else sound
