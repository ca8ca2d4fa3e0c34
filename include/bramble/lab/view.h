/* A page on a run while it goes on, served by the run itself: progress, curves, ranks with where their time goes, memory and temperature; or a sweep's cases. It can only
 * be read. The command line opens one on rank 0 and tells it what it is told itself. */
#ifndef BRAMBLE_LAB_VIEW_H
#define BRAMBLE_LAB_VIEW_H

#include <bramble/lab/sweep.h>
#include <bramble/record/sampler.h>
#include <bramble/train/train.h>

struct br_view;

/* Serves on `address`: a port of this machine ("8080", 0: any that is free), or with an address in front of it that others may reach ("0.0.0.0:8080"). `title` is
 * copied. Errors: BR_ERROR_USAGE for an address that is none or is taken, or a build without libmicrohttpd; BR_ERROR_MEMORY. */
int br_view_open(const char *address, const char *title, int ranks, struct br_view **out);
/* Closes; NULL does nothing. */
void br_view_close(struct br_view *view);
/* "http://127.0.0.1:8080/". */
const char *br_view_url(const struct br_view *view);

/* What is told; thread-safe, and cheap. epoch 1 is the first; `share` of it is done. */
void br_view_progress(struct br_view *view, int epoch, int epochs, double share, double loss, double images_per_second);
void br_view_epoch(struct br_view *view, const struct br_epoch_result *result);
/* The newest second of a rank; `host` is copied. */
void br_view_rank(struct br_view *view, int rank, const char *host, const struct br_rank_point *point);
/* Of a sweep. */
void br_view_case(struct br_view *view, const char *label, int done, int all, double seconds_left);
void br_view_ran(struct br_view *view, const struct br_sweep_run *run);

#endif
