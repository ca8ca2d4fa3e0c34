/* The table of all options, in the order of the help. */
#include "cli/options.h"

#define NET (FOR_TRAIN | FOR_PLAN | FOR_INSPECT | FOR_ADVISE | FOR_BENCH)
#define TRAINING (FOR_TRAIN | FOR_PLAN | FOR_ADVISE | FOR_BENCH)
#define DATA (FOR_TRAIN | FOR_EVAL | FOR_PREDICT | FOR_PLAN | FOR_ADVISE | FOR_BENCH)

const struct option_row option_rows[] = {
    /* data */
    {"data", OPTION_TEXT, NULL, 0, 0, "SPEC", DATA, "data set: shapes, cifar10:DIR, cifar100:DIR, mnist:DIR, folder:DIR, tar:FILES, npy:IMAGES,LABELS", "--data cifar10:data"},
    {"part", OPTION_CHOICE, "test", 0, 0, "train|test", FOR_EVAL | FOR_PREDICT | FOR_INSPECT | FOR_DATA, "which part of the data set", "--part train"},
    {"limit", OPTION_INT, "0", 0, 1e15, NULL, DATA | FOR_INSPECT | FOR_DATA, "use only the first N samples of each part (0: all)", "--limit 1000"},
    {"skip-bad", OPTION_FLAG, NULL, 0, 0, NULL, DATA | FOR_INSPECT | FOR_DATA, "leave out pictures that do not decode, and count them", "--skip-bad"},
    {"augment", OPTION_TEXT, NULL, 0, 0, "LIST", TRAINING, "flip, crop:PIXELS, resizedcrop:SHARE, cutout:SIDE, jitter:AMOUNT, or none; comma separated (default: the recipe's)", "--augment flip,crop:4"},
    {"mean", OPTION_TEXT, NULL, 0, 0, "R,G,B", DATA | FOR_IMPORT, "means to subtract, of values from 0 to 1 (default: the data set's known ones)", "--mean 0.485,0.456,0.406"},
    {"std", OPTION_TEXT, NULL, 0, 0, "R,G,B", DATA | FOR_IMPORT, "deviations to divide by", "--std 0.229,0.224,0.225"},
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
    {"epochs", OPTION_INT, "-1", -1, 1e6, NULL, TRAINING, "passes over the training samples; with --sync fedavg, rounds (-1: the recipe's)", "--epochs 10"},
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
    {"lr-per", OPTION_INT, "0", 0, 1e7, NULL, TRAINING, "linear scaling: --lr is for a batch of so many samples and grows with --batch (0: off)", "--lr-per 256"},
    {"loss", OPTION_CHOICE, NULL, 0, 0, "crossentropy|mse", TRAINING, "loss of a net that names none; mse is against 1 for the label and 0 for the rest (default: crossentropy)", "--loss mse"},
    {"class-weights", OPTION_TEXT, NULL, 0, 0, "LIST", TRAINING, "weight of each class in the loss, comma separated, or balanced: rare classes count more (default: all 1)", "--class-weights balanced"},
    {"freeze", OPTION_TEXT, NULL, 0, 0, "PATTERN", TRAINING, "parameters that stay as they are, by name; ! turns a pattern round, commas separate several", "--freeze '!fc3*'"},
    {"ema", OPTION_FLOAT, "0", 0, 0.999999, NULL, TRAINING, "evaluate and keep a moving average of the weights: share of the old kept each step (0: off)", "--ema 0.999"},
    /* virtual workers */
    {"sync", OPTION_CHOICE, "gradients", 0, 0, "gradients|weights|fedavg", TRAINING, "what is made common: gradients each step, weights of virtual workers now and then, or federated averaging", "--sync weights --workers 8"},
    {"workers", OPTION_INT, "0", 0, 1e6, NULL, TRAINING, "virtual workers, needed with --sync weights and fedavg: a setting of the model, on any number of ranks; --batch is each worker's", "--workers 48"},
    {"every", OPTION_TEXT, "epoch", 0, 0, "N|epoch", TRAINING, "sync weights: local steps between two averages, which also end each epoch", "--every 16"},
    {"optimiser-state", OPTION_CHOICE, "keep", 0, 0, "keep|reset", TRAINING, "sync weights: after an average each worker keeps its own optimiser state, or starts with an empty one", "--optimiser-state reset"},
    {"partition", OPTION_TEXT, NULL, 0, 0, "iid|strided|dirichlet:A", TRAINING, "which samples are whose: at random, sample i to worker i mod N, or each class spread unevenly by A (default: strided, fedavg: iid)", "--partition dirichlet:0.5"},
    {"fraction", OPTION_FLOAT, "1", 0, 1, NULL, TRAINING, "fedavg: share of the workers that take part in a round, drawn anew each round", "--fraction 0.1"},
    {"local-epochs", OPTION_INT, "1", 1, 1000, NULL, TRAINING, "fedavg: passes over its shard that a worker makes in a round", "--local-epochs 5"},
    {"prox", OPTION_FLOAT, "0", 0, 1e3, NULL, TRAINING, "fedavg: FedProx' pull of the workers' weights to the common ones (0: off)", "--prox 0.01"},
    {"server", OPTION_CHOICE, "fedavg", 0, 0, "fedavg|fedavgm|fedadam", TRAINING, "fedavg: how the common weights follow the mean: become it, with momentum, or by Adam", "--server fedadam"},
    {"server-lr", OPTION_FLOAT, NULL, 0, 1e3, NULL, TRAINING, "fedavg: the server's learning rate (default: 1, with fedadam 0.01)", "--server-lr 0.5"},
    {"server-momentum", OPTION_FLOAT, "0.9", 0, 0.99999, NULL, TRAINING, "fedavg: the server's momentum, beta1 with fedadam", "--server-momentum 0.9"},
    /* the run */
    {"eval-every", OPTION_TEXT, "1", 0, 0, "N|Nsteps", TRAINING, "epochs or optimiser steps between evaluations (0: only at the end)", "--eval-every 500steps"},
    {"keep", OPTION_CHOICE, "last", 0, 0, "last|best|all", TRAINING, "which weights are the result: the last, the best evaluated, or the last and each evaluated one beside it", "--keep best"},
    {"patience", OPTION_INT, "0", 0, 1e6, NULL, TRAINING, "stop after so many evaluations without a better one (0: never)", "--patience 5"},
    {"until-accuracy", OPTION_FLOAT, "0", 0, 1, NULL, TRAINING, "stop once the test accuracy is at least this (0: never); the time to it is in the result", "--until-accuracy 0.9"},
    {"checkpoint-every", OPTION_TEXT, "10min", 0, 0, "N|Nmin", TRAINING, "optimiser steps or minutes between checkpoints beside --out (0: only when stopped)", "--checkpoint-every 1000"},
    {"checkpoints", OPTION_INT, "2", 1, 1000, NULL, TRAINING, "checkpoints kept, the newest ones", "--checkpoints 3"},
    {"resume", OPTION_FLAG, NULL, 0, 0, NULL, TRAINING, "go on from the newest checkpoint of --out, if there is one, on any number of ranks and threads", "--resume"},
    /* machine */
    {"balance", OPTION_TEXT, "equal", 0, 0, "equal|auto|LIST", TRAINING, "units each rank takes: equal, by speed measured each epoch, or in given proportion; not seen in the result", "--balance 1,1,0.5"},
    {"reduce", OPTION_CHOICE, "exact", 0, 0, "exact|float", TRAINING, "sums between ranks: exact, or of floats: half the bytes, other bits on other numbers of ranks", "--reduce float"},
    {"threads", OPTION_INT, "0", 0, 1024, NULL, DATA, "threads of each rank (0: the node's cores shared by its ranks); not seen in the result", "--threads 2"},
    {"memory", OPTION_SIZE, NULL, 1e6, 1e15, NULL, DATA, "memory each rank may take (default: what is free)", "--memory 900MB"},
    {"repeats", OPTION_INT, "5", 1, 999, NULL, FOR_BENCH, "measured repeats after a warm-up", "--repeats 9"},
    /* output */
    {"out", OPTION_TEXT, NULL, 0, 0, "FILE", FOR_TRAIN | FOR_PREDICT | FOR_INSPECT | FOR_DATA | FOR_IMPORT | FOR_EXPORT | FOR_REPORT, "where the result goes", "--out m.safetensors"},
    {"shard", OPTION_SIZE, "100MB", 0, 1e15, NULL, FOR_DATA, "size of a shard, about", "--shard 500MB"},
    {"top", OPTION_INT, "5", 1, 1000, NULL, FOR_PREDICT, "answers to show a picture", "--top 3"},
    {"json", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "results as JSON on stdout, for programs", "--json"},
    {"quiet", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "no progress and no notes on stderr", "--quiet"},
    {"help", OPTION_FLAG, NULL, 0, 0, NULL, FOR_ALL, "this help", "--help"},
    {NULL, OPTION_FLAG, NULL, 0, 0, NULL, 0, NULL, NULL},
};
