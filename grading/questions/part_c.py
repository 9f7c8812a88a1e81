"""The questions of part c."""

from . import NumberQuestion, Question

QUESTIONS = (
    Question(
        "question-1",
        right="b",
        why={
            "a": "With the slope 1 the factor φ′·w is just w. It is below 1 for small weights and above 1 for large "
            "ones, so the gradient can still vanish or explode: that is why the first weights matter.",
            "b": "Where net is negative, φ′ is 0, so dy·φ′ is 0 for every sample, and the weights and the bias of this "
            "unit get no gradient. They stay as they are, and so does its silence, unless the inputs change.",
            "c": "The gradient of a weight is dy·φ′(net)·input. The input may be large, but φ′ is 0 for every sample.",
            "d": "The rate multiplies the gradient, and here the gradient is not small but 0 for every sample.",
        },
    ),
    NumberQuestion(
        "question-2",
        right=(1.516129032258, -0.25, 2.6875, 1.580766626587),
        names=("w after the first step", "m after the second", "v after the second", "w after the second"),
        why="First step: m = 1.5 and v = 2.25, corrected 3 and 9, so w = 2 - 0.5·3/3.1 = 1.516. Second step: "
        "m = 0.5·1.5 + 0.5·(-2) = -0.25 and v = 0.75·2.25 + 0.25·4 = 2.6875, corrected -0.25/0.75 = -0.333 and "
        "2.6875/0.4375 = 6.143, so w = 1.516 + 0.5·0.333/(2.478 + 0.1) = 1.581.",
        wrong={
            (1.53125, -0.25, 2.6875, 1.603116): "The bias correction is missing: divide m by 1-0.5ᵗ and v by 1-0.75ᵗ.",
            (1.0625, -0.25, 2.6875, 1.158321): "You corrected m but not v: divide v by 1-0.75ᵗ.",
            (1.502755, -0.25, 2.6875, 1.569460): "ε is added after the root: √v̂ + 0.1.",
        },
    ),
    NumberQuestion(
        "question-3",
        right=(-1.4, -0.2, 1.2, 2.533333333333),
        names=("y of the first value", "y of the last value", "running_mean", "running_var"),
        why="E = 3, Var = 22/4 = 5.5, and √(5.5 + 0.75) = 2.5, so x̂ = (-0.8, -0.4, -0.4, 1.6). For the running "
        "variance the sum of squares is divided by 3: 0.9·2 + 0.1·22/3 = 2.533.",
        wrong={
            (-1.4, -0.2, 1.2, 2.35): "The running variance takes in the unbiased variance: 22/3, not 22/4.",
            (-1.351743, -0.296514, 1.2, 2.533333): "To normalise the batch the variance is divided by N = 4; N - 1 is "
            "for running_var only.",
            (-1.4, -0.2, 2.8, 6.8): "Momentum weighs the new value: 0.9 of the old one stays, 0.1 of the new one comes in.",
            (-1.323072, -0.353855, 1.2, 2.533333): "ε goes inside the root: √(5.5 + 0.75), not √5.5 + 0.75.",
        },
    ),
    Question(
        "question-4",
        right="d",
        why={
            "a": "A batch of one has the mean x itself and the variance 0, so in training mode every x̂ would be 0: the "
            "answer would be β, whatever the image shows.",
            "b": "γ and β were learnt together with the normalisation. Without it the later layers meet numbers of quite "
            "another scale.",
            "c": "The image that is asked about must not depend on which other images happen to come with it; and "
            "averages from the training are at hand.",
            "d": "In use the mean and the variance are constants, kept as running averages during training; then one "
            "image gives the same answer alone and in company.",
        },
    ),
)
