"""Evidence on means over pairs of classes: how many pairs would settle a case."""

from scipy import stats

from companion.chapters import pairs_evidence
from l2h.evaluation.class_pairs import ClassPairsMean


def test_more_pairs_help_little_where_classes_differ():
    noisy = ClassPairsMean(0.002, 0.0, 30.0, 0.0, 0.06**2)
    noisy = noisy._replace(standard_error=(noisy.pair_variance / 45) ** 0.5)
    number = pairs_evidence.pairs_to_settle(noisy, 45, margin=0.01)
    k = round((1 + (1 + 8 * number) ** 0.5) / 2)
    assert number == k * (k - 1) // 2 > 45

    def equivalent(classes):
        error = (2 * noisy.pair_variance / (classes * (classes - 1))) ** 0.5
        half = stats.t.ppf(0.95, 30 * (classes - 1) / 9) * error
        return 0.002 + half < 0.01

    assert equivalent(k) and not equivalent(k - 1)
    differing = noisy._replace(class_variance=0.03**2, degrees_of_freedom=9.0)
    assert pairs_evidence.pairs_to_settle(differing, 45, margin=0.01) is None
    assert pairs_evidence.pairs_to_settle(noisy, 45, margin=0.02) == 45


def test_more_pairs_do_not_remove_what_the_seeds_bring():
    of_pairs = ClassPairsMean(0.006, 0.001, 30.0, 0.0, 45 * 0.001**2)
    assert pairs_evidence.pairs_to_settle(of_pairs, 45, margin=0.01) == 45
    with_seeds = of_pairs._replace(standard_error=0.004, degrees_of_freedom=5.0)
    assert pairs_evidence.pairs_to_settle(with_seeds, 45, margin=0.01) is None
