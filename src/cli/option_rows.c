/* The table of all options, in the order of the help. */
#include "cli/options.h"

#define NET (FOR_TRAIN | FOR_PLAN | FOR_INSPECT | FOR_ADVISE | FOR_BENCH)
#define TRAINING (FOR_TRAIN | FOR_PLAN | FOR_ADVISE | FOR_BENCH)
#define TABLES (FOR_TRAIN | FOR_EVAL | FOR_PREDICT | FOR_INSPECT)
#define DATA (FOR_TRAIN | FOR_EVAL | FOR_PREDICT | FOR_PLAN | FOR_ADVISE | FOR_BENCH)

const struct option_row option_rows[] = {
    /* data */
    {"data", OPTION_TEXT, NULL, 0, 0, "SPEC", DATA, "CSV file of a table; data set: shapes, cifar10:DIR, cifar100:DIR, mnist:DIR, folder:DIR, tar:FILES, npy:IMAGES,LABELS", "--data cifar10:data"},
    {"part", OPTION_CHOICE, "test", 0, 0, "train|test", FOR_EVAL | FOR_PREDICT | FOR_INSPECT | FOR_DATA, "which part of the data set", "--part train"},
    {"limit", OPTION_INT, "0", 0, 1e15, NULL, DATA | FOR_INSPECT | FOR_DATA, "use only the first N samples of each part (0: all)", "--limit 1000"},
    {"skip-bad", OPTION_FLAG, NULL, 0, 0, NULL, DATA | FOR_INSPECT | FOR_DATA, "leave out pictures that do not decode, and count them", "--skip-bad"},
    {"augment", OPTION_TEXT, NULL, 0, 0, "LIST", TRAINING, "flip, crop:PIXELS, resizedcrop:SHARE, cutout:SIDE, jitter:AMOUNT, or none; comma separated (default: the recipe's)", "--augment flip,crop:4"},
    {"mean", OPTION_TEXT, NULL, 0, 0, "R,G,B", DATA | FOR_IMPORT, "means to subtract, of values from 0 to 1 (default: the data set's known ones)", "--mean 0.485,0.456,0.406"},
    {"std", OPTION_TEXT, NULL, 0, 0, "R,G,B", DATA | FOR_IMPORT, "deviations to divide by", "--std 0.229,0.224,0.225"},
    /* tables */
    {"target", OPTION_TEXT, NULL, 0, 0, "COLUMN", FOR_TRAIN, "tables: the column to predict", "--target price"},
    {"features", OPTION_TEXT, NULL, 0, 0, "COLUMNS", FOR_TRAIN, "tables: columns to learn from, commas between (default: all but the target)", "--features model_year,odometer"},
    {"types", OPTION_TEXT, NULL, 0, 0, "LIST", FOR_TRAIN, "tables: types that are not to be inferred: number, category, date", "--types zip=category"},
    {"split", OPTION_FLOAT, "1", 0.001, 1, NULL, FOR_TRAIN, "tables: share of the rows to train on; the rest are the test part (1: all)", "--split 0.7"},
    {"drop-missing", OPTION_FLAG, NULL, 0, 0, NULL, FOR_TRAIN, "tables: leave out rows that lack a feature (linear models always do)", "--drop-missing"},
    {"header", OPTION_CHOICE, "guess", 0, 0, "guess|yes|no", TABLES, "tables: whether the first record holds names", "--header no"},
    {"separator", OPTION_TEXT, NULL, 0, 0, "CHAR", TABLES, "tables: what lies between fields: a character, or tab (default: sniffed)", "--separator tab"},
    {"bad-rows", OPTION_CHOICE, "fail", 0, 0, "fail|skip", TABLES, "tables: rows with another number of fields", "--bad-rows skip"},
    {"ridge", OPTION_FLOAT, "0", 0, 1e300, NULL, FOR_TRAIN, "linear: L2 penalty on the coefficients", "--ridge 1"},
    {"lasso", OPTION_FLOAT, "0", 0, 1e300, NULL, FOR_TRAIN, "linear: weight of the elastic net's penalty", "--lasso 0.1"},
    {"l1-ratio", OPTION_FLOAT, "1", 0, 1, NULL, FOR_TRAIN, "linear: L1 share of the elastic net's penalty (1: the lasso)", "--l1-ratio 0.5"},
    {"criterion", OPTION_CHOICE, "auto", 0, 0, "auto|gini|entropy|mse", FOR_TRAIN, "tree: impurity; gini and entropy make the target a category", "--criterion entropy"},
    {"max-depth", OPTION_INT, "30", 1, 200, NULL, FOR_TRAIN, "tree: deepest node", "--max-depth 10"},
    {"min-rows", OPTION_INT, "1", 1, 1e15, NULL, FOR_TRAIN, "tree: fewest rows of a leaf", "--min-rows 2"},
    {"min-gain", OPTION_FLOAT, "0", 0, 1e300, NULL, FOR_TRAIN, "tree: what a split must take off the impurity, per row", "--min-gain 0.01"},
    {"row", OPTION_TEXT, NULL, 0, 0, "VALUES", FOR_PREDICT, "tables: one row to predict, name=value with commas between", "--row model_year=2015,odometer=60000"},
    {"probabilities", OPTION_FLAG, NULL, 0, 0, NULL, FOR_PREDICT, "tables: one column for every class's probability", "--probabilities"},
    /* net */
    {"width", OPTION_FLOAT, "0", 0, 16, NULL, NET, "channel multiplier of a zoo net (0: its own)", "--width 0.5"},
    {"input", OPTION_TEXT, NULL, 0, 0, "SIZE", NET, "input height and width: 128 or 96x160 (default: the net's)", "--input 128"},
    {"classes", OPTION_TEXT, NULL, 0, 0, "N|FILE", NET | FOR_IMPORT, "number of classes, or a file with one name a line (default: the data's)", "--classes 10"},
    {"hidden", OPTION_TEXT, NULL, 0, 0, "SIZES", NET, "hidden layers of an mlp", "--hidden 64,64,32"},
    {"stem-stride", OPTION_INT, "0", 0, 2, NULL, NET, "stride of mobilenetv2's first convolution (0: its own, 2)", "--stem-stride 1"},
    {"dropout", OPTION_FLOAT, "-1", -1, 0.99, NULL, NET, "dropout rate (-1: the net's own)", "--dropout 0.2"},
    {"bn-momentum", OPTION_FLOAT, "-1", -1, 1, NULL, NET, "batch norm: share of the old running value kept each step, as in Keras (-1: 0.9)", "--bn-momentum 0.99"},
    {"bn-eps", OPTION_FLOAT, "-1", -1, 1, NULL, NET, "batch norm: added to the variance (-1: 1e-5)", "--bn-eps 0.001"},
    /* training */
    {"batch", OPTION_INT, "0", 0, 1e7, NULL, TRAINING, "samples of one optimiser step (0: the recipe's)", "--batch 576"},
    {"micro-batch", OPTION_INT, "0", 0, 1e6, NULL, TRAINING, "samples of one unit: batch norm is per unit, and a batch is a whole number of them (0: the recipe's)", "--micro-batch 12"},
    {"epochs", OPTION_INT, "-1", -1, 1e6, NULL, TRAINING, "passes over the training samples (-1: the recipe's)", "--epochs 10"},
    {"optimiser", OPTION_CHOICE, NULL, 0, 0, "sgd|adam|adamw|lars|lamb|rmsprop", TRAINING, "how weights follow gradients (default: the recipe's)", "--optimiser adam"},
    {"lr", OPTION_FLOAT, NULL, 0, 1e3, NULL, TRAINING, "learning rate (default: the recipe's)", "--lr 0.05"},
    {"momentum", OPTION_FLOAT, NULL, 0, 0.99999, NULL, TRAINING, "momentum, beta1 of adam and lamb (default: the recipe's)", "--momentum 0.9"},
    {"nesterov", OPTION_FLAG, NULL, 0, 0, NULL, TRAINING, "Nesterov's momentum", "--nesterov"},
    {"weight-decay", OPTION_FLOAT, NULL, 0, 10, NULL, TRAINING, "weight decay, not on biases and batch norm (default: the recipe's)", "--weight-decay 4e-5"},
    {"decay-all", OPTION_FLAG, NULL, 0, 0, NULL, TRAINING, "weight decay on biases and batch norm too", "--decay-all"},
    {"clip", OPTION_FLOAT, "0", 0, 1e9, NULL, TRAINING, "largest global norm of the gradient (0: off)", "--clip 1"},
    {"schedule", OPTION_CHOICE, NULL, 0, 0, "constant|step|cosine|onecycle", TRAINING, "learning rate over the epochs (default: the recipe's)", "--schedule cosine"},
    {"warmup", OPTION_FLOAT, NULL, 0, 1e6, NULL, TRAINING, "epochs of warm-up (default: the recipe's)", "--warmup 1"},
    {"label-smoothing", OPTION_FLOAT, NULL, 0, 0.999, NULL, TRAINING, "label smoothing (default: the recipe's)", "--label-smoothing 0.1"},
    {"bn-recalibrate", OPTION_INT, "4096", 0, 1e9, NULL, TRAINING, "training samples for exact batch-norm statistics before each evaluation (0: moving averages)", "--bn-recalibrate 0"},
    {"seed", OPTION_INT, "1", 0, 9e15, NULL, TRAINING | FOR_EVAL | FOR_INSPECT | FOR_DATA, "seed of everything random", "--seed 7"},
    /* machine */
    {"threads", OPTION_INT, "0", 0, 1024, NULL, DATA | FOR_INSPECT, "threads of each rank (0: the node's cores shared by its ranks); not seen in the result", "--threads 2"},
    {"memory", OPTION_SIZE, NULL, 1e6, 1e15, NULL, DATA, "memory each rank may take (default: what is free)", "--memory 900MB"},
    {"repeats", OPTION_INT, "5", 1, 999, NULL, FOR_BENCH, "measured repeats after a warm-up", "--repeats 9"},
    /* output */
    {"out", OPTION_TEXT, NULL, 0, 0, "FILE", FOR_TRAIN | FOR_PREDICT | FOR_INSPECT | FOR_DATA | FOR_IMPORT | FOR_EXPORT | FOR_REPORT, "where the result goes", "--out m.safetensors"},
    {"shard", OPTION_SIZE, "100MB", 0, 1e15, NULL, FOR_DATA, "size of a shard, about", "--shard 500MB"},
    {"top", OPTION_INT, "5", 1, 1000, NULL, FOR_PREDICT, "answers to show a picture", "--top 3"},
    /* lab */
    {"smoke", OPTION_FLAG, NULL, 0, 0, NULL, FOR_SWEEP, "the tiny sizes that the experiment file gives", "--smoke"},
    {"again", OPTION_CHOICE, "none", 0, 0, "none|failed|all", FOR_SWEEP, "measure again what has been measured", "--again failed"},
    {"results", OPTION_TEXT, "results", 0, 0, "DIR", FOR_SWEEP, "folder of all results", "--results results"},
    {"csv", OPTION_FLAG, NULL, 0, 0, NULL, FOR_REPORT, "the report as CSV, one line a case and metric", "--csv"},
    {"markdown", OPTION_FLAG, NULL, 0, 0, NULL, FOR_REPORT, "the report as Markdown", "--markdown"},
    {"launcher", OPTION_TEXT, "mpiexec -n {ranks}", 0, 0, "COMMAND", FOR_SWEEP, "how ranks are started", "--launcher 'mpiexec -f hosts -n {ranks}'"},
    {"json", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "results as JSON on stdout, for programs", "--json"},
    {"quiet", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "no progress and no notes on stderr", "--quiet"},
    {"help", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "this help", "--help"},
    {NULL, OPTION_FLAG, NULL, 0, 0, NULL, 0, NULL, NULL},
};
