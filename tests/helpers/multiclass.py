"""Systems of the chapter on many classes that were never trained."""

from dataclasses import replace

from helpers import samples

from companion.chapters.ch07_multiclass import experiments
from companion.chapters.parameters import settings_for

SETTINGS = replace(settings_for("07_multiclass", "paper"), data="cifar10")
SYSTEMS = experiments.compared_systems(SETTINGS, "follow_up")


class ToyResults:
    """Results in place of `experiments.MulticlassResults`; with a tuned threshold the systems ask more."""

    def untuned(self, config, split="test"):
        return samples.sample_runs(3, 200, client=0.6 if config.method == "confidence" else 0.7)

    def tuned_on_validation(self, config, costs=None):
        return [replace(p, r=p.r - 0.5) for p in self.untuned(config)]
