"""The paper's theory: Bayes rules, calibration, surrogate risks and generalization bounds."""
