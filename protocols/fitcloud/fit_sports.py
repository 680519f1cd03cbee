"""The same kinds of sport in the numbers of the public FIT profile: sport and sub-sport.

Only where FIT has that sport, or one that plainly includes it; a watch's judo has none. The numbers
are those of the FIT profile 21.188 (types `sport` and `sub_sport`), the watch's own are in
transport-and-data §9.12.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_CYCLING: Final = 2
_EQUIPMENT: Final = 4
_SWIMMING: Final = 5
_TRAINING: Final = 10
_RACKET: Final = 64

_INDOOR_CYCLING: Final = 6
_FLEXIBILITY: Final = 19
_STRENGTH: Final = 20
_CARDIO: Final = 26

GENERIC: Final = (0, 0)
"""FIT's word for a sport that it has no number for."""

FIT_SPORT: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        1: (_CYCLING, 0),
        5: (1, 0),
        9: (1, 45),
        13: (11, 0),
        17: (16, 0),
        21: (6, 0),
        25: (_SWIMMING, 0),
        29: (_RACKET, 95),
        33: (7, 0),
        37: (_EQUIPMENT, 15),
        41: (_TRAINING, 43),
        45: (_RACKET, 97),
        49: (84, 0),
        53: (_EQUIPMENT, 14),
        61: (_CYCLING, _INDOOR_CYCLING),
        65: (_TRAINING, 0),
        69: (8, 0),
        73: (49, 0),
        77: (72, 0),
        81: (71, 0),
        89: (_TRAINING, _STRENGTH),
        93: (11, 27),
        97: (_CYCLING, _INDOOR_CYCLING),
        101: (_TRAINING, _STRENGTH),
        105: (83, 0),
        113: (25, 0),
        121: (_TRAINING, _STRENGTH),
        125: (75, 0),
        133: (17, 0),
        137: (73, 0),
        141: (23, 0),
        145: (62, 70),
        153: (1, 3),
        157: (13, 0),
        169: (_TRAINING, 0),
        173: (_TRAINING, 44),
        177: (_TRAINING, 0),
        181: (_TRAINING, 0),
        185: (_TRAINING, 0),
        189: (_TRAINING, _CARDIO),
        193: (83, 0),
        197: (83, 0),
        217: (_RACKET, 96),
        225: (14, 0),
        229: (29, 0),
        237: (13, 0),
        241: (_TRAINING, _STRENGTH),
        253: (_TRAINING, _CARDIO),
        257: (_TRAINING, 0),
        269: (48, 0),
        273: (9, 0),
        281: (_RACKET, 84),
        285: (47, 0),
        297: (_TRAINING, _FLEXIBILITY),
        305: (_CYCLING, 12),
        317: (_TRAINING, _CARDIO),
        345: (74, 0),
        349: (_TRAINING, _STRENGTH),
        353: (_TRAINING, _STRENGTH),
        369: (27, 0),
        377: (73, 0),
        381: (_TRAINING, _STRENGTH),
        405: (30, 0),
        409: (1, 1),
        413: (53, 0),
        417: (38, 0),
        421: (82, 0),
        425: (_TRAINING, _STRENGTH),
        429: (_TRAINING, _STRENGTH),
        433: (_TRAINING, _STRENGTH),
        437: (31, 0),
        449: (83, 0),
        453: (28, 0),
        461: (1, 0),
        465: (_CYCLING, 5),
        469: (_SWIMMING, 17),
        473: (_SWIMMING, 18),
        477: (83, 0),
        481: (83, 0),
        485: (83, 0),
        489: (_EQUIPMENT, 16),
        517: (_TRAINING, _FLEXIBILITY),
        525: (_TRAINING, _STRENGTH),
        529: (_TRAINING, _STRENGTH),
        545: (_TRAINING, _STRENGTH),
        549: (_TRAINING, _STRENGTH),
        553: (_TRAINING, _STRENGTH),
        557: (22, 35),
        561: (20, 111),
        573: (18, 0),
        577: (36, 0),
        593: (12, 0),
        613: (24, 0),
        617: (_TRAINING, 0),
        621: (7, 0),
        625: (83, 0),
        629: (83, 0),
    }
)
"""FIT's sport and sub-sport by the watch's number."""


def fit_sport(code: int) -> tuple[int, int]:
    """FIT's sport and sub-sport, `GENERIC` where it has none."""
    return FIT_SPORT.get(code, GENERIC)
