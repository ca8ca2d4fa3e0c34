/* Features as small integers: what trees learn from. */
#ifndef BRAMBLE_SRC_TABLE_BINS_H
#define BRAMBLE_SRC_TABLE_BINS_H

#include <bramble/table/train.h>

/* How one feature is cut: bin 0 is for missing values; number bins 1..n hold low[b] <= value <= high[b] in ascending order (values beyond
 * the training's fall into the nearest); category bin c + 1 is category c. */
struct br__feature_bins {
  bool category;
  bool exact; /* one bin per distinct value */
  uint32_t n; /* bins without bin 0 */
  double *low, *high; /* [n + 1], entry 0 unused; NULL for categories */
};
struct br__bins {
  size_t n_features;
  struct br__feature_bins *feature;
};

/* Cuts the features of a task by its training rows: one bin per distinct value where there are at most `exact` of them, otherwise at
 * most `quantiles` bins of about equal shares of a sample of rows drawn by row number. Both at most 65,535.
 * Errors: BR_ERROR_DATA naming a feature of more categories than that; BR_ERROR_MEMORY. Collective. */
int br__bins_find(struct br_comm *comm, struct br_team *team, const struct br_task *task, uint32_t exact, uint32_t quantiles, struct br__bins *out);
void br__bins_free(struct br__bins *bins);
/* A threshold t that parts two values: a <= t < b, near their middle. */
double br__between(double a, double b);
/* The bin of a value. */
uint32_t br__bin_of(const struct br__feature_bins *feature, double value);

/* The bins of this rank's rows with one role, in row order: bin[feature][row]. */
struct br__binned {
  size_t rows, n_features;
  uint16_t **bin;
};
int br__bins_apply(struct br_team *team, const struct br_task *task, const struct br__bins *bins, enum br_role role, struct br__binned *out);
void br__binned_free(struct br__binned *binned);

/* Sorts 64-bit keys ascending; scratch holds n. */
void br__sort_u64(uint64_t *keys, uint64_t *scratch, size_t n);
/* An integer that orders as the double does (no NaN), and back. */
uint64_t br__ordered(double x);
double br__from_ordered(uint64_t key);

#endif
