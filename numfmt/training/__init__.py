"""Small networks trained in numeric formats: accuracy, and what the gradients lose, epoch by epoch.

`compare_training` trains a perceptron or a small convolution, on scikit-learn's digits or on examples of
the caller, under each `Policy` of a table, and gives a table. A policy says how weights, activations and
gradients are rounded, where the weights live between updates (`master`), and by what the loss is scaled.
`compare_states` trains by Adam in float32, but for the moments that Adam keeps; its module says what it shows.

What 20 epochs of five seeds have shown on the digits, `python plots/training.py FOLDER 20 5`; of two
numbers the first is the perceptron's, the second the convolution's, means over the seeds:

- f32 reaches 97.8 and 97.9 %, single runs from 97.3 to 98.7 %. bf16, f16, flex16+5 under Autoflex, and
  mxfp8 and fp8 with a master copy in f32 all end between 97.4 and 98.0 %: they cannot be told apart here.
- Gradients shrink as the network learns. In f16, 8 and 20 % of those that are not 0 underflow in the last
  epoch; with a loss scale of 1024, 2 and 9 %; with a dynamic one, 0.4 and 1.6 %; in bf16 none. Loss scaling
  does what it is for, but on this task what it saves is not missed.
- One step of an integer format cannot serve all tensors. With 2**-12, int16 ends at 8, activations pass it in
  the first epochs, and all ten runs break; with 2**-10 it ends at 32, the perceptron stays two points
  behind, and the convolution breaks in all five seeds, between epochs 12 and 17. With activations in f32, the
  two of these that were run again did not break. flex16+5 has as many bits and a step that follows each
  tensor: 16 and 28 % of its gradients underflow, and it trains like f32.
- fp8 weights that have no master copy lose small updates: 95.0 and 94.4 % to nearest, 96.2 and 96.0 % with
  stochastic rounding, 97.6 and 97.7 % with a master copy. More gradients underflow under
  stochastic rounding than to nearest (17 against 3 %, 28 against 20 %), as the loss is lower and so they are
  smaller; what is rounded keeps its mean.
- A scale for each block keeps gradients in range: in the last epoch 0.1 and 0.4 % underflow in mxfp8, 18
  and 37 % in fp8 without scales, both with gradients in e5m2.

What it does not show:

- Anything about large models, other data, other optimizers, or long training. 449 held-back images of 8 x 8
  pixels resolve an accuracy of 98 % to some 0.7 points.
- Hardware. Every tensor is rounded once; the products and sums within a layer, softmax, loss and the sums of an
  update are float32. Accumulators of a format are `numfmt.gemm`'s matter.
- Block formats as an accelerator has them: blocks run along the last axis of each tensor, which is the axis
  that the forward products sum over, and backward products take the same rounded tensors. With fewer than 32
  channels, blocks are shorter.
- What each tensor could have with settings of its own: policies have one format a role, biases included, and
  learning rate and momentum are the same for all.
- Underflow before the rounding: an element that is 0 already in float32, or as a gradient upstream was lost,
  does not count as lost again.

>>> from numfmt.training import Policy, compare_training
>>> x = np.random.default_rng(0).standard_normal((400, 6))
>>> mine = Policy("mine", "e4m3fn", gradients="e5m2", master="bf16", rounding="stochastic")
>>> runs = compare_training(["f32", mine], data=(x, x.argmax(axis=1)), epochs=3)
>>> [(outcome.policy, outcome.master, outcome.accuracy > 0.5) for outcome in runs.outcomes()]
[('f32', '', True), ('mine', 'bf16', True)]
"""

from __future__ import annotations

from .networks import LARGE_NETWORKS, NETWORKS
from .optimizers import compare_states
from .policies import POLICIES, LossScale, Policy
from .records import Epoch, Outcome, Outcomes, Training
from .rounders import Autoflex, Cast, Rounded
from .runs import compare_training
from .state_records import StateEpoch, StateOutcome, StateOutcomes, StateTraining
from .states import STATES, States

__all__ = [
    "LARGE_NETWORKS",
    "NETWORKS",
    "POLICIES",
    "STATES",
    "Autoflex",
    "Cast",
    "Epoch",
    "LossScale",
    "Outcome",
    "Outcomes",
    "Policy",
    "Rounded",
    "StateEpoch",
    "StateOutcome",
    "StateOutcomes",
    "StateTraining",
    "States",
    "Training",
    "compare_states",
    "compare_training",
]
