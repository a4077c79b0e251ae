"""Every way to get a rejector r and a server e for a frozen client, behind one signature.

A method is a function `method(parts, *, costs, seed, options) -> System`. It sees the client only through its
labels and scores, so that any frozen classifier can be helped; one rejector also reads its last hidden layer. METHODS
holds them all, in three groups that say what must be there before a method can run; to add one, write the function
and put it into its group.
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

TEACHERS = ("mozannar_sontag", "one_vs_all", "realizable")  # their decision needs the server: "distilled" imitates it
TRAINING_FREE = ("confidence", "random", "oracle", "always_ask", "always_keep")  # nothing is trained in such a run
Method = Callable[..., System]


def _by_name(*methods: Method) -> dict[str, Method]:
    return {method.__name__: method for method in methods}


# Trained without a client: one run serves every client.
STANDALONE = _by_name(plain_server, on_device_classifier)
# Train a server of their own for this client.
JOINT = _by_name(
    *(learning_to_help, stage_switching, weighted_server),
    *(mozannar_sontag, one_vs_all, realizable, differentiable_triage, budgeted),
)
# Are given the scores of a server trained beforehand, in examples.server.
TWO_STAGE = _by_name(
    *(confidence, confidence_specialist, separate, two_stage, two_sigmoid, distilled, stage_rejector),
    *(random, oracle, always_ask, always_keep),
)
METHODS = ChainMap(TWO_STAGE, JOINT, STANDALONE)
