"""The words that sample packs use in names: for kinds of sound, microphones, machines, loops and single hits.

All words are in small letters. A word of a phrase may have a plural s in a name.
"""

from __future__ import annotations

KIND_PHRASES: dict[str, tuple[str, ...]] = {
    "kick": (
        *("kick", "kick drum", "kickdrum", "bass drum", "bassdrum", "drum bass", "kik", "kck", "bdrum"),
        *("kdrum", "große trommel", "grosse trommel", "basstrommel", "grosse caisse", "bombo", "cassa"),
        *("gran cassa", "bumbo", "basdrum", "bastrumma", "stopa", "bas drum", "бочка", "бас бочка"),
        *("большой барабан", "кик", "キック", "バスドラム", "キックドラム", "底鼓", "大鼓", "킥", "킥드럼"),
    ),
    "snare": (
        *("snare", "snare drum", "snaredrum", "snr", "sdrum", "kleine trommel", "caisse claire", "rullante"),
        *("caja", "redoblante", "tarola", "caixa", "werbel", "virvel", "virveltrumma", "малый барабан"),
        *("снейр", "снэр", "рабочий барабан", "スネア", "スネアドラム", "军鼓", "軍鼓", "小鼓", "스네어"),
    ),
    "open_hihat": (
        *("open hat", "open hi hat", "open hihat", "openhat", "openhihat", "openhh", "hat open", "open hh"),
        *("hi hat open", "hihat open", "cymbal open", "open cymbal", "オープンハイハット", "开镲"),
        *("오픈하이햇",),
    ),
    "hihat": (
        *("hi hat", "hihat", "hat", "closed hat", "closed hi hat", "closed hihat", "closedhat", "closedhh"),
        *("chh", "hat closed", "hi hat closed", "hihat closed", "cymbal closed", "closed cymbal"),
        *("cymbal pedal", "pedal hat", "pedal hihat", "high hat", "highhat", "hhat", "charleston"),
        *("charley", "contratiempo", "chimbal", "chimbau", "хай хэт", "хэт", "хайхэт", "хет"),
        *("ハイハット", "クローズハイハット", "踩镲", "闭镲", "하이햇"),
    ),
    "tom": (
        *("tom", "tom tom", "floor tom", "rack tom", "tomtom", "ltom", "mtom", "htom", "ftom", "standtom"),
        *("hängetom", "том", "タム", "フロアタム", "桶鼓", "嗵鼓", "탐", "timbalão", "goliat"),
    ),
    "cymbal": (
        *("cymbal", "crash", "ride", "china", "splash", "crash cymbal", "ride cymbal", "cymb", "ride bell"),
        *("china cymbal", "becken", "cymbale", "platillo", "piatto", "piatti", "prato", "talerz", "тарелка"),
        *("краш", "райд", "シンバル", "クラッシュ", "ライド", "吊镲", "镲", "심벌", "crsh"),
    ),
    "clap": (
        *("clap", "hand clap", "handclap", "klatschen", "handklatschen", "palma", "palmada", "battimani"),
        *("clapping", "хлопок", "хлопки", "клэп", "клап", "クラップ", "ハンドクラップ", "拍手", "클랩"),
        *("박수",),
    ),
    "rim": (
        *("rim", "rimshot", "rim shot", "side stick", "sidestick", "cross stick", "crossstick", "xstick"),
        *("x stick", "sstick", "rim click", "rimclick", "римшот", "リムショット", "リム", "림샷", "边击"),
    ),
    "cowbell": (
        *("cowbell", "cow bell", "kuhglocke", "cencerro", "campanaccio", "cloche à vache", "カウベル"),
        *("牛铃", "카우벨", "ковбелл"),
    ),
    "shaker": (
        *("shaker", "maraca", "cabasa", "rassel", "egg shaker", "シェイカー", "マラカス", "沙锤", "шейкер"),
        *("셰이커", "afuche", "ganza", "shekere"),
    ),
    "tambourine": (
        *("tambourine", "tamb", "tambo", "tambourin", "pandereta", "pandeiro", "pandeirola", "schellenring"),
        *("tamburello", "タンバリン", "铃鼓", "탬버린", "бубен", "tambourim"),
    ),
    "conga": (
        *("conga", "808 hc", "bongo", "tumba", "quinto", "コンガ", "ボンゴ", "康加鼓", "邦戈鼓", "конга"),
        *("бонго",),
    ),
    "bass": (
        *("bass", "sub bass", "subbass", "bassline", "bass line", "bass guitar", "e bass", "synth bass"),
        *("reese", "kontrabass", "contrabass", "basse", "bajo", "basso", "baixo", "ベース", "贝斯", "бас"),
    ),
    "piano": (
        *("piano", "keys", "rhodes", "wurlitzer", "electric piano", "keyboard", "wurli", "klavier"),
        *("pianoforte", "ピアノ", "钢琴", "пианино", "рояль", "epiano"),
    ),
    "guitar": (
        *("guitar", "gtr", "electric guitar", "acoustic guitar", "gitarre", "guitare", "guitarra"),
        *("chitarra", "ギター", "吉他", "гитара", "gitara", "gitarr", "violão"),
    ),
    "vocal": (
        *("vocal", "vox", "voice", "acapella", "acappella", "singing", "adlib", "ad lib", "gesang", "stimme"),
        *("voix", "voz", "voce", "vocals", "ボーカル", "人声", "вокал", "голос"),
    ),
}
"""Words for each kind. Accents do not matter: names are compared without them."""

STRONG_WORDS = {
    "kick": "kick", "snare": "snare", "hihat": "hihat", "clap": "clap", "cymbal": "cymbal", "cowbell": "cowbell",
    "rimshot": "rim", "shaker": "shaker", "conga": "conga", "bongo": "conga", "tambourine": "tambourine",
    "openhat": "open_hihat", "closedhat": "hihat", "openhh": "open_hihat", "closedhh": "hihat", "bassdrum": "kick",
}  # fmt: skip
"""Words that are recognised at the beginning or end of a longer word: clubkick, snare808, linnhihat."""

NOT_GLUED = frozenset({
    "sidekick", "dropkick", "kickstart", "kickstarter", "kickback", "kickoff", "kickass", "kickboxing", "kickflip",
    "ensnare", "clapton", "clapper", "clapboard", "thunderclap", "splashdown", "snareless", "kickless", "shakers",
})  # fmt: skip
"""Words that begin or end like a strong word and mean something else."""

CODES: dict[str, str] = {
    "bd": "kick", "kk": "kick", "bdr": "kick", "sd": "snare", "sdr": "snare", "sn": "snare", "hh": "hihat",
    "hhc": "hihat", "hhp": "hihat", "cht": "hihat", "hho": "open_hihat", "ohh": "open_hihat", "oht": "open_hihat",
    "cp": "clap", "clp": "clap", "hcp": "clap", "cy": "cymbal", "cym": "cymbal", "crs": "cymbal", "rs": "rim",
    "cb": "cowbell", "cow": "cowbell", "cowb": "cowbell", "shk": "shaker", "tmb": "tambourine", "cng": "conga",
    "bng": "conga", "pno": "piano",
}  # fmt: skip
"""Abbreviations that decide where no word does."""

WEAK_CODES: dict[str, str] = {
    "kd": "kick", "ch": "hihat", "oh": "open_hihat",
    "ho": "open_hihat", "ph": "hihat", "fh": "hihat", "lt": "tom", "mt": "tom", "ht": "tom", "ft": "tom", "tm": "tom",
    "tt": "tom", "cr": "cymbal", "rd": "cymbal", "rc": "cymbal", "lc": "conga", "mc": "conga",
    "cg": "conga", "ma": "shaker", "sh": "shaker", "cab": "shaker", "mar": "shaker", "tb": "tambourine",
    "ss": "rim", "rm": "rim", "vx": "vocal", "gt": "guitar",
}  # fmt: skip
"""Abbreviations with other meanings (overhead, chorus, take): they decide only in the company of other drums."""

NUMBERS = {"808": "kick"}
"""Numbers that are a nickname of a sound, and more often the name of a machine."""

OTHER_SOUNDS = frozenset({
    "clave", "claves", "woodblock", "block", "templeblock", "triangle", "agogo", "guiro", "cuica", "timbale",
    "timbales", "djembe", "tabla", "timpani", "vibraslap", "whistle", "gong", "perc", "percussion", "percs", "cajon",
    "castanet", "castanets", "darbuka", "udu", "snap", "snaps", "fingersnap", "stomp", "stomps", "fx", "sfx", "riser",
    "risers", "uplifter", "downlifter", "sweep", "sweeps", "strings", "brass", "organ", "flute", "sax", "saxophone",
    "trumpet", "violin", "cello", "harp", "marimba", "xylophone", "glockenspiel", "vibraphone", "kalimba", "pad",
    "pads", "lead", "leads", "foley", "atmos", "drone", "chime", "chimes", "caxixi",
    "surdo", "taiko", "ratchet", "scratch", "scratches", "metronome", "misc",
})  # fmt: skip
"""Words for sounds that belong to none of rmod's kinds."""

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
