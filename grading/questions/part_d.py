"""The questions of part d."""

from . import Question

QUESTIONS = (
    Question(
        "question-1",
        right="c",
        why={
            "a": "The weights belong to the mask, not to the places: more places mean more sums with the "
            "same nine weights, not more weights.",
            "b": "Tolerance to location means the same number at another place in the map, not a map that "
            "never changes; and on a larger image the mask fits at more places, so the map grows from "
            "8×8 to 98×98.",
            "c": "All places share the nine weights, so the same window gives the same sum wherever it "
            "lies; only the map gets larger.",
            "d": "That would be so if each place had weights of its own; with shared weights, what was "
            "learnt at one place holds at all.",
        },
    ),
    Question(
        "question-2",
        right="c",
        why={
            "a": "The dilation is ignored: with dilation 2 the mask spans 2·(3−1)+1 = 5 pixels, so the maps "
            "are 24×24 and the region is 5×5.",
            "b": "The 1×1 masks do not choose 16 of the channels: each of the 16 maps is a weighted sum of "
            "all 64, so the output depends on all 64.",
            "c": "The 3×3 mask spans 5 pixels, and 28 − 5 + 1 = 24; the 1×1 layer mixes all 64 channels "
            "without widening the region; and dilation adds no weights: 32·16·9 = 4608.",
            "d": "Dilation spreads the nine weights out and adds none: the gaps hold no weights, so there "
            "are 32·16·9 = 4608, not 32·16·25.",
        },
    ),
)
