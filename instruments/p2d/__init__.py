"""Battery electrode design on the pseudo-two-dimensional model of Doyle, Fuller and Newman."""
