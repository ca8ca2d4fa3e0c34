/* ONNX at the border: files become models of Bramble's and models become files. A net inside has channels last, so every tensor that crosses the
 * border may have its axes in another order there; struct br_border says how, and is kept in the model's metadata ("tensors"). */
#ifndef BRAMBLE_NET_ONNX_H
#define BRAMBLE_NET_ONNX_H

#include <bramble/net/model.h>

/* How a tensor of the net looks outside. */
struct br_border_tensor {
  char name[BR_NAME_BYTES];
  char type[8];          /* of its elements outside, as NumPy says it: "f4", "i8", "u1" */
  int rank;              /* outside */
  int64_t d[BR_MAX_RANK]; /* sizes outside, for one sample */
  int order[BR_MAX_RANK]; /* axis i of the net's (behind its own batch axis, if it has one more) is axis order[i] outside */
  bool chosen;            /* rows of (sample, class, box), those of -1 are not there: see br_border_choose */
};

struct br_border {
  bool batched; /* axis 0 outside is the batch; else the net is for one sample, which is the whole tensor, and has one more axis in front */
  int n_inputs, n_outputs;
  struct br_border_tensor *inputs, *outputs; /* one per input and output of the net, in order */
};

/* The border of a model: what its metadata say, or the net's own names and layout. Freed with br_border_free. Errors: BR_ERROR_DATA where they do not fit
 * its net. */
int br_border_open(const struct br_model *model, struct br_border *border);
void br_border_free(struct br_border *border); /* zeroed: nothing */
/* One tensor from outside to inside and back: n samples. */
void br_border_in(const struct br_border_tensor *tensor, bool batched, const float *outside, float *inside, size_t n);
void br_border_out(const struct br_border_tensor *tensor, bool batched, const float *inside, float *outside, size_t n);
/* For a `chosen` tensor: `values` are n samples as br_border_out gives them; the rows that are there come to the front, their first numbers made those of the
 * sample. Returns how many; outside they are a tensor of that many rows of 3. */
size_t br_border_choose(const struct br_border_tensor *tensor, bool batched, float *values, size_t n);
/* Keeps it in the model's metadata. */
int br_border_store(const struct br_border *border, struct br_model *model);

/* Sizes of an input, for files that leave some open. */
struct br_onnx_size {
  const char *name; /* NULL: the first input */
  int rank;         /* sizes outside, batch included */
  int64_t d[BR_MAX_RANK];
};
struct br_onnx_options {
  const struct br_onnx_size *sizes;
  int n_sizes;
  int H, W; /* height and width of pictures where the file leaves them open; 0: not known */
};

/* Reads an ONNX file of opset 7 to 28 into a model, with the class names and preprocessing where Bramble has written it. *out is the caller's.
 * Errors: BR_ERROR_DATA for files that are damaged, not supported (naming node, operator and opset) or not sound. */
int br_onnx_read(const char *path, const struct br_onnx_options *options, struct br_model **out);

/* Writes the model as ONNX of opset 17, pictures as N,C,H,W and the batch symbolic. Errors: BR_ERROR_DATA naming an operator without a counterpart;
 * BR_ERROR_FAILED. */
int br_onnx_write(const struct br_model *model, const char *path);

#endif
