/* Builds without protobuf-c: the functions of ONNX exist and say what is missing. */
#include <bramble/base/error.h>
#include <bramble/net/onnx.h>

#define MEND "this build has no ONNX; install libprotobuf-c-dev protobuf-c-compiler libonnx-dev and build again"

int br_onnx_read(const char *path, const struct br_onnx_options *options, struct br_model **out) {
  (void)options;
  *out = NULL;
  BR_FAIL(BR_ERROR_FAILED, "%s: " MEND, path);
}

int br_onnx_write(const struct br_model *model, const char *path) {
  (void)model;
  BR_FAIL(BR_ERROR_FAILED, "%s: " MEND, path);
}
