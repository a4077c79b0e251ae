"""Known distributions as images: each atom of x is a picture of its own, so that one linear layer is a table.

Labels come in exact shares, so that the mean over the examples is the expectation.
"""

from typing import NamedTuple

import numpy as np
import torch

from l2h.methods.base import Examples, Options, Splits, class_indices
from l2h.training.config import TrainConfig

SHARE = 20  # examples of an atom
# Small steps: an atom's bright rows move its scores all together.
TABLE = TrainConfig(epochs=150, batch_size=80, lr=3e-4)
OPTIONS = Options(server_network="linear", rejector="linear", training=TABLE, bounded=False)


class Atom(NamedTuple):
    """One value of x: P(Y=k|x), the client's label, and how sure the client is of it."""

    eta: tuple[float, ...]
    m: int
    sure: float


# At c1 = 1, ce = 0.1: ask where the best answer is likelier than the client's by more than 0.1.
ATOMS = (
    Atom((0.80, 0.10, 0.10), 0, 0.80),
    Atom((0.10, 0.80, 0.10), 0, 0.40),
    Atom((0.50, 0.40, 0.10), 0, 0.50),
    Atom((0.30, 0.60, 0.10), 0, 0.45),
    Atom((0.10, 0.30, 0.60), 2, 0.60),
    Atom((0.45, 0.10, 0.45), 2, 0.47),
    Atom((0.40, 0.30, 0.30), 0, 0.43),
    Atom((0.20, 0.20, 0.60), 1, 0.42),
)
ASKED = [1, 3, 7]


def pictures(n):
    """n atoms as images: the rows of an atom are bright."""
    x = torch.zeros(n, 3, 32, 32, dtype=torch.uint8)
    for atom in range(n):
        x[atom, :, 32 // n * atom : 32 // n * (atom + 1)] = 255
    return x


def splits(atoms=ATOMS):
    """The same examples in every part; the server given is the best one, the teacher knows what asking costs."""
    eta = np.array([atom.eta for atom in atoms])
    counts = np.rint(SHARE * eta).astype(int)
    assert (counts.sum(1) == SHARE).all()
    y = torch.tensor([label for row in counts for label in np.repeat(np.arange(len(row)), row)])
    which = torch.arange(len(atoms)).repeat_interleave(SHARE)
    m = torch.tensor([atom.m for atom in atoms])
    others = torch.tensor([(1 - atom.sure) / (len(atom.eta) - 1) for atom in atoms])
    claimed = others[:, None].repeat(1, eta.shape[1])
    claimed[torch.arange(len(atoms)), m] = torch.tensor([atom.sure for atom in atoms])
    score, server = claimed.log(), torch.tensor(eta).log().float()
    if eta.shape[1] == 2:  # labels -1 and +1
        y, m, score, server = 2 * y - 1, 2 * m - 1, score[:, 1] - score[:, 0], server[:, 1] - server[:, 0]
    examples = Examples(pictures(len(atoms))[which], y, m[which], score[which], server[which])
    return Splits(examples, examples, examples)


def one_of_each(examples):
    """One example of each atom."""
    return Examples(*(None if column is None else column[::SHARE] for column in examples))


def both_codings():
    """The same examples with labels -1/+1 and one score, and with labels 0/1 and two scores."""
    atoms = [Atom((0.8, 0.2), 1, 0.6), Atom((0.3, 0.7), 1, 0.9), Atom((0.1, 0.9), 0, 0.7)]
    signs = splits(atoms).train
    numbers = signs._replace(
        y=class_indices(signs.y, signs),
        m=class_indices(signs.m, signs),
        client_scores=torch.stack([-signs.client_scores / 2, signs.client_scores / 2], 1),
        server_scores=torch.stack([-signs.server_scores / 2, signs.server_scores / 2], 1),
    )
    return signs, numbers
