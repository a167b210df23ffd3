"""The figures of Table 1 of the DOSE paper (arXiv 2504.18157), to stand beside ours. Lower is better.

They are not the same measurement. The paper does not say the window, hop, scale and level of its MSS, nor what its FAD
pools, and its kits are not public. So they say which system is nearer than which, and not how near.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS = ("kick", "snare", "hihat")

RMOD, DRUMS_ONLY, GROOVE = "RMOD", "RMOD drums-only", "Groove MIDI"
RECONSTRUCTION, LARSNET, WITHOUT_ONSET, DOSE = "reconstruction", "LarsNet", "DOSE, no onset loss", "DOSE"

Row = tuple[float, float, float]

MSS: Mapping[str, Mapping[str, Row]] = {
    RMOD: {
        RECONSTRUCTION: (1.832, 1.880, 1.530),
        LARSNET: (5.153, 6.191, 5.840),
        WITHOUT_ONSET: (4.435, 4.262, 3.767),
        DOSE: (3.700, 4.135, 2.056),
    },
    DRUMS_ONLY: {
        LARSNET: (4.841, 5.932, 5.695),
        WITHOUT_ONSET: (4.518, 4.316, 3.793),
        DOSE: (3.708, 3.966, 1.972),
    },
    GROOVE: {
        LARSNET: (5.079, 4.411, 4.752),
        WITHOUT_ONSET: (3.606, 4.041, 3.356),
        DOSE: (3.347, 3.984, 3.631),
    },
}
"""By set and system: MSS for kick, snare, hi-hat."""

FAD_VGGISH: Mapping[str, Mapping[str, Row]] = {
    RMOD: {
        RECONSTRUCTION: (0.207, 0.360, 0.621),
        LARSNET: (4.414, 6.641, 3.004),
        WITHOUT_ONSET: (1.153, 1.566, 1.105),
        DOSE: (0.920, 0.671, 0.238),
    },
    DRUMS_ONLY: {
        LARSNET: (2.738, 5.553, 2.503),
        WITHOUT_ONSET: (2.409, 1.649, 0.937),
        DOSE: (0.978, 0.705, 0.217),
    },
    GROOVE: {
        LARSNET: (4.674, 3.286, 2.467),
        WITHOUT_ONSET: (3.453, 3.799, 4.491),
        DOSE: (3.369, 1.819, 5.152),
    },
}
"""By set and system: FAD-VGGish."""

FAD_CLAP: Mapping[str, Mapping[str, Row]] = {
    RMOD: {
        RECONSTRUCTION: (0.133, 0.131, 0.135),
        LARSNET: (1.119, 1.361, 1.158),
        WITHOUT_ONSET: (0.487, 0.718, 0.470),
        DOSE: (0.439, 0.636, 0.324),
    },
    DRUMS_ONLY: {
        LARSNET: (0.887, 1.207, 1.028),
        WITHOUT_ONSET: (0.497, 0.706, 0.448),
        DOSE: (0.435, 0.605, 0.301),
    },
    GROOVE: {
        LARSNET: (1.259, 1.098, 1.309),
        WITHOUT_ONSET: (0.690, 1.170, 0.624),
        DOSE: (0.655, 1.089, 0.933),
    },
}
"""By set and system: FAD-CLAP."""
