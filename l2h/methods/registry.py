"""All methods that train a rejector r and a server e for a frozen client, with one signature.

A method is a function `method(splits, *, costs, seed, options) -> System`. It reads only the labels and scores of the
client, so that the client may be any frozen classifier; one rejector also reads its last hidden layer. METHODS holds
all methods, in three groups by the models that a method needs beforehand. To add a method, write the function and add
it to its group.
"""

from collections import ChainMap
from collections.abc import Callable

from l2h.methods.base import System
from l2h.methods.baselines import always_ask, always_keep, on_device_classifier, oracle, plain_server, random
from l2h.methods.confidence import confidence, confidence_specialist
from l2h.methods.learning_to_defer import budgeted, differentiable_triage, mozannar_sontag, one_vs_all, realizable
from l2h.methods.learning_to_help import learning_to_help
from l2h.methods.stage_switching import stage_rejector, stage_switching, weighted_server
from l2h.methods.two_stage import distilled, separate, two_sigmoid, two_stage

TEACHERS = ("mozannar_sontag", "one_vs_all", "realizable")  # their decision needs the server; "distilled" imitates it
TRAINING_FREE = ("confidence", "random", "oracle", "always_ask", "always_keep")  # methods that train nothing
Method = Callable[..., System]


def _by_name(*methods: Method) -> dict[str, Method]:
    return {method.__name__: method for method in methods}


# Trained without a client, so that one run is used for all clients.
STANDALONE = _by_name(plain_server, on_device_classifier)
# Train their own server for the client.
JOINT = _by_name(
    *(learning_to_help, stage_switching, weighted_server),
    *(mozannar_sontag, one_vs_all, realizable, differentiable_triage, budgeted),
)
# Read the scores of a server trained beforehand, in examples.server_scores.
TWO_STAGE = _by_name(
    *(confidence, confidence_specialist, separate, two_stage, two_sigmoid, distilled, stage_rejector),
    *(random, oracle, always_ask, always_keep),
)
METHODS = ChainMap(TWO_STAGE, JOINT, STANDALONE)
