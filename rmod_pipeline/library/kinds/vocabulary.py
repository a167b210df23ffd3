"""The words that sample packs use in names: for kinds of sound, microphones, machines, loops and single hits.

All words are in small letters. A word of a phrase may have a plural s in a name. The words for kinds are those of the
table ``library/taxonomy.yaml``.
"""

from __future__ import annotations

from rmod_pipeline.library.kinds.table import load_taxonomy

_ROWS = load_taxonomy().kinds
_NAMING_ROWS = tuple(row for row in _ROWS if row.scan != "none")
"""The rows of the table whose words name a kind in a scan."""

ONE_SHOT_KINDS = frozenset(row.kind for row in _NAMING_ROWS if row.scan == "one_shot")
"""Kinds of single hits that scans tell from names. They have a shorter length limit; every other kind is a loop or a
phrase. Percussion is not among them, because recipes use loops of percussion too."""

HIHATS = frozenset(row.kind for row in _ROWS if row.class_name == "hihat")

KIND_PHRASES = {
    kind: tuple(word for row in _NAMING_ROWS if row.kind == kind for word in row.words)
    for kind in dict.fromkeys(row.kind for row in _NAMING_ROWS)
}
"""Words and phrases for each kind. Accents do not matter: names are compared without them."""

STRONG_WORDS = frozenset(word for row in _NAMING_ROWS for word in row.strong_words)
"""Words that are recognised at the beginning or end of a longer word: clubkick, snare808, linnhihat."""

NOT_GLUED = frozenset({
    "sidekick", "dropkick", "kickstart", "kickstarter", "kickback", "kickoff", "kickass", "kickboxing", "kickflip",
    "ensnare", "clapton", "clapper", "clapboard", "thunderclap", "splashdown", "snareless", "kickless", "shakers",
})  # fmt: skip
"""Words that begin or end like a strong word and mean something else."""

CODES = {code: row.kind for row in _NAMING_ROWS for code in row.codes}
"""Abbreviations that decide where no word does."""

WEAK_CODES = {code: row.kind for row in _NAMING_ROWS for code in row.weak_codes}
"""Abbreviations with other meanings (overhead, chorus, take): they decide only in the company of other drums."""

MACHINE_WORDS_FOR_KINDS = frozenset(word for row in _NAMING_ROWS for word in row.machine_words)
"""Words that are used like abbreviations in the names of a machine's folders: tr909-kick."""

NUMBERS = {number: row.kind for row in _NAMING_ROWS for number in row.nicknames}
"""Numbers that are a nickname of a sound, and more often the name of a machine."""

OPEN_WORDS = frozenset(mark for row in _ROWS if row.path == "hihat/open" for mark in row.marks)
"""Words beside a hi-hat that make it an open one."""

CLOSED_WORDS = frozenset(mark for row in _ROWS if row.path in ("hihat/closed", "hihat/pedal") for mark in row.marks)
"""Words beside a hi-hat that make it a closed one."""

OTHER_SOUNDS = frozenset(word for row in _ROWS if row.scan == "none" for word in row.words) | {"misc"}
"""Words for sounds that belong to none of the kinds of a scan, and one for sounds of any kind."""

SPEECH = frozenset({
    "diphone", "diphones", "phoneme", "phonemes", "phone", "phones", "speech", "spoken", "talk", "talking", "tts",
    "alphabet", "letters", "syllable", "syllables", "dialog", "dialogue", "words", "numbers", "narration", "festival",
    "espeak", "utterance", "utterances", "sentence", "sentences", "vowel", "vowels", "consonant", "consonants",
})  # fmt: skip
"""Words for speech, in which two-letter codes stand for sounds of a language."""

MICROPHONE_WORDS = frozenset({"mic", "mics", "mike", "microphone", "microphones"})
MICROPHONE_POSITIONS = frozenset({
    "overhead", "overheads", "room", "rooms", "amb", "ambient", "ambience", "close", "closemic", "spot", "oh", "ohl",
    "ohr", "far", "farmic", "roommic", "mono", "stereo", "direct", "di", "trigger", "mid", "vintage", "decca",
})  # fmt: skip
"""Names of folders and files that tell where a microphone stood."""
MICROPHONE_SIDES = frozenset({
    "in", "out", "top", "bottom", "btm", "bot", "under", "over", "inside", "outside", "batter", "reso", "resonant",
    "trig", "spot",
})  # fmt: skip
"""Words after a drum that make it the place of a microphone if another drum is named: "Crash Snare Bottom"."""

MACHINE_NUMBERS = frozenset({
    "808", "909", "606", "707", "727", "626", "505", "78", "77", "55", "110", "220", "550", "660", "770", "880", "8000",
    "1000", "9000", "512", "700", "500",
})  # fmt: skip
MACHINE_WORDS = frozenset({
    "tr", "roland", "linn", "linndrum", "lm", "dmx", "oberheim", "korg", "yamaha", "casio", "boss", "simmons", "sds",
    "alesis", "akai", "mpc", "emu", "drumulator", "drumtraks", "sequential", "machinedrum", "elektron", "kawai", "cr",
    "dr", "rx", "ry", "rz", "hr", "sr", "mfb", "vermona", "jomox", "univox", "sp", "acetone", "minipops", "maestro",
})  # fmt: skip
"""Makers and names of drum machines."""
KIT_WORDS = frozenset({
    "drum", "drums", "drumkit", "drumset", "kit", "kits", "drummachine", "machine", "machines", "beatbox", "percussion",
})  # fmt: skip
"""Words for a whole drum kit, which with machines make an abbreviation beside them one for a drum."""

FILLER_WORDS = frozenset({
    "sample", "samples", "sound", "sounds", "audio", "wav", "wave", "wavs", "flac", "mp3", "ogg", "aiff", "aif", "one",
    "shot", "shots", "oneshot", "oneshots", "drum", "drums", "loop", "loops", "hit", "hits", "single", "singles", "the",
    "s", "and", "of", "my", "all", "other", "fill", "fills", "roll", "rolls",
})  # fmt: skip
"""Words that say nothing about the kind and name no kit."""

DESCRIPTORS = frozenset({
    "opn", "op", "cl",
    "open", "opened", "closed", "close", "half", "semi", "pedal", "foot", "loose", "tight", "low", "lo", "mid", "hi",
    "high", "medium", "small", "large", "big", "little", "huge", "floor", "rack", "brush", "brushed", "stick", "sticks",
    "mallet", "hand", "soft", "softest", "hard", "hardest", "loud", "quiet", "light", "lite", "heavy", "deep", "fat",
    "phat", "thin", "thick", "short", "long", "dry", "wet", "verb", "reverb", "vrb", "rev", "reverse", "reversed",
    "acoustic", "electronic", "electro", "electric", "analog", "analogue", "digital", "synth", "synthetic", "vinyl",
    "tape", "lofi", "hifi", "clean", "dirty", "dist", "distorted", "crunchy", "crispy", "punchy", "snappy", "boomy",
    "warm", "bright", "dark", "sharp", "round", "noisy", "noise", "metal", "metallic", "wood", "wooden", "steel",
    "brass", "ghost", "accent", "edge", "center", "centre", "bow", "tip", "cup", "bell", "choke",
    "choked", "muted", "mute", "damped", "ring", "ringing", "gated", "gate", "layered", "layer", "processed", "raw",
    "natural", "real", "live", "club", "house", "techno", "trap", "hop", "pop", "rock", "jazz", "funk", "disco",
    "dubstep", "trance", "ambient", "industrial", "hardstyle", "hardcore", "gabber", "garage", "latin", "vintage",
    "classic", "modern", "old", "new", "retro", "power", "super", "mega", "ultra", "mini", "micro", "bit", "glitch",
    "click", "clicky", "sub", "top", "bottom", "left", "right", "l", "r", "m", "h", "a", "b", "c", "d", "e", "f", "g",
    "v", "x", "vel", "velocity", "rr", "alt", "var", "main", "extra", "bonus", "best", "good", "cool", "nice", "hot",
    "sizzle", "swish", "body", "slap", "snap", "stomp", "layers", "tuned", "pitched", "pitch", "up", "down",
    "straight", "rattle", "chain", "group", "vol", "volume", "pack", "collection", "part", "no", "nr", "take", "mono",
    "stereo", "st", "with", "off", "on", "normal", "full", "double",
})  # fmt: skip
"""Words that describe a sound without naming it. They may be glued to a word for a kind, and name no person."""

NEGATIONS = ("no", "without", "minus", "ohne", "sans", "sin", "sem", "senza", "non", "kein", "keine", "w o")
"""Words that take the kinds after them out of a mix: "Drum Loop No Kick"."""

GENRES = (
    *("drum and bass", "drums and bass", "drum n bass", "drum n bas", "future bass", "bass music", "bass house"),
    *("bass boosted", "bass boost", "uk bass", "piano house", "vocal house", "vocal trance", "guitar hero"),
    *("made in china", "china town", "chinatown", "rock and roll", "rock n roll", "rock roll", "mezzo piano"),
)
"""Phrases that contain the word of a kind or of a loop and name neither."""

TITLES_BEFORE_TOM = frozenset({"dj", "mr", "uncle", "major", "peeping", "sir", "st", "saint", "doctor", "mc", "blind"})
"""Words before Tom that make it a person."""

LOOP_WORDS = frozenset({
    "loop", "loops", "looped", "fill", "fills", "bpm", "breakbeat", "breakbeats", "drumbeat", "drumbeats",
    "drumloop", "drumloops", "toploop", "toploops", "samplechain", "boucle", "boucles", "bucle", "bucles", "schleife",
    "ループ", "フィル", "루프", "луп", "лупы", "петля", "сбивка", "循环",
})  # fmt: skip
"""Words in a name that say that the file holds several hits."""

PATTERN_WORDS = frozenset({
    "groove", "grooves", "break", "breaks", "beat", "pattern", "patterns", "rhythm", "rhythms", "chain",
    "chains", "sequence", "sequences", "phrase", "phrases", "medley", "demo", "preview", "rudiment", "rudiments",
    "triplet", "triplets", "tops", "compilation", "multihit", "multihits", "paradiddle",
})  # fmt: skip
"""The same, unless they stand before the word of a kind: a "Break Kick" is a kick, a "Kick Break" is a break."""

ROLL_WORDS = frozenset({
    "roll", "rolls", "flam", "flams", "drag", "drags", "ruff", "ruffs", "buzzroll", "drumroll", "diddle", "diddles",
    "roulement", "redoble", "redobles", "wirbel", "rullata", "ロール", "дробь", "롤", "滚奏",
})  # fmt: skip
"""Words for several strokes that are played as one; a scan may be told to keep them."""

ONE_SHOT_WORDS = ("one shot", "oneshot", "single hit", "single", "hit", "one hit", "onehit", "1 shot", "slice")
"""Phrases that say that a file holds a single hit, with or without a plural s."""

NOT_LOOPS = ("loop masters", "loop cloud", "loop lords", "groove monkee", "groove agent", "groove box", "beat box")
"""Phrases with one of these words that are names of companies or devices."""
