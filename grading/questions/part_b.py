"""The questions of part b."""

from . import NumberQuestion, Question

QUESTIONS = (
    NumberQuestion(
        "question-1",
        right=(0.462117, -0.727894, -0.621775, -0.301244, -1.471318, -0.528265, 0.157685),
        names=("y_2", "y_3", "y_4", "y_5", "Δw_54", "Δw_43", "Δw_32"),
        why="The net inputs are 0.5, -0.924, -0.728 and -0.311, the slopes 0.786, 0.470, 0.613 and 0.909, and the error "
        "is 1.301. At the net input of neuron 5 it is 1.301·0.909 = 1.183, of neuron 4 1.183·0.5·0.613 = 0.363, of neuron 3 "
        "0.363·1·0.470 = 0.171. Times η = 2 and the inputs -0.622, -0.728 and 0.462 these are the three changes.",
        wrong={
            (0.462117, -0.727894, -0.621775, -0.301244, 1.471318, 0.528265, -0.157685): "Your three changes have the "
            "wrong sign: the error is t - y_5 = 1 + 0.301, and with it Δw already points downhill.",
            (0.462117, -0.727894, -0.621775, -0.301244, 2.366318, 0.725744, 0.341223): "The last factor of each change "
            "is missing, the input of its own neuron: y_4, y_3 and y_2.",
            (0.462117, -0.727894, -0.621775, -0.301244, -1.471318, -1.05653, 0.31537): "The weights are missing in the "
            "factors: from layer to layer the error is multiplied by φ′(net)·w.",
            (0.462117, -0.727894, -0.621775, -0.301244, -1.461766, -0.402288, 0.037235): "For the slope you took "
            "1 - net²; it is 1 - y², with the output y of that neuron.",
            (0.462117, -0.727894, -0.621775, -0.301244, -0.735659, -0.264133, 0.078842): "The learning rate η = 2 is "
            "missing in your changes.",
            (0.462117, -0.727894, -0.621775, -0.301244, -0.71284, -0.45125, -0.248374): "You multiplied each change by "
            "the output of its neuron; it is the input: y_4 for Δw_54, y_3 for Δw_43, y_2 for Δw_32.",
            (0.462117, -0.727894, -0.621775, -0.301244, 0.634308, -0.374395, -0.29895): "For the slope you took the "
            "sigmoid's y(1 - y); this chain has tanh, with 1 - y².",
            (0.622459, 0.223581, 0.555664, 0.569015, 0.11746, 0.005835, 0.00282): "You worked it out with the sigmoid; "
            "this chain has tanh.",
        },
    ),
    Question(
        "question-2",
        right="c",
        why={
            "a": "The weight stands in the factor twice: once as itself and once inside the slope, φ′(w·y)·w. Only the "
            "first doubles.",
            "b": "The two effects work against each other, but they don't cancel: the weight doubles, and the slope "
            "falls to a sixth.",
            "c": "The net input goes from 1 to 2, where tanh is much flatter: the slope falls from 0.420 to 0.071. Twice "
            "the weight doesn't make up for that.",
            "d": "Slopes of tanh are never negative, so the factor has the sign of the weight, which is positive.",
        },
    ),
    NumberQuestion(
        "question-3",
        right=(0.559055, 0.670866, 12, 27),
        names=("the slope", "the factor", "the layers until it is below 1/100", "the layers until it is above 100"),
        why="tanh(0.8) = 0.664, so the slope is 1 - 0.664² = 0.559, and 0.559·1.2 = 0.671. log(0.01)/log(0.671) = 11.5, so "
        "after 12 layers. At 0.1 the slope is 0.990 and the factor 1.188, and log(100)/log(1.188) = 26.7, so after 27.",
        wrong={
            (0.559055, 0.670866, 11, 26): "You rounded the two numbers of layers down: after 11 and 26 layers it is not "
            "yet so far.",
            (0.559055, 0.670866, 12, 26): "26 layers are not yet enough for more than 100: the quotient of the logarithms "
            "is 26.7, and layers are whole.",
            (0.559055, 0.559055, 8, 26): "The factor is the slope times the weight, 1.2, in both places.",
            (0.559055, 0.670866, 12, 25): "For the last number you took the weight 1.2 alone; at a net input of 0.1 the "
            "slope is 0.990, and that adds up over the layers.",
            (0.36, 0.432, 6, 25): "For the slope you took 1 - net²; it is 1 - tanh(net)².",
        },
    ),
    Question(
        "question-4",
        right="c",
        why={
            "a": "Layer 1 has moved by a ten-thousandth of its size; in twice the time it moves by two. (Tried with 20 and with 60 "
            "epochs: it still guesses.)",
            "b": "Each further layer brings another factor below 1, so the first layers would get even less.",
            "c": "The error shrinks by a factor φ′(net)·w in each layer. Larger first weights bring the factors near 1, and "
            "then all layers learn.",
            "d": "The rate multiplies the steps of all layers. The last layers, whose gradients are of ordinary size, would "
            "jump a thousand times too far. (Tried: it still guesses.)",
        },
    ),
    Question(
        "question-5",
        right="d",
        why={
            "a": "It was no good solution: a network of three layers that learns with all its weights gets more than 90 per "
            "cent right. Random layers were only better than jumping ones.",
            "b": "The late layers were trained in both runs, with the same learning rate. What was different is what they "
            "were given.",
            "c": "In this network the gradients of the early layers had not vanished; they were larger than those of the late "
            "ones.",
            "d": "Held still, the early layers give the same input for the same picture again and again, and to that the "
            "late layers can adapt. When they learn as well, their first step changes that input by more than its own size.",
        },
    ),
)
