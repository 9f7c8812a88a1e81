"""The questions of part f."""

from . import NumberQuestion, Question

QUESTIONS = (
    NumberQuestion(
        "question-1",
        right=(156, 880, 5770, 6806),
        names=("the first convolutional layer", "the second convolutional layer", "the fully connected layer", "the total"),
        why="First: 6 masks of 1·5·5 weights and a bias, 6·26 = 156. Second: 16 masks of 6·3·3 weights and a bias, "
        "16·55 = 880. The maps are 24×24, 12×12, 12×12 and 6×6, so 16·6·6 = 576 numbers are flattened, and "
        "10·(576 + 1) = 5770. Pooling has none: 6806 in all.",
        wrong={
            (150, 864, 5760, 6774): "The biases are missing: one for each mask, and one for each neuron.",
            (156, 160, 5770, 6086): "A mask of the second layer sees all six maps: 6·3·3 weights and a bias, 16 times.",
            (156, 880, 370, 1406): "The channels are flattened, too: 16·6·6 = 576 numbers go into the last layer.",
            (156, 880, 7850, 8886): "The first layer has no padding, so its maps are 24×24, and 6×6 are left at the end.",
        },
    ),
    NumberQuestion(
        "question-2",
        right=(2.25, -2.2, 1.0, -5.0),
        names=("net in training", "net in use", "the gradient for the first x", "the gradient for the third x"),
        why="In training y = x·mask/0.8 = (2.5, 0, 1.25, 7.5), so net = 1 + 0 - 2.5 + 3.75 = 2.25. In use y = x, so "
        "net = 0.8 - 4 - 2 + 3 = -2.2. Backwards dy = 2·w, and dx = dy·mask/0.8: 2·0.4/0.8 = 1 and 2·(-2)/0.8 = -5.",
        wrong={
            (1.8, -2.2, 0.8, -4.0): "The scaling is missing: in training what is kept is divided by 1 - p = 0.8.",
            (2.25, -1.76, 1.0, -5.0): "In use nothing is scaled: the division in training has done that already.",
            (1.8, -1.76, 0.8, -4.0): "You scale in use instead of in training; here training divides by 1 - p = 0.8.",
            (9.0, -2.2, 4.0, -20.0): "You divided by p; it is 1 - p = 0.8, the share that is kept.",
            (2.25, -2.2, 0.8, -4.0): "The gradient needs the scaling, too: the forward has divided by 0.8.",
            (2.25, -2.2, 0.5, -2.5): "The gradient that arrives at net is 2, not 1: it multiplies everything.",
        },
    ),
    Question(
        "question-3",
        right="c",
        why={
            "a": "More pictures from the same cameras have the same dead pixel. They would confirm the 0.99.",
            "b": "Dropout prevents that single neurons are relied on. The dead pixel is in every picture of the one "
            "class, so all sub-networks learn it alike.",
            "c": "Only a test in which the shortcut no longer goes with the class can tell whether the network needs it: "
            "if the accuracy falls, it does.",
            "d": "Noise of this size changes hardly any answer, whatever the network looks at: the dead pixel is still "
            "there, and as bright as before.",
        },
    ),
)
