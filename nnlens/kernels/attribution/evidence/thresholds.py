"""The numbers at which a check's verdict changes, each with its reason.

Unless a paper is named, the literature sets no such limit and it is nnlens's own choice. Each verdict shows its
number, so that readers can apply limits of their own.
"""

# Completeness: |Σ values − (f(x) − f(baseline))| as a share of |f(x) − f(baseline)|. Sundararajan et al. (2017,
# section 5) use enough steps for the sum to be "within 5 %"; at 20 % a fifth of the score is unexplained.
COMPLETE = 0.05
NEARLY_COMPLETE = 0.2
# Beyond this even ten times the steps would hardly be enough, and the advice says so.
FAR_FROM_COMPLETE = 10.0

# Linearity: R² of the local linear model. At 0.7 it explains most of the variance; below 0.4 it leaves
# most of it unexplained.
LINEAR = 0.7
PARTLY_LINEAR = 0.4

# Edges: rank correlation of the map with the image's gradient magnitude. At 0.6 more than a third of the variance of
# the ranks is shared with an edge detector, which knows nothing of the network.
LIKE_EDGES = 0.6

# Faithfulness: the range of the score over all curves, as a share of its largest value. Below it the score does not
# depend on the image enough to compare orders of deletion.
SCORE_MOVES = 0.05

# Randomisation: the rank correlation that remains after the last layers' weights are randomised. At 0.75 more than
# half of the variance of the ranks is shared with the map of the randomised network; at 0.5 a quarter is.
UNCHANGED = 0.75
PARTLY_UNCHANGED = 0.5

# Seeds: the mean rank correlation between maps of different seeds.
SAME_BY_SEED = 0.8
SIMILAR_BY_SEED = 0.5

# Sensitivity: the largest change of the map under noise, as a share of its norm (Yeh et al. 2019). At 1 the change is
# as large as the map itself.
STABLE = 0.5
HARDLY_STABLE = 1.0
