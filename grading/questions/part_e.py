"""The questions of part e."""

from . import NumberQuestion, Question

QUESTIONS = (
    Question(
        "question-1",
        right="b",
        why={
            "a": "That holds as long as the value stays in its region. From column 3 to column 4 it crosses a border.",
            "b": "Columns 0 to 3 belong to one region, columns 4 to 7 to the next. The value leaves the first and "
            "arrives in the second, so two outputs change. Pooling tolerates a shift within a region only.",
            "c": "The mean of a region changes as well when its only value leaves: both regions do.",
            "d": "Where regions lie side by side, every pixel belongs to exactly one, but not always to the same one.",
        },
    ),
    Question(
        "question-2",
        right="c",
        why={
            "a": "A mask slides along whatever there is. On a larger image it fits at more places, with the same weights.",
            "b": "Pooling has no weights, and its regions fit on a map of 12×12 as well: 6×6 come out.",
            "c": "The maps arrive as 32·3·3 = 288 numbers, and every neuron has 32·2·2 = 128 weights. The layers before "
            "take any size; a global mean of each map would always make 32 numbers.",
            "d": "Flattening 288 numbers is no problem. It is the layer behind it that has a fixed number of weights.",
        },
    ),
    NumberQuestion(
        "question-3",
        right=(1.386294361120, 0.125, -0.75, 0.625),
        names=("the loss", "the gradient of the first logit", "of the second", "of the third"),
        why="The exponentials are 1, 2 and 5, their sum is 8, so p = (0.125, 0.25, 0.625). The loss is -ln 0.25 = 1.386, "
        "and the gradient is p with 1 subtracted at the label.",
        wrong={
            (1.386294, 0.125, 0.25, 0.625): "These are the probabilities. The gradient has a 1 subtracted at the label.",
            (1.386294, -0.125, 0.75, -0.625): "The signs of the gradient are turned: it is p minus one-hot.",
            (0.6020600, 0.125, -0.75, 0.625): "The loss has the natural logarithm, ln 4, not that of base 10.",
            (2.0, 0.125, -0.75, 0.625): "The loss has the natural logarithm, ln 4, not that of base 2.",
            (1.386294, 0.0, -0.75, 0.0): "The other logits have a gradient, too: they make the sum larger.",
            (0.462098, 0.041667, -0.25, 0.208333): "There is one image, so N = 1: nothing is divided by the number of classes.",
        },
    ),
)
