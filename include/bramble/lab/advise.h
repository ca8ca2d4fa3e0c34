/* Advice before a run: how large a batch, how many nodes, how often to average, and what will go wrong. From a short run here, the gradient noise scale of
 * McCandlish, Kaplan, Amodei et al., "An empirical model of large-batch training" (2018), and the step model. */
#ifndef BRAMBLE_LAB_ADVISE_H
#define BRAMBLE_LAB_ADVISE_H

#include <bramble/lab/step_model.h>

struct br_advise_request {
  struct br_plan_request plan; /* options, data and graph of the run that is asked about */
  struct br_model *model;      /* is trained a little; do not save it */
  struct br_team *team;
  double train_seconds;        /* of the short run before the noise is measured */
  int noise_units;             /* micro-batches whose gradients are compared, at least 8; up to 8 times as many where they do not tell and train_seconds allow it */
  int most_nodes;
  const char *node, *link;     /* of br_step_model_node, br_step_model_link; link NULL: measured where there are ranks to measure between */
  double bn_momentum;          /* share of the old moving average that is kept */
};

#define BR_ADVICE_LINES 12

struct br_advice {
  double noise_scale;      /* in samples; infinite where the mean gradient drowned in noise */
  double noise_batch;      /* samples that were compared for it */
  int batch;               /* the largest at which nine of ten samples still count in full, a multiple of the micro-batch */
  double efficiency;       /* of samples at the batch (or workers times batch) that was asked for; at least, where the noise scale is infinite */
  struct br_step_model model; /* of `batch` with one sum a step */
  int nodes;               /* the most that are used to 70 % or more at that batch */
  int64_t every;           /* local steps between averages at which sums take at most a tenth of the time; 1: sum every gradient */
  char why[BR_ADVICE_LINES][320], warning[BR_ADVICE_LINES][320];
  int n_why, n_warnings;
};

/* Errors: those of training; BR_ERROR_USAGE where there are fewer samples than noise_units micro-batches. Collective. */
int br_advise_train(struct br_comm *comm, const struct br_advise_request *request, struct br_advice *advice);

/* The gradient noise scale at the model's weights: the trace of the covariance of a sample's gradient over the square of the mean gradient's norm, from noise_units
 * micro-batches of the training data or more, without bias; *compared: so many samples. Not collective. */
int br_noise_scale(const struct br_advise_request *request, double *noise_scale, double *compared);

#endif
