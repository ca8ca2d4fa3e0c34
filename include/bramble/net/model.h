/* A model: a graph with its parameters and what one must know to use them (classes, preprocessing, settings), in one safetensors file.
 * The file is the same bytes wherever it was made: no time, host, path or rank count goes in. */
#ifndef BRAMBLE_NET_MODEL_H
#define BRAMBLE_NET_MODEL_H

#include <bramble/net/graph.h>

struct br_safetensors;
struct br_tensor_entry;

struct br_model {
  struct br_graph *graph;
  float *trained, *statistics; /* blocks in the graph's layout; NULL where the parameters stay in the file, or have been dropped */
  struct br_safetensors *file; /* of a mapped model; NULL of others */
  struct br_model_entry {
    char *key, *value;
  } *entries; /* metadata, in the order they were set */
  int n_entries;
};

/* A model of `graph`, which it takes (also when it fails), parameters zero. */
int br_model_open(struct br_graph *graph, struct br_model **out);
void br_model_close(struct br_model *model); /* NULL does nothing */

/* Metadata: sets (copies; a later value replaces an earlier one) and gets (NULL if absent). Keys in use: "classes" (JSON array of names),
 * "preprocess" (JSON), "settings" (JSON), "seed", "data". "format" and "net" are written by br_model_save itself. */
int br_model_set(struct br_model *model, const char *key, const char *value);
const char *br_model_get(const struct br_model *model, const char *key);

/* Writes it as safetensors, whole or not at all; the same model gives the same bytes. Errors: BR_ERROR_FAILED where the disk is full or the folder does not allow it. Not collective. */
int br_model_save(const struct br_model *model, const char *path);
/* Errors: BR_ERROR_DATA for files that are no Bramble model, whose tensors do not fit their net, or that hold NaN or infinity. */
int br_model_load(const char *path, struct br_model **out);
/* The same without its blocks: the parameters stay in the file, which is mapped, and are read by br_model_values. Errors: as br_model_load, but values that
 * are not finite are found when they are asked for. */
int br_model_map(const char *path, struct br_model **out);
/* The values of parameter number `param`, from the block or the file; valid until br_model_forget of the same number. Errors: BR_ERROR_DATA as above. */
int br_model_values(const struct br_model *model, int param, const float **values);
/* They are not needed for now: the memory of a mapped model shrinks. */
void br_model_forget(const struct br_model *model, int param);
/* Frees the parameters, or closes the file: what is left is for those who only want to know the graph and the metadata. */
void br_model_drop(struct br_model *model);
/* For files of other formats that hold a net among other things. The parameters as tensors to be written, graph->n_params of them, borrowed: */
void br_model_tensors(const struct br_model *model, struct br_tensor_entry *tensors);
/* and a model of the net text `net` with its parameters copied from an open file; `path` is for messages. Errors as of br_model_load. */
int br_model_read(const struct br_safetensors *file, const char *path, const char *net, struct br_model **out);
/* Takes over from `source` every parameter whose name and shape are the same; the number of those not found comes out in *missing. */
void br_model_copy_params(struct br_model *model, const struct br_model *source, int *missing);

#endif
