"""Make path names in the style of public sample packs, with the kind of sound that each of them is.

Every function below writes one habit: how commercial packs, drum machines, multi-microphone kits, Freesound downloads
and others name folders and files. The words are those of real packs; the names are put together at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

WORDS: dict[str, tuple[str, ...]] = {
    "kick": ("Kick", "Kick Drum", "Bass Drum", "BassDrum", "Kik", "Kicks"),
    "snare": ("Snare", "Snare Drum", "SnareDrum", "Snr", "Snares"),
    "hihat": ("Closed Hat", "Hi-Hat", "HiHat", "ClosedHH", "Hat", "Closed Hi-Hat", "CHH"),
    "open_hihat": ("Open Hat", "OpenHat", "Open Hi-Hat", "OpenHH", "Hat Open", "HiHat Open"),
    "tom": ("Tom", "Low Tom", "Floor Tom", "Tom Hi", "HiTom", "Rack Tom"),
    "cymbal": ("Crash", "Ride", "Cymbal", "Splash", "China", "Crash Cymbal", "Ride Bell"),
    "clap": ("Clap", "Hand Clap", "HandClap", "Claps"),
    "rim": ("Rim", "Rimshot", "Rim Shot", "Side Stick", "Sidestick"),
    "cowbell": ("Cowbell", "Cow Bell", "CowBell"),
    "shaker": ("Shaker", "Maraca", "Cabasa"),
    "tambourine": ("Tambourine", "Tamb"),
    "conga": ("Conga",),
    "bongo": ("Bongo",),
    "clave": ("Clave", "Claves"),
}
FOLDERS: dict[str, tuple[str, ...]] = {
    "kick": ("Kicks", "Kick", "Kick Drums", "01 Kicks", "BD"),
    "snare": ("Snares", "Snare", "Snare Drums", "02_Snares", "SD"),
    "hihat": ("Closed Hats", "Hats", "Hi Hats", "HiHats Closed", "03 Closed Hi-Hats"),
    "open_hihat": ("Open Hats", "Hats/Open", "OpenHats", "04 Open Hi-Hats"),
    "tom": ("Toms", "Tom", "05 Toms"),
    "cymbal": ("Cymbals", "Crashes", "Rides", "Crash & Ride"),
    "clap": ("Claps", "Clap", "Handclaps"),
    "rim": ("Rims", "Rimshots"),
    "cowbell": ("Cowbells", "Cowbell"),
    "shaker": ("Shakers", "Shaker"),
    "tambourine": ("Tambourines", "Tambourine"),
    "conga": ("Congas", "Conga"),
    "bongo": ("Bongos", "Bongo"),
    "clave": ("Claves", "Clave"),
}
CODES = {
    "kick": ("BD", "bd", "Kik"), "snare": ("SD", "SN", "Snr"), "hihat": ("CH", "HH", "CHH"),
    "open_hihat": ("OH", "OHH"), "tom": ("LT", "MT", "HT"), "cymbal": ("CY", "CR", "RD"), "clap": ("CP", "Clp"),
    "rim": ("RS", "Rim"), "cowbell": ("CB", "Cowb"),
}  # fmt: skip
FOREIGN = {
    "kick": ("Grosse Caisse", "Bombo", "Cassa", "キック", "Бочка", "底鼓", "Bumbo", "Große Trommel"),
    "snare": ("Caisse Claire", "Caja", "Rullante", "スネア", "Малый барабан", "军鼓", "Caixa", "Kleine Trommel"),
    "hihat": ("Charleston", "ハイハット", "Хай-хэт", "踩镲", "Chimbal"),
    "open_hihat": ("Charleston ouvert", "オープンハイハット", "Charleston aperto"),
    "tom": ("Standtom", "タム", "Том"),
    "cymbal": ("Becken", "Cymbale", "Platillo", "シンバル", "Тарелка", "Piatto"),
    "clap": ("Palmas", "クラップ", "Хлопок", "拍手"),
    "cowbell": ("Kuhglocke", "Cencerro", "カウベル"),
    "tambourine": ("Pandereta", "Tambourin", "タンバリン"),
    "bass": ("Basse", "Bajo", "ベース"),
    "guitar": ("Guitarra", "Gitarre", "Chitarra", "ギター"),
    "vocal": ("Voix", "Voz", "ボーカル"),
}
TONAL = {
    "bass": ("Bass", "Sub Bass", "Bassline", "Reese"), "piano": ("Piano", "Keys", "Rhodes", "E-Piano"),
    "guitar": ("Guitar", "Gtr", "Acoustic Guitar"), "vocal": ("Vocal", "Vox", "Acapella", "Adlib"),
}  # fmt: skip
GLUED = {
    "kick": ("clubkick", "hardkick", "popkick", "kicklinn"), "snare": ("brushsnare", "snareghost", "et1snare"),
    "hihat": ("closedhat", "ab2closedhh", "linnhats"), "open_hihat": ("openhat", "dbs12openhh"),
    "tom": ("hitom", "lotom", "brushlotom"), "clap": ("realclaps", "snapclap"),
    "cymbal": ("ridecymbal", "ridebell"),
}  # fmt: skip
ABBREVIATED = {
    "kick": ("Kick", "Kdrum1", "kik", "BDrumNew"), "snare": ("Snr", "snare1_noscraper", "SnareHard"),
    "hihat": ("ClHat", "Hihat_closed", "hh_cl", "HatClosed"), "open_hihat": ("OpHat", "Hihat_open", "hh_op", "HatOpen"),
    "tom": ("FloorTom", "Tom1-Med", "TomHi", "LTom2"), "cymbal": ("CrashL", "RideBell", "Cymbal_14", "Crsh1"),
    "clap": ("Clap", "HandCLP"), "rim": ("Xstick", "SideStick", "RimS"), "cowbell": ("CowBell", "Cowbell1_HitMp"),
}  # fmt: skip
ADJECTIVES = (
    *("Punchy", "Deep", "Hard", "Vinyl", "Dusty", "Tight", "Analog", "Acoustic", "Dry", "Fat", "Crispy", "Zap"),
    *("Gravel", "Neon", "Warehouse", "Lofi", "Big Room", "Velvet", "Dirty", "Short", "Long", "Clean", "Boom"),
)
PACKS = (
    *("Garden", "Nova Sounds", "Deep House Essentials Vol 2", "Vinyl Dust", "Trap Arsenal", "Northern Lights"),
    *("Analog Days", "Dusty Crates", "Piano House Drums", "Drum & Bass Toolkit", "Ultimate Techno", "Cassette Club"),
    *("LoopMasters Deep Tech", "Rock n Roll Drums", "Future Bass Drums", "Kick Ass Drums", "Ride or Die Kit"),
)
MACHINES = (
    *("RolandTR808", "RolandTR909", "LinnDrum", "KorgM1", "AlesisHR16", "BossDR110", "YamahaRX5", "CasioRZ1"),
    *("OberheimDMX", "SequentialTom", "Zorblax5", "Emu SP12", "tr-606", "MFB-512", "UnivoxMR12", "Drumtraks"),
)
PERSONS = ("Tom's", "Tom Petersen", "DJ Tom", "Tom Garcia", "TOM's", "Uncle Tom")
USERS = ("tomsnare", "kickhat", "snare_king", "Clapotis", "hihatter", "jonas", "BassDrummer", "zgump", "crashtest")
MICROPHONES = ("OH", "Room", "Close", "Overheads", "Kick Mic", "Snare Top", "Ambience", "Mono", "Far")
LOOPS = ("Loop", "Fill", "Groove", "Break", "Roll", "Pattern", "loop")
OTHERS = ("Djembe", "Woodblock", "Riser", "Sweep", "Triangle", "Guiro", "Strings", "Organ", "Vibraslap", "Timbale")
DECOYS = ("sidekick", "Kickstart", "that", "Atom", "bottom", "stride", "machina", "chatter", "rhythmic", "bassoon")
SUFFIXES = (".wav", ".wav", ".wav", ".WAV", ".aif", ".flac")
DRUMS = tuple(WORDS)


@dataclass(frozen=True, slots=True)
class NamedSound:
    """A path name, and what is to be told from it."""

    path: str
    kind: str
    """The kind; empty for loops of drums and for what is no kind of rmod."""
    habit: str


class Writer:
    """Draws words and writes them in the typographic habits of packs."""

    def __init__(self, seed: int) -> None:
        """Start the random numbers of one list."""
        self._random = np.random.default_rng(seed)

    def pick(self, words: Sequence[str]) -> str:
        """Return one of several words."""
        return words[int(self._random.integers(len(words)))]

    def number(self, below: int = 100) -> int:
        """Return a number."""
        return int(self._random.integers(below))

    def style(self, *words: str) -> str:
        """Join words with one separator and in one case."""
        separator = self.pick((" ", "_", "-", " "))
        text = separator.join(word.replace(" ", separator) for word in words if word)
        return self.pick((text, text, text.lower(), text.upper()))

    def stem(self, *words: str) -> str:
        """Join words and a take number."""
        number = self.pick(("", f"{self.number():02}", str(self.number(20)), f"{self.number(12):03}"))
        return self.style(*words, number)

    def drum(self, kinds: Sequence[str] = DRUMS) -> str:
        """Return a kind."""
        return self.pick(kinds)


Names = Iterator[tuple[str, str]]


def commercial_packs(write: Writer) -> Names:
    """Folders by kind, and the kind again in the file's name."""
    pack, prefix = write.pick(PACKS), write.pick(("", "ND", "VD2", "KSHMR", "TA", "NL"))
    while True:
        kind = write.drum()
        folder = write.pick(("Drums/", "One Shots/", "Drum Hits/", "")) + write.pick(FOLDERS[kind])
        yield f"{pack}/{folder}/{write.stem(prefix, write.pick(ADJECTIVES), write.pick(WORDS[kind]))}", kind


def numbered_files_in_kind_folders(write: Writer) -> Names:
    """Only the folder tells the kind."""
    while True:
        kind, pack = write.drum(), write.pick(PACKS)
        for number in range(9):
            yield f"{pack}/{write.pick(('Drums/', '', 'Samples/'))}{write.pick(FOLDERS[kind])}/{number:02}", kind


def files_of_another_kind(write: Writer) -> Names:
    """The file's words are right, a number, code or word in the folder is not."""
    while True:
        kind = write.drum()
        other = write.drum([name for name in DRUMS if name not in (kind, "hihat", "open_hihat", "snare", "rim")])
        folder = write.pick(("808", "909", "808 Kit", *CODES.get(other, ()), *FOLDERS[other]))
        yield f"{write.pick(PACKS)}/{folder}/{write.stem(write.pick(('808', '', 'XX')), write.pick(WORDS[kind]))}", kind


def machine_dumps(write: Writer) -> Names:
    """One folder per machine, codes as names."""
    while True:
        machine = write.pick(("808", "909", "TR-808", "TR-606", "DR-110", "Machines/CR-78", "Drums/606"))
        for kind, codes in CODES.items():
            code = write.pick(codes)
            name = write.pick((f"{code}{write.number():02}", code, f"{code} {write.number(9)}", f"DR110{code.upper()}"))
            yield f"{machine}/{name}", kind


def machines_by_kind(write: Writer) -> Names:
    """A folder per machine and kind, numbers or generic words as names."""
    while True:
        machine = write.pick(MACHINES)
        for kind, codes in CODES.items():
            code = write.pick(codes).lower()
            folder = write.pick((f"{machine}/{machine.lower()}-{code}", f"{machine.lower()}-{code}"))
            for number in range(2):
                yield f"{folder}/{write.pick((f'{number:03}', f'{machine} {number}', write.pick(WORDS[kind])))}", kind


def microphones(write: Writer) -> Names:
    """Acoustic kits with a folder, or a word, per microphone."""
    kinds = ("kick", "snare", "tom", "cymbal", "hihat")
    while True:
        kind, word = write.drum(kinds), write.pick(MICROPHONES)
        drum = write.pick([name for name in WORDS[kind] if name not in ("Kik", "CHH")])
        kit, take = write.pick(("Jazz Kit", "Maple", "Studio A")), f"v{write.number(5)}_rr{write.number(4)}"
        yield f"{kit}/{word}/{write.style(drum)}_{take}", kind
        yield f"{kit}/Samples/{drum.lower().replace(' ', '')}_{word.replace(' ', '')}_{take}", kind
        yield f"{kit}/{write.pick(FOLDERS[kind][:2])}/{word}/{take}", kind


def persons(write: Writer) -> Names:
    """Packs and files named after a person who is called like a drum."""
    while True:
        person = write.pick(PERSONS)
        kind = write.drum([kind for kind in CODES if kind != "tom"])
        yield f"{person} {write.pick(('Drum Kit', 'Samples', 'Pack'))}/{write.stem(write.pick(WORDS[kind]))}", kind
        yield f"{person} {write.pick(('Kit', 'Drums'))}/{write.pick(CODES[kind])}{write.number(9)}", kind
        yield f"Packs/{write.pick(WORDS[kind])} by {person}/{write.number():02}", kind


def glued_words(write: Writer) -> Names:
    """Words without spaces, as live coders write them."""
    while True:
        kind = write.drum(tuple(GLUED))
        yield f"gretsch/{write.number():03}_{write.pick(GLUED[kind])}", kind
        yield f"{write.pick(GLUED[kind])}/{write.number(9)}", kind


def recorded_kits(write: Writer) -> Names:
    """Short words with the kit before and the velocity after."""
    kits = ("GMRockKit", "CyCdh_K1close", "BP", "SM", "AVL_Buskman", "Aasimonster", "Black Pearl 4")
    while True:
        kind, kit = write.drum(tuple(ABBREVIATED)), write.pick(kits)
        word = write.pick(ABBREVIATED[kind])
        take = write.pick((f"v{write.number(9)}", f"-{write.pick(('Soft', 'Med', 'Hard'))}", f"_{write.number():02}"))
        yield f"drumkits/{kit}/{write.pick(('', kit + '_'))}{word}{take}", kind


def subfolders(write: Writer) -> Names:
    """Kinds sorted once more by a word that names none, and two kinds in one name."""
    while True:
        pack, kind = write.pick(PACKS), write.drum()
        folder = write.pick(FOLDERS[kind])
        other = write.pick(WORDS[write.drum([name for name in CODES if name not in (kind, "hihat", "open_hihat")])])
        yield f"{pack}/{folder}/{write.pick(ADJECTIVES)}/{write.stem(write.pick(ADJECTIVES))}", kind
        yield f"{pack}/One Shots/{folder}/{pack} {write.pick(WORDS[kind])} {write.number():02}", kind
        yield f"{pack}/{folder}/{write.pick(WORDS[kind])} + {other} {write.number()}", kind
        yield f"{pack}/Hats/{write.pick(('Open', 'Half Open', 'Hats Open'))}/{write.number():02}", "open_hihat"


def freesound(write: Writer) -> Names:
    """Downloads whose author's name contains a drum."""
    while True:
        kind = write.drum()
        name = write.style(write.pick(ADJECTIVES), write.pick(WORDS[kind])).lower().replace(" ", "-")
        yield f"freesound/{write.number(900000) + 1000}__{write.pick(USERS)}__{name}", kind


def other_languages(write: Writer) -> Names:
    """Words of other languages, in the file's name or in the folder's."""
    while True:
        kind = write.drum(tuple(FOREIGN))
        word = write.pick(FOREIGN[kind])
        yield f"{write.pick(PACKS)}/{word}/{write.number():02}", kind
        yield f"{write.pick(('Pack', 'パック', 'Набор'))}/{word} {write.number():02}", kind


def tonal_loops(write: Writer) -> Names:
    """Loops of instruments, which are loops on purpose."""
    while True:
        kind = write.drum(tuple(TONAL))
        word = write.pick(TONAL[kind])
        tempo = f"{80 + write.number(90)}bpm"
        yield f"{write.pick(PACKS[:6])}/{word} Loops/{write.stem(write.pick(ADJECTIVES), word, tempo)}", kind
        yield f"{write.pick(PACKS[:6])}/{word}/{write.stem(write.pick(ADJECTIVES))}", kind


def drum_loops(write: Writer) -> Names:
    """Loops, fills, rolls and chains of drums, which are no one-shots."""
    while True:
        word, loop = write.pick(WORDS[write.drum()]), write.pick(LOOPS)
        tempo = write.pick((f"{90 + write.number(60)}bpm", f"{90 + write.number(60)} BPM", "", "128"))
        yield f"{write.pick(PACKS)}/Drum Loops/{write.stem(write.pick(ADJECTIVES), tempo)}", ""
        yield f"{write.pick(PACKS)}/Loops/{word} Loops/{write.stem(word, tempo)}", ""
        yield f"{write.pick(PACKS)}/Drums/{write.stem(word, loop, tempo)}", ""
        yield f"{write.pick(PACKS)}/Loops/Drum Loop No {word} {tempo}", ""


def other_sounds(write: Writer) -> Names:
    """Speech, effects, and instruments that are none of rmod's kinds."""
    while True:
        sound = write.pick(OTHERS)
        code = write.pick(("kd", "sd", "oh", "ch", "hh"))
        yield (
            f"{write.pick(('diphone', 'speech', 'phonemes', 'alphabet'))}/{code}{write.number(4)}_{write.number():03}",
            "",
        )
        yield f"{write.pick(PACKS[:6])}/{write.pick(('FX', sound, 'Percussion'))}/{write.stem(sound)}", ""
        yield f"{write.pick(('808', 'Kicks', 'Drums', 'TR-909'))}/{write.stem(sound)}", ""
        yield f"{write.pick(('movies', 'misc', 'x'))}/{write.pick(DECOYS)} {write.number()}", ""


HABITS: tuple[Callable[[Writer], Names], ...] = (
    *(commercial_packs, numbered_files_in_kind_folders, files_of_another_kind, machine_dumps, machines_by_kind),
    *(
        recorded_kits,
        subfolders,
        microphones,
        persons,
        glued_words,
        freesound,
        other_languages,
        tonal_loops,
        drum_loops,
        other_sounds,
    ),
)


def make_pack_names(seed: int, per_habit: int) -> list[NamedSound]:
    """Return named sounds of every habit, each habit in a folder of its own; no path occurs twice."""
    sounds: dict[str, NamedSound] = {}
    for index, habit in enumerate(HABITS):
        write = Writer(seed * len(HABITS) + index)
        for number, (name, kind) in enumerate(islice(habit(write), per_habit)):
            # Some names go to another collection, as if several people had collected packs.
            path = f"collection {index}-{number // 150}/{name}{write.pick(SUFFIXES)}"
            sounds.setdefault(path.lower(), NamedSound(path, kind, habit.__name__))
    return list(sounds.values())
