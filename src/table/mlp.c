/* The body of an mlp: how columns are scaled, and the net. A net needs room to run in, which is kept in a pool: answering a row takes one from it, and
 * waits for one only where there is no memory for another, so that it cannot fail. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>
#include <bramble/table/mlp.h>

#include "gather.h"
#include "model.h"
#include "moments.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 128, MOST_INPUTS = 1 << 20, MOST_PARAMS = 80 };

/* What one thread runs the net in. */
struct room {
  struct room *next;
  struct br_exec *exec;
  float *x, *y; /* [ROWS, inputs], [ROWS, outputs] */
  bool missing[ROWS];
};

struct mlp {
  size_t n_inputs, *offset;       /* per feature: its first input */
  double *mean, *deviation;       /* per feature: 0 and 1 for categories */
  double target[2];               /* of a number: mean and deviation */
  struct br_model *net;           /* NULL while it is trained elsewhere */
  pthread_mutex_t mutex;          /* of `free` */
  pthread_cond_t given;
  struct room *free;
};

/* --- rooms --------------------------------------------------------------------------------------------------------------- */

static void close_room(struct room *room) {
  if (!room) return;
  br_exec_close(room->exec);
  br_memory_free(room->x);
  br_memory_free(room->y);
  br_memory_free(room);
}

static int open_room(const struct mlp *body, size_t outputs, struct room **out) {
  struct room *room;
  BR_TRY(br_memory_alloc(1, sizeof *room, "a net's room", &room));
  int status = br_exec_open(body->net->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = ROWS, .members = 1, .fuse = true}, &room->exec);
  if (status == BR_OK) status = br_memory_alloc(ROWS * body->n_inputs, sizeof *room->x, "a net's room", &room->x);
  if (status == BR_OK) status = br_memory_alloc(ROWS * outputs, sizeof *room->y, "a net's room", &room->y);
  if (status == BR_OK)
    *out = room;
  else
    close_room(room);
  return status;
}

static struct room *take_room(struct mlp *body, size_t outputs) {
  struct room *room = NULL;
  pthread_mutex_lock(&body->mutex);
  while (!body->free) {
    if (open_room(body, outputs, &room) == BR_OK) break;
    pthread_cond_wait(&body->given, &body->mutex);
  }
  if (!room) {
    room = body->free;
    body->free = room->next;
  }
  pthread_mutex_unlock(&body->mutex);
  return room;
}

static void give_room(struct mlp *body, struct room *room) {
  pthread_mutex_lock(&body->mutex);
  room->next = body->free;
  body->free = room;
  pthread_cond_signal(&body->given);
  pthread_mutex_unlock(&body->mutex);
}

/* --- the body ------------------------------------------------------------------------------------------------------------ */

static void drop_net(struct mlp *body) {
  while (body->free) {
    struct room *room = body->free;
    body->free = room->next;
    close_room(room);
  }
  br_model_close(body->net);
  body->net = NULL;
}

static void mlp_free(struct br_table_model *model) {
  struct mlp *body = model->body;
  drop_net(body);
  pthread_mutex_destroy(&body->mutex);
  pthread_cond_destroy(&body->given);
  br_memory_free(body->offset);
  br_memory_free(body->mean);
  br_memory_free(body->deviation);
  br_memory_free(body);
  model->body = NULL;
}

static int new_body(struct br_table_model *model, struct mlp **out) {
  struct mlp *body;
  BR_TRY(br_memory_alloc(1, sizeof *body, "model", &body));
  pthread_mutex_init(&body->mutex, NULL);
  pthread_cond_init(&body->given, NULL);
  model->body = body;
  body->target[1] = 1;
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->offset, "model", &body->offset));
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->mean, "model", &body->mean));
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->deviation, "model", &body->deviation));
  size_t widest = 0;
  for (size_t f = 0; f < model->n_features; f++) {
    const struct br_table_model_column *feature = &model->features[f];
    size_t inputs = br__feature_width(feature);
    body->offset[f] = body->n_inputs;
    body->n_inputs += inputs;
    body->deviation[f] = 1;
    if (inputs > br__feature_width(&model->features[widest])) widest = f;
  }
  if (body->n_inputs > MOST_INPUTS) BR_FAIL(BR_ERROR_DATA, "the columns make %zu inputs, %d are possible; leave out %s with its %zu categories", body->n_inputs, MOST_INPUTS, model->features[widest].name, model->features[widest].n_categories);
  *out = body;
  return BR_OK;
}

/* Takes the net for its own, or closes it. */
static int keep_net(struct br_table_model *model, struct br_model *net) {
  struct mlp *body = model->body;
  const struct br_graph *graph = net->graph;
  const struct br_shape *in = &graph->nodes[0].shape, *out = &graph->nodes[graph->output].shape;
  struct room *room;
  drop_net(body);
  body->net = net;
  if (graph->n_inputs != 1 || in->rank != 2 || (size_t)in->d[1] != body->n_inputs || graph->n_outputs != 1 || (size_t)br_shape_channels(out) != model->outputs)
    BR_FAIL(BR_ERROR_USAGE, "the net takes %d inputs and gives %d outputs where the table has %zu and %zu", br_shape_channels(in), br_shape_channels(out), body->n_inputs, model->outputs);
  if (graph->n_params > MOST_PARAMS) BR_FAIL(BR_ERROR_USAGE, "the net has %d parameters, %d are possible; give fewer --hidden layers", graph->n_params, MOST_PARAMS);
  BR_TRY(open_room(body, model->outputs, &room)); /* so that there always is one to wait for */
  give_room(body, room);
  return BR_OK;
}

static size_t mlp_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) {
  const struct mlp *body = model->body;
  size_t n = (size_t)body->net->graph->n_params;
  br_model_tensors(body->net, entries);
  entries[n++] = (struct br_tensor_entry){.name = "mean", .type = BR_F64, .dims = 1, .shape = {model->n_features}, .data = body->mean};
  entries[n++] = (struct br_tensor_entry){.name = "deviation", .type = BR_F64, .dims = 1, .shape = {model->n_features}, .data = body->deviation};
  entries[n++] = (struct br_tensor_entry){.name = "target", .type = BR_F64, .dims = 1, .shape = {2}, .data = body->target};
  return n;
}
_Static_assert(MOST_PARAMS + 3 <= BR__MODEL_TENSORS, "a model file has room for the net's parameters");

/* The net is among the settings as a list of its lines. */
static int net_text(const json_t *lines, char **out) {
  size_t i, room = 1, at = 0;
  json_t *line;
  json_array_foreach((json_t *)(uintptr_t)lines, i, line) room += json_string_length(line) + 1;
  BR_TRY(br_memory_alloc(room, 1, "net text", out));
  json_array_foreach((json_t *)(uintptr_t)lines, i, line) {
    size_t n = json_string_length(line);
    if (n) memcpy(*out + at, json_string_value(line), n);
    (*out)[at + n] = '\n';
    at += n + 1;
  }
  return BR_OK;
}

static json_t *net_lines(const char *text) {
  json_t *lines = json_array();
  for (const char *p = text; *p;) {
    size_t n = strcspn(p, "\n");
    json_array_append_new(lines, json_stringn(p, n));
    p += n + (p[n] == '\n');
  }
  return lines;
}

static int load_scaling(const struct br_table_model *model, const struct br_safetensors *file, struct mlp *body) {
  const void *data;
  BR_TRY(br__model_tensor(file, "mean", BR_F64, model->n_features, &data, NULL));
  memcpy(body->mean, data, model->n_features * sizeof *body->mean);
  BR_TRY(br__model_tensor(file, "deviation", BR_F64, model->n_features, &data, NULL));
  memcpy(body->deviation, data, model->n_features * sizeof *body->deviation);
  BR_TRY(br__model_tensor(file, "target", BR_F64, 2, &data, NULL));
  memcpy(body->target, data, sizeof body->target);
  for (size_t f = 0; f < model->n_features; f++)
    if (!isfinite(body->mean[f]) || !(body->deviation[f] > 0)) BR_FAIL(BR_ERROR_DATA, "the scaling of column %s is damaged", model->features[f].name);
  return BR_OK;
}

static int mlp_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct mlp *body;
  struct br_model *net;
  char *text;
  BR_TRY(new_body(model, &body));
  BR_TRY(load_scaling(model, file, body));
  BR_TRY(net_text(json_object_get(model->settings, "net"), &text));
  int status = br_model_read(file, "net", text, &net);
  br_memory_free(text);
  BR_TRY(status);
  return keep_net(model, net) == BR_OK ? BR_OK : br_error_set(BR_ERROR_DATA, "its net does not fit its columns");
}

/* --- answers ------------------------------------------------------------------------------------------------------------- */

/* A row's features as the net's inputs; false where a number is missing. */
static bool encode(const struct br_table_model *model, const double *row, float *x) {
  const struct mlp *body = model->body;
  bool whole = true;
  memset(x, 0, body->n_inputs * sizeof *x);
  for (size_t f = 0; f < model->n_features; f++) {
    if (model->features[f].type != BR_COLUMN_CATEGORY) {
      whole = whole && !isnan(row[f]);
      x[body->offset[f]] = isnan(row[f]) ? 0 : (float)((row[f] - body->mean[f]) / body->deviation[f]);
    } else if (!isnan(row[f])) {
      x[body->offset[f] + (size_t)row[f]] = 1;
    }
  }
  return whole;
}

static void mlp_predict_rows(const struct br_table_model *model, const double *x, size_t n, double *out) {
  struct mlp *body = model->body;
  size_t outputs = model->outputs;
  bool classes = model->target.type == BR_COLUMN_CATEGORY;
  struct room *room = take_room(body, outputs);
  for (size_t first = 0; first < n; first += ROWS) {
    size_t rows = n - first < ROWS ? n - first : ROWS;
    for (size_t i = 0; i < rows; i++) room->missing[i] = !encode(model, x + (first + i) * model->n_features, room->x + i * body->n_inputs);
    struct br_run run = {.trained = body->net->trained, .statistics = body->net->statistics, .x = room->x, .n = (int)rows};
    br_exec_run(room->exec, &run, BR_PART_ALL);
    if (classes)
      br_softmax_forward(br_exec_output(room->exec), room->y, rows, outputs, BR_PART_ALL);
    else
      memcpy(room->y, br_exec_output(room->exec), rows * outputs * sizeof *room->y);
    for (size_t i = 0; i < rows; i++)
      for (size_t k = 0; k < outputs; k++) {
        double y = (double)room->y[i * outputs + k];
        out[(first + i) * outputs + k] = room->missing[i] ? NAN : classes ? y : y * body->target[1] + body->target[0];
      }
  }
  give_room(body, room);
}

static void mlp_predict(const struct br_table_model *model, const double *x, double *out) { mlp_predict_rows(model, x, 1, out); }

static void mlp_describe(const struct br_table_model *model, json_t *into) {
  const struct mlp *body = model->body;
  json_t *scaling = json_object();
  for (size_t f = 0; f < model->n_features; f++)
    if (model->features[f].type != BR_COLUMN_CATEGORY) json_object_set_new(scaling, model->features[f].name, json_pack("{s:f,s:f}", "mean", body->mean[f], "deviation", body->deviation[f]));
  json_object_set_new(into, "inputs", json_integer((json_int_t)body->n_inputs));
  json_object_set_new(into, "parameters", json_integer((json_int_t)br_graph_trained_count(body->net->graph)));
  json_object_set_new(into, "scaling", scaling);
}

const struct br__model_class br__mlp_class = {
    .name = "mlp", .tensors = mlp_tensors, .load = mlp_load, .predict = mlp_predict, .predict_rows = mlp_predict_rows, .describe = mlp_describe, .free = mlp_free};

int br_mlp_set_net(struct br_table_model *model, const struct br_model *net, json_t *settings) {
  struct br_graph *graph;
  struct br_model *copy;
  char *text;
  BR_TRY(br_graph_print(net->graph, &text));
  json_t *lines = net_lines(text);
  int status = br_graph_parse("mlp", text, &graph);
  br_memory_free(text);
  if (status == BR_OK) status = br_model_open(graph, &copy);
  if (status != BR_OK) {
    json_decref(lines);
    return status;
  }
  memcpy(copy->trained, net->trained, graph->trained_floats * sizeof(float));
  memcpy(copy->statistics, net->statistics, graph->statistic_floats * sizeof(float));
  json_object_clear(model->settings);
  if (settings) json_object_update(model->settings, settings);
  json_object_set_new(model->settings, "net", lines);
  return keep_net(model, copy);
}

/* --- rows for a trainer -------------------------------------------------------------------------------------------------- */

struct filling {
  const struct br_table_model *model;
  const struct br_task *task;
  struct br__encoder encoder;
  enum br_role role;
  size_t *first; /* per block: rows of the role before it, on this rank */
  float *x;
  int32_t *label;
  atomic_size_t next;
  atomic_int status;
};

static void fill_part(void *arg, struct br_part part) {
  struct filling *f = arg;
  const struct br_table *table = f->task->table;
  const struct mlp *body = f->model->body;
  size_t largest = br_table_largest_block(table), p = f->model->n_features;
  double *rows = NULL, *y = NULL;
  uint64_t unknown = 0;
  (void)part;
  int status = br_memory_alloc(largest * p, sizeof *rows, "rows of a block", &rows);
  if (status == BR_OK) status = br_memory_alloc(2 * largest, sizeof *y, "rows of a block", &y);
  for (size_t b; status == BR_OK && (b = atomic_fetch_add(&f->next, 1)) < br_table_blocks(table);) {
    size_t at = f->first[b];
    br__encoder_rows(&f->encoder, b, rows, y + largest, &unknown);
    br__encoder_target(&f->encoder, b, y);
    for (size_t i = 0; i < br_table_block_rows(table, b); i++) {
      if (f->task->rows->role[b][i] != f->role) continue;
      encode(f->model, rows + i * p, f->x + at * body->n_inputs);
      f->label[at++] = f->model->target.type == BR_COLUMN_CATEGORY ? (int32_t)y[i] : br_number_label((float)((y[i] - body->target[0]) / body->target[1]));
    }
  }
  if (status != BR_OK) atomic_store(&f->status, status);
  br_memory_free(rows);
  br_memory_free(y);
}

/* This rank's rows of one role, encoded. */
static int fill_rows(struct br_team *team, struct filling *f, size_t *count) {
  const struct br_table *table = f->task->table;
  size_t blocks = br_table_blocks(table), n = 0;
  BR_TRY(br_memory_alloc(blocks, sizeof *f->first, "blocks", &f->first));
  for (size_t b = 0; b < blocks; b++) {
    f->first[b] = n;
    for (size_t i = 0; i < br_table_block_rows(table, b); i++) n += f->task->rows->role[b][i] == f->role;
  }
  int status = br_memory_alloc(n * ((const struct mlp *)f->model->body)->n_inputs, sizeof *f->x, "rows", &f->x);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *f->label, "targets", &f->label);
  if (status == BR_OK) {
    br_team_run(team, fill_part, f);
    status = atomic_load(&f->status);
    if (status != BR_OK) br_error_set(status, "no memory for the rows of a block");
  }
  br_memory_free(f->first);
  *count = n;
  return status;
}

static int gather_data(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_table_model *model, enum br_role role, struct br_dataset **out) {
  const struct mlp *body = model->body;
  size_t all = (size_t)(role == BR_ROW_TRAIN ? task->rows->train : task->rows->test), mine = 0;
  if (all == 0) return BR_OK;
  struct filling f = {.model = model, .task = task, .role = role};
  int status = br__encoder_open(model, task->table, true, &f.encoder);
  if (status == BR_OK) status = fill_rows(team, &f, &mine);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br__join_ranks(comm, &f.x, mine, all, body->n_inputs * sizeof *f.x);
  if (status == BR_OK) status = br__join_ranks(comm, &f.label, mine, all, sizeof *f.label);
  br__encoder_close(&f.encoder);
  if (status != BR_OK) {
    br_memory_free(f.x);
    br_memory_free(f.label);
    return status;
  }
  struct br_dataset_rows rows = {.count = all, .C = (int)body->n_inputs, .x = f.x, .label = f.label, .classes = (int)model->outputs, .class_names = (const char *const *)model->target.categories, .numbers = model->target.type != BR_COLUMN_CATEGORY};
  return br_comm_agree(comm, br_dataset_open_rows(&rows, out));
}

static int check_memory(const struct br_task *task, const struct mlp *body) {
  size_t bytes, limit = task->memory_bytes ? task->memory_bytes : br_memory_available_bytes();
  bool fits = br_size_mul((size_t)(task->rows->train + task->rows->test), body->n_inputs + 1, &bytes) && br_size_mul(bytes, sizeof(float), &bytes);
  if (!fits || (limit && bytes > limit))
    BR_FAIL(BR_ERROR_MEMORY, "%llu rows of %zu inputs need %.0f MB on every rank, and %.0f MB may be taken; leave out columns of many categories", (unsigned long long)(task->rows->train + task->rows->test), body->n_inputs, fits ? (double)bytes / 1e6 : INFINITY,
            (double)limit / 1e6);
  return BR_OK;
}

/* Scales the number features, and a number target, by the training rows. */
static int find_scaling(struct br_comm *comm, struct br_team *team, const struct br_task *task, struct mlp *body) {
  BR_TRY(br__feature_moments(comm, team, task, body->mean, body->deviation));
  if (br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY) return BR_OK;
  return br__moments(comm, team, task->table, task->rows, &task->target, 1, &body->target[0], &body->target[1]);
}

int br_mlp_prepare(struct br_comm *comm, struct br_team *team, const struct br_task *task, struct br_table_model **model, struct br_dataset *data[2]) {
  struct mlp *body = NULL;
  *model = NULL;
  data[0] = data[1] = NULL;
  int status = br__model_create(BR_TABLE_MLP, task->table, task->features, task->n_features, task->target, model);
  if (status == BR_OK) status = new_body(*model, &body);
  if (status == BR_OK) status = check_memory(task, body);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = find_scaling(comm, team, task, body);
  if (status == BR_OK) status = gather_data(comm, team, task, *model, BR_ROW_TRAIN, &data[0]);
  if (status == BR_OK) status = gather_data(comm, team, task, *model, BR_ROW_TEST, &data[1]);
  if (status == BR_OK) return BR_OK;
  br_dataset_close(data[0]);
  br_dataset_close(data[1]);
  data[0] = data[1] = NULL;
  br_table_model_close(*model);
  *model = NULL;
  return status;
}
