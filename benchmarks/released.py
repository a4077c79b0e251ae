"""The released training loop, re-implemented plainly: the baseline of `time_to_quality`."""

import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from l2h.problem import Costs
from l2h.theory.calibration import alpha_released

BATCH = 16
EPOCHS = 30
COSTS = Costs(c1=1.0, ce=0.0)
ALPHA = float(alpha_released(0.18, costs=COSTS, beta=2.0))


class Bounded(nn.Module):
    """Scores in (-1, 1)."""

    def forward(self, t: Tensor) -> Tensor:
        """Map scores (n, 1) to bounded scores (n,)."""
        return 2 * torch.sigmoid(t).squeeze(1) - 1


def rejector() -> nn.Module:
    """3072-120-1, from torch's own modules."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 120), nn.ReLU(), nn.Linear(120, 1), Bounded())


def server() -> nn.Module:
    """LeNet, from torch's own modules."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 1), Bounded()),
    )


def released_loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor) -> Tensor:
    """The released loss, summed over the batch."""
    kept = (m != y) * torch.exp(ALPHA * r)
    return (kept + COSTS.c1 * torch.exp(-r - y * e) + COSTS.ce * torch.exp(-r)).sum()


class Pair(Dataset):
    """Airplanes and automobiles of CIFAR-10's training images, with the frozen client's labels."""

    def __init__(self, folder: Path, client: nn.Module) -> None:
        scale = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
        self.images = datasets.CIFAR10(str(folder), train=True, transform=scale)
        self.indices = [i for i, label in enumerate(self.images.targets) if label < 2]
        with torch.no_grad():
            scores = torch.stack([client(self.images[i][0][None])[0] for i in self.indices])
        self.m = 2 * (scores >= 0).long() - 1

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple[Tensor, int, Tensor]:
        image, label = self.images[self.indices[i]]
        return image, 2 * label - 1, self.m[i]


def seconds_per_epoch(pair: Pair, *, workers: int, epochs: int) -> list[float]:
    """Train as released, and time each epoch: loading, both networks, and the step."""
    loader = DataLoader(pair, batch_size=BATCH, shuffle=True, num_workers=workers)
    r, e = rejector(), server()
    optimizer = torch.optim.SGD([*r.parameters(), *e.parameters()], lr=1e-4, momentum=0.9)
    times = []
    for _ in range(epochs):
        started = time.perf_counter()
        for x, y, m in loader:
            optimizer.zero_grad()
            released_loss(r(x), e(x), m, y).backward()
            optimizer.step()
        times.append(time.perf_counter() - started)
    return times


def seconds(pair: Pair) -> float:
    """The whole released training, with the faster of 0 and 2 workers (tried for one epoch each)."""
    first_epoch = {workers: seconds_per_epoch(pair, workers=workers, epochs=1)[0] for workers in (0, 2)}
    return sum(seconds_per_epoch(pair, workers=min(first_epoch, key=first_epoch.__getitem__), epochs=EPOCHS))
