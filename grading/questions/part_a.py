"""The questions of part a."""

from . import NumberQuestion, Question

QUESTIONS = (
    NumberQuestion(
        "question-1",
        right=(20, 0, 1.5, 2),
        names=("the number of parameters", "y of the first neuron of layer 3", "y of the second neuron of layer 3",
               "the output"),
        why="Parameters: 2·3 + 3 = 9, 3·2 + 2 = 8 and 2·1 + 1 = 3 make 20. Layer 2 has the net inputs 0.5, -1 and 1, "
        "so y is 0.5, 0 and 1. Layer 3 has the net inputs -0.25 and 1.5, so y is 0 and 1.5. The last neuron has the "
        "net input 4·0 + 2·1.5 - 1 = 2, and ReLU leaves it as it is.",
        wrong={
            (20, -5.25, 2.5, -17): "You left out ReLU everywhere: with it, no output is negative.",
            (20, -5.25, 2.5, 0): "You applied ReLU to the last layer only; every layer has it, also layer 2, where the "
            "second neuron's -1 becomes 0.",
            (20, -0.25, 1.5, 1): "You left out ReLU in layer 3, where -0.25 becomes 0.",
            (20, -0.25, 1.5, 2): "The net inputs of layer 3 are right, but y is asked for: ReLU makes 0 of -0.25.",
            (14, 0, 1.5, 2): "The forward pass is right. Biases are parameters as well: there are six of them.",
            (20, 0, 2, 4): "The biases are missing in the weighted sums.",
            (22, 0, 1.5, 2): "The forward pass is right. The two inputs have no biases: they only pass x on.",
        },
    ),
    Question(
        "question-2",
        right="b",
        why={
            "a": "The number of units depends on the function and on how close the fit must be: our own fit needed more "
            "units for a smaller error.",
            "b": "That is all the theorem promises: for each accuracy some finite number of hidden units is enough. "
            "It gives neither a small number nor the weights.",
            "c": "The theorem says that good weights exist. Whether training finds them, from some samples of the "
            "function, is another question.",
            "d": "It speaks of a bounded region, in our fit the interval from 0 to 1. Outside, the network goes on as "
            "its last straight pieces do.",
        },
    ),
    Question(
        "question-3",
        right="d",
        why={
            "a": "Some functions need many pieces, but 1024 pieces of any kind are not on offer: ten folds of two "
            "units can only repeat what the folds make, and 61 numbers cannot set 1024 slopes freely.",
            "b": "A unit of the only hidden layer bends the line at one place. So n units make at most n + 1 pieces, "
            "and 1024 pieces need at least 1023 units.",
            "c": "Most deep networks have far fewer pieces: those with random weights had no more than the wide ones.",
            "d": "Ten folds make 2^10 = 1024 pieces of 20 units, 61 parameters. One hidden layer needs at least 1023 units for "
            "as many, with 3·1023 + 1 = 3070 parameters or more.",
        },
    ),
    Question(
        "question-4",
        right="c",
        why={
            "a": "Unfolding copies the network and gives no new parameters: all 100 layers share w_hh, w_xh and b.",
            "b": "One hidden layer is what the folded picture shows. What the last state depends on has been through 100 "
            "layers of tanh, and gradients go back through all of them.",
            "c": "One layer for every step, and every layer the same weights: 20·3 + 20·20 + 20 = 480 numbers. As each "
            "step used them, the gradient of each is the sum over the steps.",
            "d": "The depth has nothing to do with the 20 hidden neurons: they make the layers wide. There is one layer "
            "for each time step.",
        },
    ),
    NumberQuestion(
        "question-5",
        right=(0.462117, 0.753524, 1.034356, 0.569408, 1.204308),
        names=("h1", "h2", "the gradient of w_xh", "the gradient of w_hh", "the gradient of b"),
        why="The net inputs are 0.5 and 0.9811, so h1 = 0.4621 and h2 = 0.7535. Back: delta 2 is "
        "2·(1 - 0.7535²) = 0.8644, and delta 1 is 0.8644·0.5·(1 - 0.4621²) = 0.3399. Then w_xh gets "
        "0.8644·1 + 0.3399·0.5 = 1.0344, w_hh gets 0.8644·h1 + 0.3399·h0 = 0.5694, and b gets 0.8644 + 0.3399 = 1.2043.",
        wrong={
            (0.462117, 0.753524, 0.864404, 0.399456, 0.864404): "Your gradients are those of the last step alone: go "
            "back one more and add its part.",
            (0.462117, 0.753524, 1.034356, 0.808424, 1.204308): "For w_hh you multiplied by the state after the step; "
            "it met the state before: h1 at step 2, h0 at step 1.",
            (0.462117, 0.753524, 1.034356, 0.399456, 1.204308): "For w_hh you took h0 for 0, but it is 0.5.",
            (0.462117, 0.753524, 0.559240, 0.294089, 0.625528): "The derivative of tanh is 1 - h², not 1 - h.",
            (0.462117, 0.753524, 1.204308, 0.739360, 1.544212): "On the way back from step 2 to step 1 you left out "
            "w_hh: the gradient is multiplied by 0.5.",
            (0.462117, 0.753524, 0.517178, 0.284704, 0.602154): "You averaged over the two steps; their parts are added.",
        },
    ),
)
